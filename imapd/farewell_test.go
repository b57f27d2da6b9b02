package imapd

import (
	"bufio"
	"crypto/tls"
	"net"
	"strings"
	"testing"
	"time"
)

// held keeps what is written.
type held struct {
	net.Conn
	on   bool
	text []byte
}

func (h *held) Write(p []byte) (int, error) {
	if !h.on {
		return h.Conn.Write(p)
	}
	h.text = append(h.text, p...)
	return len(p), nil
}

// TestHalfFarewell: a command is answered although only half of the client's farewell (close_notify) came with it.
func TestHalfFarewell(t *testing.T) {
	s := startServer(t, nil)
	first := s.client(t)
	first.do("b STARTTLS")
	under := &held{Conn: first.Conn}
	config := s.transcript().TLS.Clone()
	config.MaxVersion = tls.VersionTLS12 // later ones do not show which records are farewells
	tc := tls.Client(under, config)
	c := (&client{t, tc, bufio.NewReader(tc)}).login()
	time.Sleep(50 * time.Millisecond) // it waits now
	under.on = true
	c.send("n NOOP\r\n")
	if err := tc.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	_ = under.SetWriteDeadline(time.Time{}) // CloseWrite allows no more
	farewell := len(under.text) - 5
	if _, err := under.Conn.Write(under.text[:farewell]); err != nil {
		t.Fatal(err)
	}
	_ = tc.SetReadDeadline(time.Now().Add(5 * time.Second))
	if l, err := c.r.ReadString('\n'); !strings.HasPrefix(l, "n OK") {
		t.Errorf("%q, %v", l, err)
	}
	_, _ = under.Conn.Write(under.text[farewell:])
}
