package imapd

import (
	"context"

	"maildir-imapd/imapd/wire"
)

// fetchItem is one row of what FETCH can be asked for (RFC 9051 §6.4.5).
type fetchItem struct {
	name  string
	parse func(d *wire.Decoder) fetchAtt
}

// fetchAtt is one data item as asked for. What it needs is loaded before write is called, so that write
// fails only when a file breaks off in the middle.
type fetchAtt interface {
	needs() needs
	write(s *session, w *responder, m *msgData) error
}

// preparer is an item that may refuse a message, or has to find something out about it, before the first byte
// of the answer. What the items of the command need is loaded by then.
type preparer interface {
	prepare(ctx context.Context, m *msgData) error
}

// needs is what must be known of a message.
type needs uint8

const (
	needAttrs     needs = 1 << iota // size and internal date
	needEnvelope                    // the cached envelope
	needStructure                   // the part table
	needFile                        // the open file
	needBody                        // BODYSTRUCTURE as it is sent
	needFields                      // the header fields that clients list mail by
	setsSeen                        // reading it marks the message \Seen
)

// simpleAtt is an item without arguments.
type simpleAtt struct {
	need needs
	put  func(s *session, w *responder, m *msgData)
}

func (a *simpleAtt) needs() needs { return a.need }

func (a *simpleAtt) write(s *session, w *responder, m *msgData) error {
	a.put(s, w, m)
	return nil
}

func simple(name string, need needs, put func(s *session, w *responder, m *msgData)) fetchItem {
	att := &simpleAtt{need, func(s *session, w *responder, m *msgData) {
		w.Raw(name).SP()
		put(s, w, m)
	}}
	return fetchItem{name, func(*wire.Decoder) fetchAtt { return att }}
}

var coreFetchItems = []fetchItem{
	simple("UID", 0, func(_ *session, w *responder, m *msgData) { w.Number(uint32(m.UID)) }),
	simple("FLAGS", 0, func(s *session, w *responder, m *msgData) { s.writeMessageFlags(w, m.Message) }),
	simple("INTERNALDATE", needAttrs, func(_ *session, w *responder, m *msgData) { w.DateTime(m.InternalDate) }),
	simple("RFC822.SIZE", needAttrs, func(_ *session, w *responder, m *msgData) { w.Number64(m.Size) }),
	simple("ENVELOPE", needEnvelope, func(_ *session, w *responder, m *msgData) { writeEnvelope(w, m.envelope) }),
	simple("BODYSTRUCTURE", needBody, func(s *session, w *responder, m *msgData) {
		if s.utf8 {
			writeBody(w, m.structure, 0, true)
		} else {
			w.RawBytes(m.body)
		}
	}),
	{"BODY", parseBody(false)},
	{"BODY.PEEK", parseBody(true)},
	{"RFC822", func(*wire.Decoder) fetchAtt { return &sectionAtt{name: "RFC822"} }},
	{"RFC822.HEADER", func(*wire.Decoder) fetchAtt {
		return &sectionAtt{name: "RFC822.HEADER", section: wire.Section{Specifier: "HEADER"}, peek: true}
	}},
	{"RFC822.TEXT", func(*wire.Decoder) fetchAtt {
		return &sectionAtt{name: "RFC822.TEXT", section: wire.Section{Specifier: "TEXT"}}
	}},
}

// bodyAtt is BODY without a section: the structure without extension data.
var bodyAtt = &simpleAtt{needStructure, func(_ *session, w *responder, m *msgData) {
	w.Raw("BODY ")
	writeBody(w, m.structure, 0, false)
}}

// parseBody reads what follows BODY: nothing, or a section and perhaps a range of it.
func parseBody(peek bool) func(*wire.Decoder) fetchAtt {
	return func(d *wire.Decoder) fetchAtt {
		if d.Peek() != '[' {
			if peek {
				d.Fail("BODY.PEEK needs a section")
			}
			return bodyAtt
		}
		a := &sectionAtt{section: d.Section(), partial: d.Partial(), peek: peek}
		a.listed = listsMail(&a.section)
		return a
	}
}

// fetchMacros are the three of RFC 9051 §6.4.5.
var fetchMacros = map[string][]string{
	"ALL":  {"FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE"},
	"FAST": {"FLAGS", "INTERNALDATE", "RFC822.SIZE"},
	"FULL": {"FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODY"},
}
