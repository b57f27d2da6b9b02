package imapd

import (
	"bytes"
	"context"

	"maildir-imapd/imapd/order"
	"maildir-imapd/maildir"
	"maildir-imapd/maildir/message"
)

// sortKey is what messages are sorted by (RFC 5256 §3, RFC 5957 §3), and what THREAD needs beside.
type sortKey uint8

const (
	keyArrival sortKey = iota // numbers: seconds, bytes
	keySize
	keySent
	keyCc // texts
	keyFrom
	keyTo
	keyDisplayFrom
	keyDisplayTo
	keySubject
	keyThread // message id and references
	sortKeys

	// keyRelevancy is a message's score in this search: no column of the table.
	keyRelevancy

	numberKeys = keyCc
	textKeys   = keyThread - keyCc
)

// sortCriterion is a key and its direction.
type sortCriterion struct {
	key     sortKey
	reverse bool
}

// keySet is a set of keys, and whether a message's subject makes it a reply or forward.
type keySet uint16

const isReply keySet = 1 << 15

func (s keySet) has(k sortKey) bool { return s&(1<<k) != 0 }

func setOfKeys(keys ...sortKey) (s keySet) {
	for _, k := range keys {
		s |= 1 << k
	}
	return s
}

var (
	attrKeys     = setOfKeys(keyArrival, keySize)
	envelopeKeys = setOfKeys(keySent, keyCc, keyFrom, keyTo, keyDisplayFrom, keyDisplayTo, keySubject, keyThread)
)

// sortValues is what is read of one message. It is reused.
type sortValues struct {
	has     keySet
	reply   bool
	numbers [numberKeys]int64
	texts   [textKeys]extentOf
	ids     []extentOf // its own, empty where there is none, and those it refers to
	arena   []byte     // of texts and ids
	scratch [2][]byte
	env     message.Envelope
}

type extentOf struct{ start, end int }

func (v *sortValues) reset() {
	v.has, v.reply, v.numbers, v.texts = 0, false, [numberKeys]int64{}, [textKeys]extentOf{}
	v.ids, v.arena = v.ids[:0], v.arena[:0]
}

func (v *sortValues) text(k sortKey) []byte {
	e := v.texts[k-numberKeys]
	return v.arena[e.start:e.end]
}

func (v *sortValues) setText(k sortKey, text []byte) {
	start := len(v.arena)
	v.arena = append(v.arena, text...)
	v.texts[k-numberKeys] = extentOf{start, len(v.arena)}
}

func (v *sortValues) id(i int) []byte { return v.arena[v.ids[i].start:v.ids[i].end] }

func (v *sortValues) addID(id []byte) {
	start := len(v.arena)
	v.arena = append(v.arena, id...)
	v.ids = append(v.ids, extentOf{start, len(v.arena)})
}

// read takes from a message what is asked for. The error is that of a header that cannot be read.
func (v *sortValues) read(ctx context.Context, h *maildir.Handle, m []maildir.Message, need keySet) error {
	v.reset()
	v.has = need
	dated := true
	if need&envelopeKeys != 0 {
		if err := h.Envelope(ctx, &m[0], &v.env); err != nil {
			return err
		}
		var d order.Date
		if d, dated = order.SentDate(v.env.Date); dated {
			v.numbers[keySent] = d.Unix()
		}
	}
	if need&attrKeys != 0 || need.has(keySent) && !dated {
		if err := h.Load(ctx, m); err != nil {
			return err
		}
		v.numbers[keyArrival], v.numbers[keySize] = m[0].InternalDate.Unix(), m[0].Size
		if !dated {
			v.numbers[keySent] = v.numbers[keyArrival] // RFC 5256 §2.2
		}
	}
	if need.has(keySubject) {
		v.scratch[0] = message.DecodeWords(v.scratch[0][:0], v.env.Subject)
		v.scratch[1], v.reply = order.BaseSubject(v.scratch[1][:0], v.scratch[0])
		v.fold(keySubject, v.scratch[1])
	}
	for k := keyCc; k <= keyDisplayTo; k++ {
		if need.has(k) {
			v.address(k)
		}
	}
	if need.has(keyThread) {
		v.references()
	}
	return nil
}

// fold keeps a text as it is compared: i;unicode-casemap (RFC 5051), in which, other than for SEARCH, several
// spaces are several.
func (v *sortValues) fold(k sortKey, text []byte) {
	start := len(v.arena)
	for i := bytes.Index(text, twoSpaces); i >= 0; i = bytes.Index(text, twoSpaces) {
		v.arena = message.Fold(v.arena, text[:i+1])
		text = text[i+1:]
	}
	v.arena = message.Fold(v.arena, text)
	v.texts[k-numberKeys] = extentOf{start, len(v.arena)}
}

var twoSpaces = []byte("  ")

// address is the mailbox of a field's first address (RFC 5256 §3), or what shows it (RFC 5957 §3). A field
// that is not there is the empty text.
func (v *sortValues) address(k sortKey) {
	var list []message.Address
	switch k {
	case keyCc:
		list = v.env.Cc
	case keyFrom, keyDisplayFrom:
		list = v.env.From
	case keyTo, keyDisplayTo:
		list = v.env.To
	}
	if len(list) == 0 {
		return
	}
	a := &list[0]
	if k < keyDisplayFrom {
		v.fold(k, a.Mailbox)
		return
	}
	v.scratch[0] = message.DecodeWords(v.scratch[0][:0], a.Name)
	v.scratch[1] = order.Display(v.scratch[1][:0], v.scratch[0], a.Mailbox, a.Host)
	v.fold(k, v.scratch[1])
}

// references reads the message's id and those it refers to: all of References, or, where there is none, the
// first of In-Reply-To (RFC 5256 §3, REFERENCES step 1).
func (v *sortValues) references() {
	id, _, _ := order.NextID(v.scratch[0][:0], v.env.MessageID)
	v.addID(id)
	rest, ok := v.env.References, true
	for ok {
		if id, rest, ok = order.NextID(id[:0], rest); ok {
			v.addID(id)
		}
	}
	if len(v.ids) == 1 {
		if id, _, ok = order.NextID(id[:0], v.env.InReplyTo); ok {
			v.addID(id)
		}
	}
	v.scratch[0] = id
}
