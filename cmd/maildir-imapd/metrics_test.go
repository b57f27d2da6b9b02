package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"maildir-imapd/imapd"
	"maildir-imapd/maildir"
)

func cmdScrape(ts *testscript.TestScript, _ bool, args []string) {
	text, err := scrape("tcp", of(ts).text(args[0]))
	ts.Check(err)
	_, err = io.WriteString(ts.Stdout(), text)
	ts.Check(err)
}

func scrape(network, address string) (string, error) {
	t := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, address)
	}}
	defer t.CloseIdleConnections()
	r, err := (&http.Client{Transport: t}).Get("http://localhost/metrics")
	if err != nil {
		return "", err
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	return string(b), err
}

// TestMetricsSocket: a socket of an earlier life gives way, anything else does not, and close leaves nothing.
func TestMetricsSocket(t *testing.T) {
	store, err := maildir.NewStore(maildir.StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	server := imapd.New(imapd.Options{})
	numbers := func() []byte { return numbers(nil, server.Stats(), store.Stats()) }
	path := filepath.Join(t.TempDir(), "m")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close()
	log := slog.New(slog.DiscardHandler)
	m, err := openMetrics(path, numbers, log)
	if err != nil {
		t.Fatal(err)
	}
	text, err := scrape("unix", path)
	if err != nil || !strings.Contains(text, "\nimapd_connections 0\n") || !strings.Contains(text, `imapd_commands_total{command="NOOP"} 0`) {
		t.Errorf("%v: %s", err, text)
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o660 {
		t.Errorf("%v, %v", st, err)
	}
	m.close()
	if _, err := os.Stat(path); err == nil {
		t.Error("the socket is left")
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if m, err := openMetrics(path, numbers, log); err == nil {
		m.close()
		t.Error("a file was taken for a socket")
	}
	if m, err := openMetrics("", numbers, log); m != nil || err != nil {
		t.Errorf("%v, %v", m, err)
	}
}
