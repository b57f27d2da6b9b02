package maildir

import (
	"errors"
	"io/fs"
	"strings"
)

// damagedKeywords counts the lines of dovecot-keywords that nobody wrote: not a
// number, a space and a name. What merely cannot be used here, a greater number
// or a name that IMAP cannot have, is no damage.
func damagedKeywords(b []byte) (n int) {
	for line := range strings.SplitSeq(string(b), "\n") {
		number, name, ok := strings.Cut(line, " ")
		good := ok && number != "" && name != "" && strings.Trim(number, "0123456789") == "" &&
			!strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f })
		if line != "" && !good {
			n++
		}
	}
	return n
}

// readKeys takes over dovecot-keywords when it has changed.
func (t *txn) readKeys() error {
	m := t.m
	id, err := idNow(m.control, keywordsFile)
	if err != nil || id == m.seen.keys {
		return err
	}
	var b []byte
	if id != (fileID{}) {
		if b, _, err = m.control.ReadFile(keywordsFile, 1<<20); err != nil && !isGone(err) {
			return err
		}
	}
	letters := parseKeywords(b)
	bad := damagedKeywords(b)
	gone := len(b) == 0 && m.agreed.Load() // nobody writes an empty one
	if bad > 0 || gone {
		known := letters
		// The letters are in the names of the files: what memory knows of them still holds.
		for i, name := range m.state.keys[:maxLetters] {
			if name != "" && letters.names[i] == "" && letters.find(name) < 0 {
				letters.names[i] = name
			}
		}
		if bad > 0 || letters != known {
			t.keysLost(letters, bad)
			id = m.seen.keys
		}
	}
	m.mu.Lock()
	m.state.setLetters(letters)
	m.seen.keys = id
	m.mu.Unlock()
	return nil
}

// keysLost puts a damaged dovecot-keywords aside and writes what is known.
// Without the lock, and where that fails, the next command tries again.
func (t *txn) keysLost(letters keywordMap, bad int) {
	m := t.m
	if t.lock == nil {
		t.keysBad = true
		return
	}
	var aside string
	if bad > 0 {
		var err error
		if aside, err = setAside(m.control, keywordsFile, m.store.now()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			m.once("keywords", "damaged list of keywords cannot be put aside", "err", err)
			return
		}
	}
	m.store.log.Error("list of keywords damaged or gone; written anew from what is left", "mailbox", m.control.Path(),
		"aside", aside, "bad", bad, "keywords", strings.Fields(strings.Join(letters.names[:], " ")))
	if err := t.writeKeys(letters); err != nil {
		m.once("keywords", "cannot write the list of keywords", "err", err)
	}
}
