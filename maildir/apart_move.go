package maildir

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"syscall"

	"maildir-imapd/maildir/fsx"
)

// movingFile, beside the tree's lists, notes mailboxes that are being renamed, a line
// each of their paths below the root, from and to: "maildir-imapd moving 1", then
// "\"<from>\" \"<to>\"".
const (
	movingFile  = "maildir-imapd.moving"
	movingMagic = "maildir-imapd moving 1\n"
	movingLimit = 64 << 20
)

// noted is the root that has the note.
func (a *apart) noted() string {
	if a.control != "" {
		return a.control
	}
	return a.own
}

// clash refuses a mailbox that would have its mail where the lists of all lie, or its
// lists where all mail lies: to rename it would take those along.
func (a *apart) clash(rel string) error {
	mail := a.tree.root
	for _, r := range a.roots() {
		if below(r, mail) && related(mail+"/"+rel, r) || below(mail, r) && related(r+"/"+a.rel(rel), mail) {
			return badName("no mailbox can have this name, for the places of mail and lists lie within each other")
		}
	}
	return nil
}

func below(path, dir string) bool { return strings.HasPrefix(path, dir+"/") }

func related(a, b string) bool { return a == b || below(a, b) || below(b, a) }

// moving notes what is about to be renamed, and clears away what lies apart where it
// will come to, of mailboxes that are no more. What it returns ends the renaming, done
// or not: it brings what lies apart to where the mail is, whose directories dirs, too,
// have changed.
func (a *apart) moving(root *fsx.Dir, moves []move) (end func(dirs ...*fsx.Dir) error, err error) {
	if a == nil {
		return func(...*fsx.Dir) error { return nil }, nil
	}
	note := []byte(movingMagic)
	for _, m := range moves {
		if err := errors.Join(a.clash(m.from), a.clash(m.to)); err != nil {
			return nil, err
		}
		if there, err := lies(root, m.to); there || err != nil {
			return nil, errors.Join(err, ErrExist)
		}
		for _, r := range a.roots() {
			if err := a.inRoot(r, func(d *fsx.Dir) error { return removeBelow(d, m.to) }); err != nil {
				return nil, err
			}
		}
		note = fmt.Appendf(note, "%s %s\n", strconv.QuoteToASCII(m.from), strconv.QuoteToASCII(m.to))
	}
	if err := a.inRoot(a.noted(), func(d *fsx.Dir) error { return d.WriteFile(movingFile, note, 0, true) }); err != nil {
		return nil, err
	}
	return func(dirs ...*fsx.Dir) error {
		for _, d := range append(dirs, root) {
			if err := d.Sync(); err != nil {
				return err
			}
		}
		return a.follow(root, moves)
	}, nil
}

// removeBelow removes what lies at rel, for good: it must not be there again after a
// power cut, when the mailbox that comes to that place has brought its own.
func removeBelow(d *fsx.Dir, rel string) error {
	parent, last := splitRel(rel)
	if parent != "" {
		p, err := openBelow(d, parent)
		if isGone(err) {
			return nil
		}
		if err != nil {
			return err
		}
		defer p.Close()
		d = p
	}
	switch st, err := d.StatName(last); {
	case isGone(err):
		return nil
	case err != nil:
		return err
	case !st.IsLink():
		if err := onlyLists(d, last, 0); err != nil {
			return err
		}
	}
	if err := removeTree(d, last, nil); err != nil {
		return err
	}
	return d.Sync()
}

// onlyLists refuses to have anything removed but what mailboxes have apart: mail itself
// may lie below such a root, or somebody's other files where that is a home directory.
func onlyLists(d *fsx.Dir, name string, depth int) error {
	s, err := d.Sub(name)
	if errors.Is(err, syscall.ENOTDIR) {
		return fmt.Errorf("%s/%s is in the way: %w", d.Path(), name, ErrExist)
	}
	if err != nil {
		return err
	}
	defer s.Close()
	s.Follow = nil
	names, err := s.Names()
	if err != nil {
		return err
	}
	for _, n := range names {
		st, err := s.StatName(n)
		switch {
		case err != nil:
			return err
		case st.IsDir() && !isMaildirName(n) && depth < maxDepth:
			if err := onlyLists(s, n, depth+1); err != nil {
				return err
			}
		case st.IsDir() || !isControlName(n):
			return fmt.Errorf("%s/%s is in the way: %w", s.Path(), n, ErrExist)
		}
	}
	return nil
}

// follow brings what lies apart to where the mail is, and removes the note.
func (a *apart) follow(root *fsx.Dir, moves []move) error {
	for _, m := range moves {
		to, err := lies(root, m.to)
		if err != nil {
			return err
		}
		from, err := lies(root, m.from)
		if err != nil {
			return err
		}
		if !to || from {
			continue // not renamed, or another program has been at work
		}
		for _, r := range a.roots() {
			if err := a.inRoot(r, func(d *fsx.Dir) error { return a.bring(d, m) }); err != nil {
				return err
			}
		}
	}
	return a.inRoot(a.noted(), func(d *fsx.Dir) error {
		if err := d.Remove(movingFile); err != nil && !isGone(err) {
			return err
		}
		return d.Sync() // or it could come back in another life of these names
	})
}

// bring renames a mailbox's directory below one of the roots, if it is there and
// nothing is in its way.
func (a *apart) bring(in *fsx.Dir, m move) error {
	if there, err := lies(in, m.to); there || err != nil {
		return err
	}
	if there, err := lies(in, m.from); !there || err != nil {
		return err
	}
	oldRel, oldLast := splitRel(m.from)
	newRel, newLast := splitRel(m.to)
	from, err := makeDirs(in, oldRel)
	if err != nil {
		return err
	}
	if from != in {
		defer from.Close()
	}
	to, err := makeDirs(in, newRel)
	if err != nil {
		return err
	}
	if to != in {
		defer to.Close()
	}
	if err := from.RenameNew(oldLast, to, newLast); err != nil {
		return err
	}
	if err := to.Sync(); err != nil {
		return err
	}
	if err := from.Sync(); err != nil {
		return err
	}
	a.tree.prune(in, oldRel)
	return nil
}

// left are the moves that somebody has noted and not ended, nil for none.
func (a *apart) left() (moves []move, err error) {
	if a == nil {
		return nil, nil
	}
	err = a.inRoot(a.noted(), func(d *fsx.Dir) error {
		b, _, err := d.ReadFile(movingFile, movingLimit)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil && classify(err) == ErrTemporary:
			return err
		case err != nil: // a link, or nobody's to read: it would be so for ever
			return fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
		moves, err = parseMoving(b)
		return err
	})
	return moves, err
}

func parseMoving(b []byte) (moves []move, err error) {
	lines, ok := bytes.CutPrefix(b, []byte(movingMagic))
	if !ok {
		return nil, corrupt(movingFile, 1, "not of this version")
	}
	for i, line := range strings.Split(strings.TrimSuffix(string(lines), "\n"), "\n") {
		from, err := strconv.QuotedPrefix(line)
		if err != nil {
			return nil, corrupt(movingFile, i+2, "no two names")
		}
		m := move{}
		to, ok := strings.CutPrefix(line[len(from):], " ")
		if m.from, err = strconv.Unquote(from); err == nil {
			m.to, err = strconv.Unquote(to)
		}
		if err != nil || !ok || !isRel(m.from) || !isRel(m.to) {
			return nil, corrupt(movingFile, i+2, "no two names")
		}
		moves = append(moves, m)
	}
	return moves, nil
}

// isRel tells what can be a path below a root. With another one no look at the tree
// would succeed, and no change of it while the note is there.
func isRel(rel string) bool {
	for c := range strings.SplitSeq(rel, "/") {
		if c == "" || c == "." || c == ".." || len(c) > maxFileName || strings.IndexByte(c, 0) >= 0 {
			return false
		}
	}
	return true
}

// recover ends what was cut short. The tree's lock is held.
func (a *apart) recover(root *fsx.Dir) error {
	moves, err := a.left()
	if errors.Is(err, ErrCorrupt) {
		return a.inRoot(a.noted(), func(d *fsx.Dir) error {
			aside, aerr := setAside(d, movingFile, a.tree.store.now())
			a.tree.store.log.Error("damaged note of a rename put aside", "path", d.Path()+"/"+aside, "err", err)
			return aerr
		})
	}
	if err != nil || moves == nil {
		return err
	}
	a.tree.store.log.Warn("a rename of mailboxes was cut short; their lists and indices follow their mail", "tree", a.tree.root, "mailboxes", len(moves))
	for _, m := range moves {
		if err := errors.Join(syncParent(root, m.to), syncParent(root, m.from)); err != nil {
			return err
		}
	}
	return a.follow(root, moves)
}

// syncParent makes durable that something lies at rel, or not any more: who did it may
// have died before.
func syncParent(root *fsx.Dir, rel string) error {
	parent, _ := splitRel(rel)
	if parent == "" {
		return root.Sync()
	}
	d, err := openBelow(root, parent)
	if isGone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// create makes what lies apart of a new mailbox, with its list of UIDs where that
// belongs there. What an earlier one has left there has no claim any more.
func (a *apart) create(root *fsx.Dir, model fsx.Stat, rel string, list *uidlist) error {
	if a == nil {
		return nil
	}
	if err := a.clash(rel); err != nil {
		return err
	}
	if a.tree.names.layout == MaildirPP {
		if there, err := lies(root, rel); there || err != nil {
			return errors.Join(err, ErrExist) // no mailbox, but in the way
		}
	}
	for _, r := range a.roots() {
		err := a.inRoot(r, func(in *fsx.Dir) error {
			in.Like(model)
			d, err := makeDirs(in, a.rel(rel))
			if err != nil {
				return err
			}
			defer d.Close()
			if err := removeControl(d, false); err != nil || r != a.control {
				return err
			}
			return d.WriteFile(uidlistFile, list.encode(nil), 0, true)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// removed removes what lies apart of a mailbox that is no more. What cannot be
// removed is in nobody's way.
func (a *apart) removed(rel string) {
	for _, r := range a.roots() {
		err := a.inRoot(r, func(in *fsx.Dir) error {
			d, err := openBelow(in, a.rel(rel))
			if err != nil {
				return err
			}
			defer d.Close()
			if err := removeControl(d, false); err != nil {
				return err
			}
			a.tree.prune(in, a.rel(rel))
			return nil
		})
		if err != nil && !isGone(err) {
			a.tree.store.log.Warn("cannot remove all lists of a deleted mailbox", "path", r+"/"+a.rel(rel), "err", err)
		}
	}
}
