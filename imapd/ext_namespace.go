package imapd

import (
	"context"

	"github.com/emersion/go-imap/v2"
)

// extNamespace is RFC 2342.
var extNamespace = extension{
	after:    []imap.Cap{imap.CapNamespace},
	commands: []command[*session]{{name: "NAMESPACE", in: anyState, parse: noArgs(runNamespace)}},
}

func runNamespace(_ context.Context, s *session, w *responder) error {
	w.untagged().Raw("NAMESPACE")
	for _, kind := range []NamespaceKind{Personal, OtherUsers, Shared} {
		w.SP()
		found := false
		for _, ns := range s.mail.Namespaces {
			if ns.Kind != kind {
				continue
			}
			if !found {
				w.Special('(')
			}
			found = true
			w.Special('(').MailboxString(ns.Prefix).SP()
			w.separator(ns.Separator)
			w.Special(')')
		}
		if found {
			w.Special(')')
		} else {
			w.NIL()
		}
	}
	w.CRLF()
	return nil
}
