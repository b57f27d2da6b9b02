package imapd

import (
	"context"
	"errors"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/imapd/wire"
	"maildir-imapd/maildir"
	"maildir-imapd/maildir/message"
)

// extPreview is RFC 8970. The text is made once and kept in the mailbox's cache, so that a message has the same
// preview every time. One that says nothing, or is encrypted, has the empty string; NIL is said with LAZY only, of
// a message whose preview is not known and whose file the command does not open for something else: what is
// asked for lazily is worth no look at the disk of its own (§4.1), but a file that is open costs no more.
var extPreview = extension{
	after:      []imap.Cap{imap.CapPreview},
	fetchItems: []fetchItem{{"PREVIEW", parsePreview}},
}

// parsePreview reads the modifiers behind PREVIEW (RFC 8970 §6), of which there is one. Other words in parentheses
// are not PREVIEW's but modifiers of the FETCH (RFC 4466 §2.4), as in UID FETCH 1:* PREVIEW (PARTIAL 1:9).
func parsePreview(d *wire.Decoder) fetchAtt {
	a := &previewAtt{}
	if !d.PeekText(" (LAZY") {
		return a
	}
	d.SP()
	d.List(func() {
		if word := d.Keyword(); word == "LAZY" {
			a.lazy = true
		} else {
			d.Fail("unknown modifier %s of PREVIEW", word)
		}
	})
	return a
}

// previewAtt is PREVIEW. It needs nothing of the message where the cache has the text.
type previewAtt struct {
	lazy bool
	text []byte // of the message that is being answered; nil for NIL
	buf  []byte
}

func (*previewAtt) needs() needs { return 0 }

// previewVersion begins what is cached. Another one is another way to make previews of text.
const previewVersion = 1

func (a *previewAtt) prepare(ctx context.Context, m *msgData) error {
	a.text = nil
	if b := m.reader.Cached(m.Message, maildir.KindPreview); len(b) > 0 && b[0] == previewVersion {
		a.buf = append(a.buf[:0], b...)
		a.text = a.buf[1:]
		return nil
	}
	if a.lazy && m.file == nil && m.ready == nil {
		return nil
	}
	var err error
	if a.buf, err = makePreview(ctx, m, a.buf[:0]); err == nil {
		a.text = a.buf[1:]
	}
	return err
}

func (a *previewAtt) learns() (maildir.Kind, bool) { return maildir.KindPreview, !a.lazy }

// learn has the previews of a batch made side by side, where the cache lacks them.
func (a *previewAtt) learn(ctx context.Context, s *session, batch []maildir.Message) error {
	if a.lazy {
		return nil
	}
	type maker struct {
		msgData
		buf []byte
	}
	crew := make([]maker, s.sel.Readers().Workers())
	defer func() {
		for i := range crew {
			crew[i].close()
		}
	}()
	return s.sel.LearnBy(ctx, batch, func(worker int, r *maildir.Reader, msg *maildir.Message) {
		m := &crew[worker]
		m.reset(msg)
		m.reader = r
		if b, err := makePreview(ctx, &m.msgData, m.buf[:0]); err == nil { // the walk will find the error
			m.buf = b
		}
	}, maildir.KindPreview)
}

// makePreview reads the message and appends what is cached of it.
func makePreview(ctx context.Context, m *msgData, b []byte) ([]byte, error) {
	if err := m.load(ctx, needStructure|needFile); err != nil {
		return b, err
	}
	text, ok := message.Preview(m.structure, m.file)
	if !ok {
		return b, errNoPreview
	}
	b = append(append(b, previewVersion), text...)
	m.reader.Remember(m.UID, maildir.KindPreview, b)
	return b, nil
}

var errNoPreview = errors.New("a message's file cannot be read for its preview")

func (a *previewAtt) write(_ *session, w *responder, _ *msgData) error {
	w.Raw("PREVIEW ").NString(a.text)
	return nil
}
