package main

import (
	"bytes"
	"strconv"

	"github.com/VictoriaMetrics/metrics"

	"maildir-imapd/imapd"
	"maildir-imapd/maildir"
)

// The text is made by VictoriaMetrics' small library. Prometheus' own brings Protocol Buffers and more, two and a half
// megabytes of the program that every daemon would have in memory, metrics or not.

// expositionType is Prometheus' text format.
const expositionType = "text/plain; version=0.0.4; charset=utf-8"

// sheet is what is told at one time: whoever asks gets a new one, and nothing is counted twice.
type sheet struct{ set *metrics.Set }

func (s sheet) gauge(name string, v int)   { s.set.GetOrCreateGauge(name, nil).Set(float64(v)) }
func (s sheet) count(name string, v int64) { s.set.GetOrCreateCounter(name).Set(uint64(v)) }

// labelled is the name of one number of several, which differ in the label.
func labelled(name, label, value string) string {
	return name + "{" + label + "=" + strconv.Quote(value) + "}"
}

// numbers reads gate, engine, store, runtime and kernel whenever somebody asks. refused is by key of [limits].
func numbers(refused map[string]int64, e imapd.Stats, s maildir.Stats) []byte {
	metrics.ExposeMetadata(true) // the kind of each number
	x := sheet{metrics.NewSet()}
	x.gauge("imapd_connections", e.Connections)
	for key, n := range refused {
		x.count(labelled("imapd_refused_connections_total", "limit", key), n)
	}
	x.count(labelled("imapd_logins_total", "result", "ok"), e.Logins)
	x.count(labelled("imapd_logins_total", "result", "failed"), e.LoginFailures)
	for name, n := range e.Commands {
		x.count(labelled("imapd_commands_total", "command", name), n)
	}
	x.count("imapd_appended_messages_total", e.Appended)
	x.count(labelled("imapd_bytes_total", "direction", "in"), e.BytesIn)
	x.count(labelled("imapd_bytes_total", "direction", "out"), e.BytesOut)
	x.gauge(labelled("imapd_mailboxes", "state", "open"), s.Open)
	x.gauge(labelled("imapd_mailboxes", "state", "warm"), s.Warm)
	x.gauge("imapd_polled_mailboxes", s.Polled)
	x.count("imapd_uidvalidity_resets_total", s.Resets)
	x.count(labelled("imapd_write_errors_total", "file", "index"), s.IndexErrors)
	x.count(labelled("imapd_write_errors_total", "file", "cache"), s.CacheErrors)
	var b bytes.Buffer
	x.set.WritePrometheus(&b)
	metrics.WriteProcessMetrics(&b)
	metrics.WriteFDMetrics(&b)
	return b.Bytes()
}
