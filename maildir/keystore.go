package maildir

import (
	"fmt"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir/fsx"
)

// flagSet is a command's list of flags, in bits.
type flagSet struct {
	system   SystemFlags
	keywords []string
}

func parseFlags(flags []imap.Flag) flagSet {
	var f flagSet
	for _, name := range flags {
		bit := SystemFlag(name)
		f.system |= bit
		switch {
		case bit == Passed:
			f.keywords = append(f.keywords, forwarded)
		case bit == 0 && !strings.HasPrefix(string(name), `\`):
			f.keywords = append(f.keywords, string(name))
		}
	}
	return f
}

// keywordBits finds the bits of keywords. With create, those that the mailbox
// does not have yet get a letter in dovecot-keywords, or when the letters are
// used up a bit that only our index knows.
func (t *txn) keywordBits(names []string, create bool) (bits uint64, err error) {
	m := t.m
	s := &m.state // keys change under writer only
	var added []string
	for _, name := range names {
		if bit := s.keyword(name); bit >= 0 {
			bits |= 1 << bit
		} else if create {
			added = append(added, name)
		}
	}
	if len(added) == 0 {
		return bits, nil
	}
	var letters keywordMap
	copy(letters.names[:], s.keys[:maxLetters])
	high := s.keys
	newLetters, newHigh := false, false
	for _, name := range added {
		if !validKeyword(name) || len(name) > 255 {
			return 0, fmt.Errorf("keyword %q: %w", name, ErrKeywordLimit)
		}
		bit := letters.find(name)
		if bit < 0 && len(name) <= maxKeyword {
			if bit = letters.firstFree(); bit >= 0 {
				letters.names[bit] = name
				newLetters = true
			}
		}
		for i := maxLetters; bit < 0 && i < len(high); i++ {
			if high[i] == "" || strings.EqualFold(high[i], name) {
				high[i], bit, newHigh = name, i, true
			}
		}
		if bit < 0 {
			return 0, ErrKeywordLimit
		}
		bits |= 1 << bit
	}
	if newLetters {
		if err := t.writeKeys(letters); err != nil {
			return 0, err
		}
	}
	t.publish(func(s *state, log *changeLog) {
		copy(s.keys[:maxLetters], letters.names[:])
		copy(s.keys[maxLetters:], high[maxLetters:])
		s.keysGen++
		if newHigh {
			t.rec = appendKeys(t.rec, s)
		}
	})
	return bits, nil
}

// writeKeys replaces dovecot-keywords. Dovecot compares its time in seconds,
// so the time must grow (FORMATS §5.4).
func (t *txn) writeKeys(letters keywordMap) error {
	m := t.m
	lock, err := m.control.Lock(t.ctx, keywordsFile, fsx.LockOptions{Wait: m.store.o.LockWait, Stale: lockStale})
	if err != nil {
		return err
	}
	defer lock.Unlock()
	if err := m.control.WriteFile(keywordsFile, letters.encode(nil), 0, true); err != nil {
		return err
	}
	id, err := idNow(m.control, keywordsFile)
	if err != nil {
		return err
	}
	if was := m.seen.keys.mtime / second; id.mtime/second <= was {
		if err := m.control.Chtimes(keywordsFile, time.Unix(was+1, 0)); err != nil {
			return err
		}
		if id, err = idNow(m.control, keywordsFile); err != nil {
			return err
		}
	}
	m.mu.Lock()
	m.seen.keys = id
	m.mu.Unlock()
	return nil
}
