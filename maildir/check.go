package maildir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir/fsx"
	"maildir-imapd/maildir/message"
)

// Check verifies the numbered invariants of doc.go for every mailbox below
// root, which must be quiet: no program may be changing it. Each error names
// the file and the invariant. Nothing is changed.
func Check(root string) []error {
	var c checker
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !d.IsDir() {
			return nil
		}
		if n := d.Name(); path != root && (n == "cur" || n == "new" || n == "tmp") {
			return filepath.SkipDir
		}
		if st, err := os.Stat(filepath.Join(path, "cur")); err == nil && st.IsDir() {
			c.mailbox(path)
		}
		return nil
	})
	if err != nil {
		c.errs = append(c.errs, err)
	}
	for i := range c.found {
		if n := c.found[i].Invariant; n <= invText || n == invMarks { // the others ask for more than a mailbox at rest
			c.errs = append(c.errs, &c.found[i])
		}
	}
	return c.errs
}

// checker looks at one mailbox after the other.
type checker struct {
	found []Finding
	errs  []error
	path  string
	at    boxDirs // of the mailbox
}

func (c *checker) fail(invariant int, file, format string, a ...any) {
	f := newFinding(invariant, c.path, file, fmt.Sprintf(format, a...))
	if d := c.at.of(file); d != c.at.dir && d != nil {
		f.Dir = d.Path()
	}
	c.found = append(c.found, f)
}

func (c *checker) mailbox(path string) {
	c.path, c.at = path, boxDirs{}
	var f fsx.FS
	dir, err := f.OpenDir(path)
	if err != nil {
		c.errs = append(c.errs, err)
		return
	}
	defer dir.Close()
	if _, err := dir.StatName(uidlistFile + ".lock"); err == nil {
		c.fail(3, uidlistFile+".lock", "left behind, or somebody is at work")
	}
	b := together(dir)
	c.contents(&b)
	c.marks(dir)
}

// contents checks what does not depend on anybody else.
func (c *checker) contents(b *boxDirs) {
	files := c.files(b.dir)
	list := c.uidlist(b)
	if list == nil {
		return
	}
	known := make(map[string]imap.UID, len(list.records))
	for _, r := range list.records {
		known[r.base] = r.uid
	}
	c.index(b, list, files, known)
}

// files checks that base names are unique.
func (c *checker) files(dir *fsx.Dir) map[string]string {
	files := make(map[string]string)
	for _, sub := range []string{"new", "cur"} {
		d, err := dir.Sub(sub)
		if err != nil {
			c.errs = append(c.errs, err)
			continue
		}
		names, err := regularNames(d)
		d.Close()
		if err != nil {
			c.errs = append(c.errs, err)
			continue
		}
		for _, n := range names {
			if !isMessageName(n) {
				continue
			}
			base, _ := splitName(n)
			if was, ok := files[base]; ok {
				c.fail(2, sub+"/"+n, "has the base name of %s", was)
			}
			files[base] = sub + "/" + n
		}
	}
	return files
}

// regularNames are the names of files: what else lies there is no message, and opening
// it could take forever.
func regularNames(d *fsx.Dir) (names []string, err error) {
	var maybe []string
	err = d.Each(func(b []byte, typ fsx.Type) bool {
		switch typ {
		case fsx.IsFile:
			names = append(names, string(b))
		case fsx.Unknown:
			maybe = append(maybe, string(b))
		}
		return true
	})
	for _, n := range maybe {
		if st, err := d.StatName(n); err == nil && st.IsRegular() {
			names = append(names, n)
		}
	}
	return names, err
}

func (c *checker) uidlist(box *boxDirs) *uidlist {
	b, _, err := box.control.ReadFile(uidlistFile, listLimit)
	if errors.Is(err, fs.ErrNotExist) {
		c.noList(box)
		return nil
	}
	if err != nil {
		c.errs = append(c.errs, err)
		return nil
	}
	u, err := parseUIDList(b)
	if err != nil {
		c.fail(1, uidlistFile, "%v", err)
		return nil
	}
	lines := strings.Count(string(b), "\n") - 1
	if u.rewrite || len(u.partial) > 0 || lines != len(u.records) {
		c.fail(1, uidlistFile, "%d lines, %d good ones, unfinished %q", lines, len(u.records), u.partial)
	}
	seen := make(map[string]imap.UID)
	for _, r := range u.records {
		if was, ok := seen[r.base]; ok {
			c.fail(1, uidlistFile, "%q has the UIDs %d and %d", r.base, was, r.uid)
		}
		seen[r.base] = r.uid
	}
	return u
}

// noList looks whether the mailbox was served before.
func (c *checker) noList(box *boxDirs) {
	if left, _, err := leftovers(box); err != nil {
		c.errs = append(c.errs, err)
	} else if len(left) > 0 {
		c.fail(invNoList, uidlistFile, "is not there, but %s", strings.Join(left, ", "))
	}
}

// index reads the index as a process that starts would, and compares.
func (c *checker) index(box *boxDirs, list *uidlist, files map[string]string, known map[string]imap.UID) {
	m := &Mailbox{boxDirs: *box}
	m.index.m = m
	b, _, err := box.own.ReadFile(indexName, indexLimit)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		c.errs = append(c.errs, err)
		return
	}
	n, ok := m.index.apply(b, true)
	switch rest := b[n:]; {
	case !ok || recordsIn(rest, n == 0):
		c.fail(invIndex, indexName, "cannot be read from byte %d on, of %d", n, len(b))
		return
	case len(rest) > 0:
		// A torn end is cut by the next writer: no fault, but what it told cannot be
		// compared.
		return
	}
	s := &m.state
	if s.validity != list.validity {
		c.fail(4, indexName, "UIDVALIDITY %d, %s has %d", s.validity, uidlistFile, list.validity)
		return
	}
	if !strings.EqualFold(s.guid, list.guid) {
		c.fail(4, indexName, "GUID %s, %s has %s", s.guid, uidlistFile, list.guid)
	}
	for e := range s.list.all() {
		base := string(s.base(e))
		if uid, ok := known[base]; ok && uid != e.uid {
			c.fail(5, indexName, "%q has UID %d, %s says %d", base, e.uid, uidlistFile, uid)
		}
		if e.modseq > s.modseq {
			c.fail(6, indexName, "UID %d has MODSEQ %d above the mailbox's %d", e.uid, e.modseq, s.modseq)
		}
		if where, ok := files[base]; ok && e.bits&verified != 0 {
			c.size(box.dir, where, e)
		}
	}
	c.cache(box.own, s)
	c.text(box.own, s)
}

// text reads the text index as a search would.
func (c *checker) text(dir *fsx.Dir, s *state) {
	f, err := dir.OpenRead(textName)
	if err != nil {
		return
	}
	defer f.Close()
	var seen textSet
	records := 0
	if _, err := scanText(context.Background(), &f, textHeader(s.validity), func(r textEntry) {
		if e := s.find(r.uid); e != nil && textNameOf(s, e) == r.name {
			seen.add(r.uid)
			records++
		}
	}); err != nil {
		c.errs = append(c.errs, err)
	}
	different := 0
	for _, r := range seen.set() {
		different += int(r.Stop-r.Start) + 1
	}
	if different != records {
		c.fail(9, textName, "%d records of %d messages", records, different)
	}
}

// size compares a size that is said to be verified with the file. The directory is its
// user's: what has the name may be anything by now, and only a file is read.
func (c *checker) size(dir *fsx.Dir, where string, e *entry) {
	in, name, _ := strings.Cut(where, "/")
	sub, err := dir.Sub(in)
	if err != nil {
		c.errs = append(c.errs, err)
		return
	}
	defer sub.Close()
	f, err := sub.OpenRead(name)
	if err != nil {
		if !isGone(err) { // another program renames without our lock
			c.errs = append(c.errs, err)
		}
		return
	}
	defer f.Close()
	if size, err := crlfSize(&f); err == nil && size != e.size {
		c.fail(7, where, "has %d bytes with CRLF, the index says %d", size, e.size)
	}
}

// cache follows the index's places: each must lead to the record of that UID with
// sections that can be read, or to nothing that could be taken for one.
func (c *checker) cache(dir *fsx.Dir, s *state) {
	b, _, err := dir.ReadFile(cacheName, 1<<30)
	if err != nil || len(b) < cacheHead || string(b[:8]) != cacheMagic || le.Uint32(b[8:]) != s.validity {
		return
	}
	for e := range s.list.all() {
		p := e.place()
		if p.kinds == 0 || p.off+int64(p.size) > int64(len(b)) {
			continue
		}
		r := b[p.off : p.off+int64(p.size)]
		kinds, ok := cacheTable(r, e.uid)
		if !ok {
			continue
		}
		if p.kinds&^kinds != 0 {
			c.fail(8, cacheName, "record of UID %d has sections %b, the index says %b", e.uid, kinds, p.kinds)
		}
		c.cached(r, e)
	}
}

func (c *checker) cached(r []byte, e *entry) {
	if b := cacheSection(r, e.uid, KindEnvelope); b != nil {
		if err := new(message.Envelope).UnmarshalBinary(b); err != nil {
			c.fail(8, cacheName, "envelope of UID %d: %v", e.uid, err)
		}
	}
	if b := cacheSection(r, e.uid, KindStructure); b != nil {
		var p message.Message
		if err := p.UnmarshalBinary(b); err != nil {
			c.fail(8, cacheName, "structure of UID %d: %v", e.uid, err)
		} else if e.bits&verified != 0 && p.Size != e.size {
			c.fail(8, cacheName, "structure of UID %d says %d bytes, the index %d", e.uid, p.Size, e.size)
		}
	}
}
