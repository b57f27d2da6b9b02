package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// mixVersion goes up when the messages change: a library of another version is not used.
const mixVersion = 4

// library is a Maildir on disk that all measured mailboxes are hard links to. It is made once.
type library struct {
	dir      string
	messages int
	short    bool  // of small messages
	Bytes    int64 // of all messages
	Text     int64 // without attachments
}

// openLibrary finds the library of so many messages below dir or makes it. Each owner has one: a server makes
// links of messages only where they are its own.
func openLibrary(dir string, n int, seed uint64, owner int, short bool) (*library, error) {
	name := fmt.Sprintf("mail-%d-%d-%d-%d", mixVersion, seed, n, owner)
	if short {
		name += "-short"
	}
	l := &library{dir: filepath.Join(dir, name), messages: n, short: short}
	b, err := os.ReadFile(filepath.Join(l.dir, "sums.json"))
	if errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(os.Stderr, "making %d messages in %s\n", n, l.dir)
		err = l.build(n, seed, owner)
	} else if err == nil {
		err = json.Unmarshal(b, l)
	}
	if err != nil {
		return nil, err
	}
	return l, nil
}

func (l *library) build(n int, seed uint64, owner int) error {
	half := l.dir + ".half" // what a killed run leaves is written anew
	if err := os.MkdirAll(filepath.Join(half, "cur"), 0o755); err != nil {
		return err
	}
	g := newMailing(n, seed, l.short)
	var next, bytes, texts atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, runtime.NumCPU())
	for w := range errs {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && errs[w] == nil; i = int(next.Add(1)) - 1 {
				m := g.letter(i)
				bytes.Add(int64(len(m.raw)))
				texts.Add(int64(m.text))
				path := filepath.Join(half, "cur", m.name)
				errs[w] = errors.Join(os.WriteFile(path, m.raw, 0o600), os.Chtimes(path, m.at, m.at), os.Lchown(path, owner, owner))
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	l.Bytes, l.Text = bytes.Load(), texts.Load()
	b, err := json.Marshal(l)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(half, "sums.json"), b, 0o644); err != nil {
		return err
	}
	return os.Rename(half, l.dir)
}

// clone makes a Maildir of hard links: a mailbox that no server has seen.
func (l *library) clone(to string, uid int) error { return l.cloneSome(to, uid, l.messages) }

// cloneSome takes the first so many messages. Nothing has changed in the directories for an hour: a server that
// distrusts times within its clock's granularity need not do so here.
func (l *library) cloneSome(to string, uid, most int) error {
	for _, sub := range []string{"cur", "new", "tmp", ""} {
		path := filepath.Join(to, sub)
		if err := os.MkdirAll(path, 0o700); err != nil {
			return err
		}
		if err := os.Chown(path, uid, uid); err != nil {
			return err
		}
	}
	entries, err := os.ReadDir(filepath.Join(l.dir, "cur"))
	if err != nil {
		return err
	}
	for _, e := range entries[:min(most, len(entries))] {
		if err := os.Link(filepath.Join(l.dir, "cur", e.Name()), filepath.Join(to, "cur", e.Name())); err != nil {
			return err
		}
	}
	old := time.Now().Add(-time.Hour)
	return errors.Join(os.Chtimes(filepath.Join(to, "cur"), old, old), os.Chtimes(filepath.Join(to, "new"), old, old))
}
