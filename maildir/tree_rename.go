package maildir

import (
	"context"
	"errors"
	"io/fs"
	"syscall"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir/fsx"
)

// Rename gives a mailbox, and all that lie below it, another name. INBOX is
// different (RFC 9051 §6.3.6): its messages move into a new mailbox of that
// name, INBOX stays, empty, and so do the mailboxes below it.
func (t *Tree) Rename(ctx context.Context, from, to string) error {
	return opError("rename", from, t.rename(ctx, t.names.clean(from), t.names.clean(to)))
}

func (t *Tree) rename(ctx context.Context, from, to string) error {
	n := t.names
	// Before all else: what is wrong with the names is not for those who are not to know of the mailbox.
	if err := t.permitRename(from, to); err != nil {
		return err
	}
	if from == to || n.isInbox(to) {
		return ErrExist
	}
	if err := n.verify(to); err != nil {
		return err
	}
	if n.isInbox(from) {
		return t.renameInbox(ctx, to)
	}
	if n.below(to, from) {
		return badName("a mailbox cannot be moved below itself")
	}
	root, lock, err := t.change(ctx)
	if err != nil {
		return err
	}
	defer t.unlock(root, lock)
	t.forget()
	l, err := t.listing(root)
	if err != nil {
		return err
	}
	moves, err := t.plan(l, from, to)
	if err != nil {
		return err
	}
	if n.layout == FS {
		err = t.renameNested(ctx, root, from, moves)
	} else {
		err = t.renameFolders(ctx, root, moves)
	}
	if err == nil {
		t.acls.moved(moves)
	}
	return err
}

// move is one mailbox on its way.
type move struct {
	from, to       string // paths below the root
	fromDir, toDir string // absolute
}

// plan lists what must move: the mailbox, if it exists, and those below it.
// Nothing may be in the way of any.
func (t *Tree) plan(l *treeListing, from, to string) ([]move, error) {
	n := t.names
	var boxes []box
	if b, ok := l.find(n, from); ok {
		boxes = append(boxes, b)
	}
	boxes = append(boxes, l.below(n, from)...)
	if len(boxes) == 0 {
		return nil, ErrNotExist
	}
	if _, ok := l.find(n, to); ok {
		return nil, ErrExist
	}
	moves := make([]move, 0, len(boxes))
	for _, b := range boxes {
		name := to + b.name[len(from):]
		if _, ok := l.find(n, name); ok && !n.below(name, from) {
			return nil, ErrExist
		}
		rel := n.path(name)
		if n.layout == MaildirPP && len(rel) > maxFileName || len(name) > maxNameLen {
			return nil, badName("the name of %q would get too long", b.name)
		}
		moves = append(moves, move{from: b.rel, to: rel, fromDir: t.root + "/" + b.rel, toDir: t.root + "/" + rel})
	}
	return moves, nil
}

// renameFolders renames one directory after the other: Maildir++ has no
// nesting. What fails half-way is taken back; what a crash cuts short leaves
// every mailbox whole under its old name or its new one.
func (t *Tree) renameFolders(ctx context.Context, root *fsx.Dir, moves []move) error {
	end, err := t.apart.moving(root, moves)
	if err != nil {
		return err
	}
	for i := range moves {
		// A link goes on leading where it did: its mailbox keeps its place.
		if st, err := root.StatName(moves[i].from); err == nil && st.IsLink() {
			moves[i].fromDir = ""
		}
		err := root.RenameNew(moves[i].from, root, moves[i].to)
		if err == nil {
			continue
		}
		for i--; i >= 0; i-- {
			if uerr := root.RenameNew(moves[i].to, root, moves[i].from); uerr != nil {
				t.store.log.Error("cannot take a renaming back", "path", moves[i].toDir, "err", uerr)
				t.tellMoved(moves[i : i+1])
				t.store.third.moved(ctx, t.root, moves[i:i+1])
			}
		}
		return errors.Join(err, end())
	}
	err = end() // if that fails the mail has moved all the same
	t.tellMoved(moves)
	t.store.third.moved(ctx, t.root, moves)
	return errors.Join(err, root.Sync())
}

func (t *Tree) tellMoved(moves []move) {
	for _, m := range moves {
		if m.fromDir != "" {
			t.store.moved(t.apart, &m)
		}
	}
}

// renameNested renames the one directory that holds the mailbox and all below it.
func (t *Tree) renameNested(ctx context.Context, root *fsx.Dir, from string, moves []move) error {
	top := moves[0]
	if depth := componentCount(from, t.names.sep); componentCount(top.from, '/') > depth {
		// Only a parent: its directory is that many levels up.
		cut := componentCount(top.from, '/') - depth
		for range cut {
			top.from, _ = splitRel(top.from)
			top.to, _ = splitRel(top.to)
		}
	}
	oldRel, oldLast := splitRel(top.from)
	newRel, newLast := splitRel(top.to)
	oldParent, err := makeDirs(root, oldRel)
	if err != nil {
		return err
	}
	if oldParent != root {
		defer oldParent.Close()
	}
	newParent, err := makeDirs(root, newRel)
	if err != nil {
		return err
	}
	if newParent != root {
		defer newParent.Close()
	}
	// An empty directory of that name is no mailbox and gives way.
	switch err := newParent.RemoveDir(newLast); {
	case errors.Is(err, syscall.ENOTEMPTY), errors.Is(err, syscall.ENOTDIR):
		return badName("there are mailboxes below the new name")
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	end, err := t.apart.moving(root, []move{top})
	if err != nil {
		return err
	}
	st, serr := oldParent.StatName(oldLast)
	linked := serr == nil && st.IsLink()
	if err := oldParent.RenameNew(oldLast, newParent, newLast); err != nil {
		return errors.Join(err, end())
	}
	err = end(newParent, oldParent)
	if !linked {
		t.tellMoved(moves)
	}
	t.store.third.moved(ctx, t.root, []move{top})
	if err != nil {
		return err
	}
	if err := newParent.Sync(); err != nil {
		return err
	}
	if err := oldParent.Sync(); err != nil {
		return err
	}
	t.prune(root, oldRel)
	return nil
}

func componentCount(s string, sep byte) int {
	n := 1
	for i := range len(s) {
		if s[i] == sep {
			n++
		}
	}
	return n
}

// renameInbox makes the new mailbox and moves INBOX's messages there. Cut
// short, it leaves each message in INBOX, in the new mailbox, or in both.
func (t *Tree) renameInbox(ctx context.Context, to string) error {
	if err := t.create(ctx, to, nil); err != nil {
		return err
	}
	src, err := t.Open(ctx, inbox, Select)
	if err != nil {
		return err
	}
	dst, err := t.Open(ctx, to, Target)
	if err != nil {
		return errors.Join(err, src.Close())
	}
	if err := src.takeIn(ctx); err != nil {
		return errors.Join(err, dst.Close(), src.Close())
	}
	if last := src.MaxUID(); last > 0 {
		_, err = src.Move(ctx, imap.UIDSet{imap.UIDRange{Start: 1, Stop: last}}, dst)
	}
	return errors.Join(err, dst.Close(), src.Close())
}

// takeIn makes sure that all messages that there are have UIDs and are in the view.
// Looking does without those that cannot be numbered for now; moving must not.
func (h *Handle) takeIn(ctx context.Context) error {
	t, err := h.m.begin(ctx, h, true)
	if err != nil {
		return err
	}
	err = t.scan(lookNew | lookCur)
	t.end(err)
	if err == nil {
		var d Delta
		h.Sync(true, &d)
	}
	return err
}
