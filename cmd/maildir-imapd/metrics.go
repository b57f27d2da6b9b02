package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"
)

// exporter shows numbers of gate, engine and store in Prometheus' text format, under /metrics. One goroutine serves,
// and one for each connection; close joins them, but for an answer that takes longer than a second.
type exporter struct {
	server http.Server
	listen net.Listener
	done   chan struct{}
}

// openMetrics listens on a loopback address or a path, where it shows what numbers gives; nil for no address at all.
func openMetrics(address string, numbers func() []byte, log *slog.Logger) (*exporter, error) {
	if address == "" {
		return nil, nil
	}
	network := "tcp"
	if strings.HasPrefix(address, "/") {
		network = "unix"
		if err := removeSocket(address); err != nil {
			return nil, fmt.Errorf("[metrics] listen: %w", err)
		}
	}
	l, err := net.Listen(network, address)
	if errors.Is(err, syscall.EAFNOSUPPORT) {
		return nil, fmt.Errorf("[metrics] listen: %w; the unit lets the daemon open no ports: see listen in maildir-imapd(8)", err)
	}
	if err != nil {
		return nil, fmt.Errorf("[metrics] listen: %w", err)
	}
	if network == "unix" { // the owner, and whoever the directory lets in by its group
		if err := os.Chmod(address, 0o660); err != nil {
			return nil, errors.Join(fmt.Errorf("[metrics] listen: %w", err), l.Close())
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", expositionType)
		_, _ = w.Write(numbers())
	})
	m := &exporter{listen: l, done: make(chan struct{})}
	m.server = http.Server{
		Handler: mux, ReadHeaderTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	go func() {
		defer close(m.done)
		if err := m.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Error("metrics are not shown any more", "err", err)
		}
	}()
	log.Info("metrics", "listening", l.Addr().String())
	return m, nil
}

// removeSocket removes what an earlier life left; nothing but a socket.
func removeSocket(path string) error {
	st, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case st.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%s is there, and is no socket", path)
	}
	return os.Remove(path)
}

func (m *exporter) close() {
	if m == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if m.server.Shutdown(ctx) != nil {
		_ = m.server.Close()
	}
	<-m.done
}
