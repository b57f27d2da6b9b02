package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"strings"
	"sync"

	"github.com/coreos/go-systemd/v22/journal"

	"maildir-imapd/imapd/config"
)

// newLog makes the log of [log], and the handle on its level, which a reload may turn.
func newLog(c config.Log, stderr io.Writer) (*slog.Logger, *slog.LevelVar) {
	level := new(slog.LevelVar)
	setLevel(level, c)
	toJournal := c.Target == "journal"
	if c.Target == "auto" {
		toJournal, _ = journal.StderrIsJournalStream() // JOURNAL_STREAM
	}
	if toJournal && journal.Enabled() {
		return slog.New(newJournalHandler(c.Format, level, stderr)), level
	}
	return slog.New(formatHandler(c.Format, stderr, &slog.HandlerOptions{Level: level})), level
}

func setLevel(level *slog.LevelVar, c config.Log) {
	_ = level.UnmarshalText([]byte(c.Level)) // config admits no other words
}

func formatHandler(format string, w io.Writer, o *slog.HandlerOptions) slog.Handler {
	if format == "json" {
		return slog.NewJSONHandler(w, o)
	}
	return slog.NewTextHandler(w, o)
}

// journalHandler sends records to the journal, which has the time and the level already: MESSAGE is the line
// that stderr would get without them.
type journalHandler struct {
	slog.Handler // writes to out
	out          *outgoing
}

// outgoing holds one line on its way. Its mutex is the handlers' common one.
type outgoing struct {
	mu     sync.Mutex
	line   bytes.Buffer
	stderr io.Writer
}

func newJournalHandler(format string, level slog.Leveler, stderr io.Writer) *journalHandler {
	out := &outgoing{stderr: stderr}
	drop := func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey) {
			return slog.Attr{}
		}
		return a
	}
	return &journalHandler{formatHandler(format, &out.line, &slog.HandlerOptions{Level: level, ReplaceAttr: drop}), out}
}

func (h *journalHandler) Handle(ctx context.Context, r slog.Record) error {
	h.out.mu.Lock()
	defer h.out.mu.Unlock()
	h.out.line.Reset()
	if err := h.Handler.Handle(ctx, r); err != nil {
		return err
	}
	line := strings.TrimSuffix(h.out.line.String(), "\n")
	err := journal.Send(line, priority(r.Level), map[string]string{"SYSLOG_IDENTIFIER": "maildir-imapd"})
	if err != nil { // the journal is restarting: a line late is better than a line lost
		_, err = io.WriteString(h.out.stderr, line+"\n")
	}
	return err
}

func (h *journalHandler) WithAttrs(a []slog.Attr) slog.Handler {
	return &journalHandler{h.Handler.WithAttrs(a), h.out}
}

func (h *journalHandler) WithGroup(name string) slog.Handler {
	return &journalHandler{h.Handler.WithGroup(name), h.out}
}

func priority(l slog.Level) journal.Priority {
	switch {
	case l >= slog.LevelError:
		return journal.PriErr
	case l >= slog.LevelWarn:
		return journal.PriWarning
	case l >= slog.LevelInfo:
		return journal.PriInfo
	}
	return journal.PriDebug
}
