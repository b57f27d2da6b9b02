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
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"maildir-imapd/imapd"
	"maildir-imapd/maildir"
)

// exporter shows numbers of engine and store in Prometheus' text format, under /metrics. One goroutine serves,
// and one for each connection; close joins them, but for an answer that takes longer than a second.
type exporter struct {
	server http.Server
	listen net.Listener
	done   chan struct{}
}

// openMetrics listens on a loopback address or a path; it gives nil for no address at all.
func openMetrics(address string, server *imapd.Server, store *maildir.Store, log *slog.Logger) (*exporter, error) {
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
	if err != nil {
		return nil, fmt.Errorf("[metrics] listen: %w", err)
	}
	if network == "unix" { // the owner, and whoever the directory lets in by its group
		if err := os.Chmod(address, 0o660); err != nil {
			return nil, errors.Join(fmt.Errorf("[metrics] listen: %w", err), l.Close())
		}
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(&numbers{server, store}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
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

// numbers reads engine and store whenever somebody asks: nothing is counted twice.
type numbers struct {
	server *imapd.Server
	store  *maildir.Store
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("imapd_"+name, help, labels, nil)
}

var (
	connectionsDesc = desc("connections", "Connections now.")
	loginsDesc      = desc("logins_total", "Logins, by result: ok or failed.", "result")
	commandsDesc    = desc("commands_total", "Commands read, by name.", "command")
	appendedDesc    = desc("appended_messages_total", "Messages put into mailboxes by APPEND.")
	bytesDesc       = desc("bytes_total", "Bytes of IMAP, by direction: in or out.", "direction")
	mailboxesDesc   = desc("mailboxes", "Mailboxes in memory, by state: open or warm.", "state")
	polledDesc      = desc("polled_mailboxes", "Mailboxes that clients wait for and whose directories could not be watched.")
	resetsDesc      = desc("uidvalidity_resets_total", "Mailboxes of which all copies of UIDVALIDITY were lost.")
	errorsDesc      = desc("write_errors_total", "Failures to write the daemon's own files, by file: index or cache.", "file")
)

// Describe names all there are.
func (n *numbers) Describe(c chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{connectionsDesc, loginsDesc, commandsDesc, appendedDesc, bytesDesc, mailboxesDesc, polledDesc, resetsDesc, errorsDesc} {
		c <- d
	}
}

// Collect takes them.
func (n *numbers) Collect(c chan<- prometheus.Metric) {
	e, s := n.server.Stats(), n.store.Stats()
	gauge := func(d *prometheus.Desc, v int, labels ...string) {
		c <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), labels...)
	}
	count := func(d *prometheus.Desc, v int64, labels ...string) {
		c <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge(connectionsDesc, e.Connections)
	count(loginsDesc, e.Logins, "ok")
	count(loginsDesc, e.LoginFailures, "failed")
	for name, v := range e.Commands {
		count(commandsDesc, v, name)
	}
	count(appendedDesc, e.Appended)
	count(bytesDesc, e.BytesIn, "in")
	count(bytesDesc, e.BytesOut, "out")
	gauge(mailboxesDesc, s.Open, "open")
	gauge(mailboxesDesc, s.Warm, "warm")
	gauge(polledDesc, s.Polled)
	count(resetsDesc, s.Resets)
	count(errorsDesc, s.IndexErrors, "index")
	count(errorsDesc, s.CacheErrors, "cache")
}
