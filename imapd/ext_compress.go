package imapd

import (
	"context"
	"io"
	"strings"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/imapd/deflate"
	"maildir-imapd/imapd/wire"
)

// extCompress is RFC 4978.
var extCompress = extension{
	after:    []imap.Cap{"COMPRESS=DEFLATE"},
	commands: []command[*session]{{name: "COMPRESS", in: anyState, parse: parseCompress}},
}

// compressKey remembers that compression is on.
var compressKey stateKey[bool]

func parseCompress(d *wire.Decoder, _ *session) (action[*session], error) {
	d.SP()
	algorithm := strings.ToUpper(d.Atom())
	d.CRLF()
	return actionFunc[*session](func(_ context.Context, s *session, w *responder) error {
		on := compressKey.of(s)
		switch {
		case *on:
			return no(codeCompressed, "Compression is on already")
		case algorithm != "DEFLATE":
			return no(imap.ResponseCodeCannot, "DEFLATE is the only algorithm here")
		}
		*on = true
		w.text = "DEFLATE active"
		s.then = func() error {
			s.sleep() // the codec holds the buffers of the old layer
			return s.c.swap(func(r io.Reader, wr io.Writer) (io.Reader, io.Writer) {
				return deflate.NewReader(r), deflate.NewWriter(wr)
			})
		}
		return nil
	}), nil
}
