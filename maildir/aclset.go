package maildir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"maildir-imapd/maildir/acl"
	"maildir-imapd/maildir/fsx"
)

// Why SetACL refuses what somebody with the right a asks for. All are ErrNoPermission.
var (
	ErrAnyone   = fmt.Errorf("rights for everybody need the administrator's leave: %w", ErrNoPermission)
	ErrOwner    = fmt.Errorf("only owners have owner's rights changed: %w", ErrNoPermission)
	ErrLockout  = fmt.Errorf("owners keep the right a: %w", ErrNoPermission)
	ErrListFile = fmt.Errorf("the list is damaged, or not a file that can be read: %w", ErrNoPermission)
)

// SetACL changes a mailbox's list. Where there is no file yet, the first change makes one of what held until then, so
// that nobody has more or less by it than was asked for. Courier's file stays, and counts no more.
//
// The file is read again under Dovecot's lock for it, written in one step and durable when the answer comes.
func (t *Tree) SetACL(ctx context.Context, name string, c acl.Change) error {
	name = t.names.clean(name)
	return opError("change the list of", name, t.setACL(ctx, name, c))
}

func (t *Tree) setACL(ctx context.Context, name string, c acl.Change) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	loc, err := t.permit(name, DeedAdminister)
	if err != nil {
		return err
	}
	if t.o.Access == nil {
		return ErrNoPermission // there are no lists here
	}
	if err := t.settable(&c); err != nil {
		return err
	}
	root, err := t.open()
	if err != nil {
		return err
	}
	defer root.Close()
	d := root
	if loc.rel != "" {
		if d, err = openBelow(root, loc.rel); err != nil {
			return err
		}
		defer d.Close()
	}
	lock, err := d.Lock(ctx, dovecotACL, fsx.LockOptions{Wait: t.store.o.LockWait, Stale: 2 * time.Minute})
	if err != nil {
		return err
	}
	p := aclPlace{rel: loc.rel, root: root, dir: d}
	err = t.rewriteACL(&p, c)
	if uerr := lock.Unlock(); err == nil {
		err = uerr
	}
	if err != nil { // what was last good stays in force
		return err
	}
	t.acls.drop(loc.rel)
	_, _ = t.acls.at(&p) // known to be good, should somebody break it before anybody asks
	if t.o.Access.Changed != nil {
		t.o.Access.Changed()
	}
	return nil
}

// settable judges what the change is about.
func (t *Tree) settable(c *acl.Change) error {
	if c.ID.Kind == acl.Owner && !t.o.Access.All && !t.o.Access.Who().Owner {
		return ErrOwner
	}
	return nil
}

// mayOpen tells whether everybody may be given rights here.
func (t *Tree) mayOpen() bool {
	a := t.o.Access
	return a.All || a.Anyone != nil && a.Anyone()
}

// opens tells whether a change gives more to people of whom no line speaks by name: a new line for everybody, or one
// less that kept them out.
func opens(old, now *acl.List) bool {
	for _, who := range []acl.Who{{Anonymous: true}, {User: "\n"}} { // no line names that user
		was, _ := old.Rights(&who)
		is, _ := now.Rights(&who)
		if is&^was != 0 {
			return true
		}
	}
	return false
}

// rewriteACL makes the change, under the lock.
func (t *Tree) rewriteACL(p *aclPlace, c acl.Change) error {
	old, err := t.held(p)
	if err != nil {
		return err
	}
	list, changed := old.Apply(c)
	if !changed {
		return nil
	}
	if c.ID.Kind <= acl.Authenticated && !t.mayOpen() && opens(old, list) {
		return ErrAnyone
	}
	if list, err = t.keepOwner(old, list, c); err != nil {
		return err
	}
	if err := p.dir.WriteFile(dovecotACL, list.Append(nil), 0, true); err != nil {
		return err
	}
	// What Dovecot knows of who sees what is out of date.
	if err := p.root.Remove(dovecotACLList); err != nil && !isGone(err) {
		t.warn("cannot remove Dovecot's list of who sees what, which is out of date now", t.root+"/"+dovecotACLList, err)
	}
	return nil
}

// held is the list that is to be changed: by the file as it is at this moment, not as it was when it was last good.
func (t *Tree) held(p *aclPlace) (*acl.List, error) {
	name, st, err := p.find()
	if err == nil && name != "" {
		var f *aclFile
		if f, err = readACL(p, name, st, 0); err == nil {
			err = f.err
		}
		if err == nil {
			return f.list.Expand(t.ownerName()), nil
		}
	}
	switch {
	case err != nil && (classify(err) == ErrTemporary || errors.Is(err, fs.ErrNotExist)):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrListFile, err)
	}
	top, err := t.topLayer(p.root)
	switch {
	case err != nil:
		return nil, err
	case top != nil && top.err != nil:
		return nil, fmt.Errorf("%w: %w", ErrListFile, top.err)
	case top != nil:
		return top.list, nil
	case t.o.Access.Default != nil:
		return t.o.Access.Default(), nil
	}
	return nil, nil
}

func (t *Tree) ownerName() string {
	if who := t.o.Access.Who(); who.Owner {
		return who.User
	}
	return ""
}

// keepOwner sees to it that an owner who had the right a has it afterwards: what they ask for is done but for that
// (RFC 4314 §3.1 lets a server do so), or refused where it is about nothing else.
func (t *Tree) keepOwner(old, list *acl.List, c acl.Change) (*acl.List, error) {
	who := t.o.Access.Who()
	if !who.Owner || t.o.Access.All {
		return list, nil
	}
	administers := func(l *acl.List) bool {
		r, _ := l.Rights(&who)
		return r.Has(acl.RightAdmin)
	}
	if !administers(old) || administers(list) {
		return list, nil
	}
	if (c.Op == acl.Replace || c.Op == acl.Add) && !c.Negative {
		c.Rights |= acl.RightAdmin
	} else {
		c.Rights &^= acl.RightAdmin
	}
	if list, changed := old.Apply(c); changed && administers(list) {
		return list, nil
	}
	return nil, ErrLockout
}

// inherit gives a new mailbox the list of the next one above it that there is, as Dovecot does. One that lies there
// already is an administrator's, who put it there for the mailbox that was to come.
func (t *Tree) inherit(root, d *fsx.Dir, name string) error {
	own := aclPlace{dir: d}
	if file, _, err := own.find(); err != nil || file != "" {
		return err
	}
	for p := t.names.parent(name); p != ""; p = t.names.parent(p) {
		at := place{}
		if !t.names.isInbox(p) {
			var err error
			if at, err = t.find(root, p); errors.Is(err, ErrNotExist) {
				continue
			} else if err != nil {
				return err
			}
		}
		return t.copyACL(&aclPlace{rel: at.rel, root: root}, d)
	}
	return nil
}

// copyACL copies the file as it is. One that is not to be used is not copied: then the list that is in force is, or
// there is no new mailbox, which would be open to people that nobody chose.
func (t *Tree) copyACL(from *aclPlace, d *fsx.Dir) error {
	file, _, err := from.find()
	if err != nil || file == "" {
		return err
	}
	b, _, _, err := from.read(file)
	if isGone(err) {
		return nil
	}
	if err == nil {
		_, err = parseACL(file, b)
	}
	if err != nil {
		known, kerr := t.known(from)
		if kerr != nil || known == nil || known.list == nil || known.list.Union {
			return fmt.Errorf("list of the mailbox above: %w: %w", ErrListFile, err)
		}
		file, b = dovecotACL, known.list.Append(nil)
	}
	return d.WriteFile(file, b, 0, true)
}

// known is the list in force of a mailbox.
func (t *Tree) known(p *aclPlace) (*aclFile, error) {
	if t.acls == nil {
		return nil, nil
	}
	return t.acls.at(p)
}
