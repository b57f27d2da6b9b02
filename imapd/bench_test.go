package imapd

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir"
)

// BenchmarkFetch measures one FETCH of a thousand messages, cached, through the whole engine.
func BenchmarkFetch(b *testing.B) {
	s := startServer(b, func(s *testServer) { s.options.Log = quietLog })
	const messages = 1000
	deliver(b, s, messages)
	ours, theirs := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.server.ServePreauth(context.Background(), theirs, &s.info, Identity{User: testUser})
	}()
	c := &client{b, ours, bufio.NewReaderSize(ours, 64<<10)}
	c.expect("* PREAUTH")
	c.do("a SELECT INBOX")
	for _, items := range []string{"FLAGS", "(UID FLAGS INTERNALDATE RFC822.SIZE)", "ENVELOPE", "BODYSTRUCTURE",
		"BODY.PEEK[HEADER.FIELDS (From To Subject)]", "BODY.PEEK[]"} {
		b.Run(items, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.do("a FETCH 1:* " + items)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/messages, "ns/message")
		})
	}
	c.do("z LOGOUT")
	ours.Close()
	<-done
}

// deliver fills INBOX with messages of a few kinds.
func deliver(b *testing.B, s *testServer, n int) {
	mail, err := s.openMail(context.Background(), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer mail.Namespaces[0].Tree.Close()
	h, err := mail.Namespaces[0].Tree.Open(context.Background(), "INBOX", maildir.Target)
	if err != nil {
		b.Fatal(err)
	}
	defer h.Close()
	for i := range n {
		d, err := h.Deliver(context.Background(), 0)
		if err != nil {
			b.Fatal(err)
		}
		fmt.Fprintf(d, "From: \"Sender %d\" <s%d@example.org>\r\nTo: a@example.org, b@example.org\r\nSubject: number %d\r\n"+
			"Date: Mon, 1 Jan 2024 10:00:00 +0000\r\nMessage-ID: <%d@example.org>\r\nMIME-Version: 1.0\r\n"+
			"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n", i, i%7, i, i)
		_, _ = io.WriteString(d, strings.Repeat("A line of text that is as long as lines are.\r\n", 10+i%60))
		_, _ = io.WriteString(d, "--b\r\nContent-Type: application/pdf; name=x.pdf\r\nContent-Transfer-Encoding: base64\r\n"+
			"Content-Disposition: attachment; filename=x.pdf\r\n\r\nAAAA\r\n--b--\r\n")
		if _, err := d.Commit(context.Background(), []imap.Flag{imap.FlagSeen}, time.Now()); err != nil {
			b.Fatal(err)
		}
	}
}
