package maildir

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"maildir-imapd/maildir/fsx"
)

// traces are the times of the last change by each server, in nanoseconds.
type traces struct{ dovecot, list, courier, ours int64 }

// last is who has left the newest. dovecot-uidlist is Dovecot's and ours: it
// speaks for Dovecot only where it is newer than our index.
func (n *traces) last() Server {
	dovecot := n.dovecot
	if n.list > n.ours {
		dovecot = max(dovecot, n.list)
	}
	switch newest := max(dovecot, n.courier, n.ours); {
	case newest == 0:
		return NoServer
	case newest == n.ours:
		return Ourselves
	case newest == dovecot:
		return Dovecot
	}
	return Courier
}

// evidence is what names in a tree tell about who made them.
type evidence struct {
	folders, dirs   int // ".X" and "X" that hold mailboxes
	escaped         bool
	mutf7, eightBit bool
	courier         bool
}

// guess settles layout, separator, prefix and the alphabet of names.
func (v *Survey) guess(s *Store, o AdoptOptions) error {
	d, err := s.fs.OpenDir(v.Root)
	if err != nil {
		return err
	}
	defer d.Close()
	d.Follow = []string{"/"}
	var e evidence
	if err := v.gather(d, &e); err != nil {
		return err
	}
	switch {
	case o.Layout != nil:
		v.Layout = *o.Layout
	case e.dirs > e.folders:
		v.Layout = FS
	}
	v.Separator = '/'
	if v.Layout == MaildirPP && !e.escaped {
		v.Separator = '.'
	}
	if e.courier && v.Layout == MaildirPP {
		v.Prefix = inbox + string(v.Separator)
	}
	v.DiskUTF8 = e.eightBit && !e.mutf7 || e.courier && !e.mutf7
	if e.eightBit && e.mutf7 {
		v.Notes = append(v.Notes, "some folder names are in UTF-8 and others in modified UTF-7: all are shown, new ones are made in modified UTF-7")
	}
	if e.folders > 0 && e.dirs > 0 {
		v.Notes = append(v.Notes, fmt.Sprintf("mailboxes in both layouts: %d as .Folder, %d as plain directories; those of the other layout than %s are not shown", e.folders, e.dirs, v.Layout))
	}
	if e.escaped {
		v.Notes = append(v.Notes, `names with \2e and the like: Dovecot shows and makes them with its plugin listescape only`)
	}
	return nil
}

// gather reads the root's names.
func (v *Survey) gather(d *fsx.Dir, e *evidence) error {
	names, err := d.Names()
	if err != nil {
		return err
	}
	slices.Sort(names)
	list, err := idNow(d, uidlistFile)
	if err != nil {
		return err
	}
	for _, name := range names {
		switch {
		case name == courierList:
			st, err := d.StatName(name)
			e.courier = e.courier || err == nil && st.Mtime > list.mtime
			continue
		case name == "courierimapsubscribed" && list == (fileID{}):
			e.courier = true
			continue
		case isControlName(name) || strings.HasPrefix(name, ".."):
			continue
		}
		st, err := d.StatName(name)
		if err != nil || !st.IsDir() && !st.IsLink() {
			continue
		}
		if st.IsLink() {
			if _, err := d.FS().Resolve(d.Path() + "/" + name); err != nil {
				v.Notes = append(v.Notes, fmt.Sprintf("%s is a link to nothing", name))
				continue
			}
		}
		depth := 4
		if name[0] == '.' {
			depth = 1
		}
		if !holdsMailbox(d, name, depth) {
			continue
		}
		if name[0] == '.' {
			e.folders++
		} else {
			e.dirs++
		}
		e.name(name)
	}
	return nil
}

func (e *evidence) name(name string) {
	low := strings.ToLower(name)
	for _, esc := range []string{`\2e`, `\2f`, `\5c`, `\7e`} {
		e.escaped = e.escaped || strings.Contains(low, esc)
	}
	ascii := strings.IndexFunc(name, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
	e.eightBit = e.eightBit || !ascii
	if d, err := decodeMUTF7(name); err == nil && ascii && d != name {
		e.mutf7 = true
	}
}

// holdsMailbox tells whether a directory is a mailbox, or has one below it.
func holdsMailbox(d *fsx.Dir, name string, depth int) bool {
	sub, err := d.Sub(name)
	if err != nil {
		return false
	}
	defer sub.Close()
	if st, err := sub.StatName("cur"); err == nil && (st.IsDir() || st.IsLink()) {
		return true
	}
	if depth <= 1 {
		return false
	}
	names, err := sub.Names()
	if err != nil {
		return false
	}
	return slices.ContainsFunc(names, func(n string) bool {
		st, err := sub.StatName(n)
		return err == nil && st.IsDir() && n[0] != '.' && holdsMailbox(sub, n, depth-1)
	})
}

// links walks down to a folder and notes the links on the way, its own three
// directories included, that lead out of the tree.
func (f *Surveyed) links(root *fsx.Dir, v *Survey) error {
	at := root
	parts := strings.Split(f.Path, "/")
	if f.Path == "" {
		parts = nil
	}
	defer func() {
		if at != root {
			at.Close()
		}
	}()
	for _, name := range parts {
		f.link(at, name, v)
		next, err := at.Sub(name)
		if err != nil {
			return err
		}
		if at != root {
			at.Close()
		}
		at = next
	}
	for _, name := range []string{"cur", "new", "tmp"} {
		f.link(at, name, v)
	}
	return nil
}

func (f *Surveyed) link(at *fsx.Dir, name string, v *Survey) {
	st, err := at.StatName(name)
	if err != nil || !st.IsLink() {
		return
	}
	target, err := at.FS().Resolve(filepath.Join(at.Path(), name))
	if err != nil || target == v.Root || strings.HasPrefix(target, v.Root+"/") {
		return
	}
	f.Outside = true
	f.Notes = append(f.Notes, fmt.Sprintf("%s is a link to %s, which is served only with follow", name, target))
	if !slices.Contains(v.Follow, target) {
		v.Follow = append(v.Follow, target)
	}
}
