package imapd

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// FuzzSession feeds any bytes to a connection in each of its states. The server must take them, end the
// session when the client has, and not panic; the store must be sound afterwards.
func FuzzSession(f *testing.F) {
	files, err := filepath.Glob(filepath.Join(transcripts, "*.txt"))
	if err != nil {
		f.Fatal(err)
	}
	for i, name := range files { // every client line of the transcripts is a seed
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		var lines strings.Builder
		for line := range strings.SplitSeq(string(text), "\n") {
			if _, command, ok := strings.Cut(line, " C: "); ok {
				lines.WriteString(command + "\r\n")
			}
		}
		f.Add(uint8(i%3), []byte(lines.String()))
	}
	s := startServer(f, func(s *testServer) {
		s.options.Limits.Append, s.options.Limits.BadCommands = 1<<20, 1000
		s.options.Limits.PerUser = 0
		s.withPublic, s.lists, s.shared, s.private = true, true, true, true
		s.tweakMail = func(m *Mail) {
			m.Tilde = true
			m.Aliases = func() map[string]string {
				return map[string]string{"Team": "Public/news", "Round": "Go", "Go": "Round"}
			}
			m.Defaults = func() []string { return []string{"Public/news", "Team"} }
		}
	})
	makeFolders(f, s.public, "news", "box", "box/sub")
	if err := os.WriteFile(filepath.Join(s.public, "dovecot-acl"), []byte("user="+testUser+" lrswipkxtea\n"), 0o644); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, state uint8, input []byte) {
		ours, theirs := net.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			if state%3 == 0 {
				s.server.ServeConn(context.Background(), theirs, &s.info)
				return
			}
			s.server.ServePreauth(context.Background(), theirs, &s.info, Identity{User: testUser})
		}()
		go func() {
			defer ours.Close()
			_ = ours.SetDeadline(time.Now().Add(5 * time.Second))
			if state%3 == 2 {
				_, _ = io.WriteString(ours, "a APPEND INBOX {12+}\r\nA: b\r\n\r\nc\r\n\r\n\r\nb SELECT INBOX\r\n")
			}
			_, _ = ours.Write(input)
			_, _ = io.WriteString(ours, "\r\nzz LOGOUT\r\n")
			time.Sleep(time.Millisecond)
		}()
		_, _ = io.Copy(io.Discard, onlyReader{ours})
		select {
		case <-done:
		case <-time.After(20 * time.Second):
			t.Fatal("the session does not end")
		}
		if n := panics.Swap(0); n > 0 {
			t.Fatalf("%d panics", n)
		}
	})
}
