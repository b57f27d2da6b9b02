package main

import (
	"bufio"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
)

// BenchmarkLogin is one connection from accept to the end of LOGOUT, over TCP, secrets in the file.
func BenchmarkLogin(b *testing.B) {
	cfg := mailHost(b)
	cfg.Limits.PerIP, cfg.Limits.PerUser, cfg.Limits.MaxConnections = 0, 0, 0
	d, err := newDaemon("imapd.ini", cfg, slog.New(slog.NewTextHandler(io.Discard, nil)), new(slog.LevelVar))
	if err != nil {
		b.Fatal(err)
	}
	d.gate.Start(b.Context())
	defer func() {
		d.gate.Close()
		d.gate.Wait()
		d.watch.close()
		_ = d.store.Close()
	}()
	addr := strings.TrimPrefix(d.gate.Addresses()[0], "imap ")
	b.ReportAllocs()
	for b.Loop() {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			b.Fatal(err)
		}
		r := bufio.NewReader(c)
		for _, step := range []struct{ say, want string }{{"", "* OK"}, {"a LOGIN ann secret\r\n", "a OK"}, {"b LOGOUT\r\n", "b OK"}} {
			if _, err := io.WriteString(c, step.say); err != nil {
				b.Fatal(err)
			}
			for line := ""; !strings.HasPrefix(line, step.want); {
				if line, err = r.ReadString('\n'); err != nil {
					b.Fatal(err)
				}
			}
		}
		_ = c.Close()
	}
}
