package imapd

import (
	"context"
	"strings"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/imapd/wire"
)

// extEnable is RFC 5161.
var extEnable = extension{
	before:   []imap.Cap{imap.CapEnable},
	after:    []imap.Cap{imap.CapEnable},
	commands: []command[*session]{{name: "ENABLE", in: anyState, parse: parseEnable}},
}

func parseEnable(d *wire.Decoder, s *session) (action[*session], error) {
	var names []string
	for {
		d.SP()
		names = append(names, strings.ToUpper(d.Atom()))
		if d.Err() != nil || d.Peek() != ' ' {
			break
		}
	}
	d.CRLF()
	return actionFunc[*session](func(_ context.Context, s *session, w *responder) error {
		w.untagged().Raw("ENABLED")
		for _, n := range names {
			e := s.srv.index.enables[n]
			if e == nil || s.enabled[n] { // unknown ones are ignored, RFC 5161 §3.1
				continue
			}
			if s.enabled == nil {
				s.enabled = map[string]bool{}
			}
			s.enabled[n] = true
			if e.on != nil {
				e.on(s)
			}
			w.SP().Raw(n)
		}
		w.CRLF()
		return nil
	}), nil
}
