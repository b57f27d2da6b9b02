package imapd

import (
	"context"
	"strings"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/imapd/wire"
)

// extID is RFC 2971: both sides say who they are, before the login too, as Apple's clients do.
var extID = extension{
	before:   []imap.Cap{imap.CapID},
	after:    []imap.Cap{imap.CapID},
	front:    []command[*front]{{name: "ID", parse: parseID[*front]}},
	commands: []command[*session]{{name: "ID", in: anyState, parse: parseID[*session]}},
}

// RFC 2971 §3.3.
const (
	maxIDFields = 30
	maxIDKey    = 30
	maxIDValue  = 1024
)

func parseID[S side[S]](d *wire.Decoder, _ S) (action[S], error) {
	d.SP()
	fields := map[string]string{}
	if d.Peek() != '(' {
		if _, ok := d.NString(); ok {
			d.Fail("ID takes a list or NIL")
		}
	} else {
		d.List(func() {
			key := strings.ToLower(d.String())
			d.SP()
			value, _ := d.NString()
			if len(key) > maxIDKey || len(value) > maxIDValue || len(fields) == maxIDFields {
				d.Fail("ID: too many or too long fields")
			}
			fields[key] = value
		})
	}
	d.CRLF()
	return actionFunc[S](func(_ context.Context, s S, w *responder) error {
		p := s.base()
		p.clientID = fields
		p.log.Debug("client", "name", fields["name"], "version", fields["version"])
		w.untagged().Raw(`ID ("name" "maildir-imapd" "version" `).String(p.srv.opts().Version).Raw(")").CRLF()
		return nil
	}), nil
}
