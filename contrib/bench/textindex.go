package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// indexFile is our daemon's text index of a mailbox. Dovecot has none.
const indexFile = "maildir-imapd.text"

// errNoIndex passes over a row.
var errNoIndex = errors.New("no text index was built")

// readsText tells the searches that make the daemon want an index.
func readsText(c string) bool {
	return strings.HasPrefix(c, "SEARCH TEXT ") || strings.HasPrefix(c, "SEARCH BODY ")
}

// indexed waits until the mailbox's text index is complete: its file no longer grows and the server rests.
// The first search of a mailbox's text starts the work, and the clock.
func (s *session) indexed() error {
	if !s.ours() {
		return nil
	}
	if s.searched.IsZero() {
		if err := s.do("SEARCH TEXT " + needle); err != nil {
			return err
		}
	}
	size, grown, err := s.watchIndex()
	if err != nil || s.indexKnown {
		return err
	}
	s.indexKnown = true
	s.note("text index complete, seconds after the first search", "%.2f", max(0, grown.Sub(s.searched)).Seconds())
	s.note("text index, % of the mail without attachments", "%.1f", 100*float64(size)/float64(s.lib.Text))
	s.note("text index, % of the mail", "%.1f", 100*float64(size)/float64(s.lib.Bytes))
	return nil
}

// watchIndex returns the size of the complete index and when it last grew.
func (s *session) watchIndex() (size int64, grown time.Time, err error) {
	const rest = 500 * time.Millisecond
	path := filepath.Join(s.srv.MailDir(s.user), indexFile)
	size, grown = -1, time.Now()
	for rested := false; ; time.Sleep(5 * time.Millisecond) {
		st, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return 0, grown, err
		case st.Size() != size:
			if size < 0 && time.Since(st.ModTime()) > rest { // it was there before anybody watched
				grown = st.ModTime()
			} else {
				grown = time.Now()
			}
			size, rested = st.Size(), false
		}
		if time.Since(grown) < rest {
			continue
		}
		if rested && size < 0 {
			return 0, grown, errNoIndex
		}
		if rested {
			return size, grown, nil
		}
		if err := s.settle(); err != nil {
			return 0, grown, err
		}
		rested = true
	}
}
