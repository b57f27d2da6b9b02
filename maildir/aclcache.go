package maildir

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"sync"
	"time"

	"maildir-imapd/maildir/acl"
	"maildir-imapd/maildir/fsx"
)

// aclCache is the lists of one tree's mailboxes as this process has read them: one for each file, whoever asks. A file
// is looked at whenever it is used and read when it looks different, so whoever changes one by whatever means changes
// the rights of all sessions at their next command.
//
// A file that cannot be read, or has a line that nobody understands, gives no rights to anybody: what is meant is not
// known. Of the latter a process that has read a good version before goes on with that, so that an edit that went
// wrong does not throw out those who are at work: a good version in the same directory, for one that is removed and made
// anew at the same path is another mailbox. Either is told to the log once for each version of the file.
type aclCache struct {
	log   *slog.Logger
	users int // aclCaches.mu

	mu    sync.Mutex // not held over a system call
	files map[string]*aclFile
	plain map[string]plainDir
}

// plainDir is a directory that has neither file, which its own state tells as long as it is the same. LIST goes by it.
type plainDir struct {
	id dirID
	at int64
}

func (x plainDir) proves(id dirID) bool {
	return x.id == id && dirLook{mtime: id.mtime, at: x.at}.proves(id.mtime) && dirLook{mtime: id.ctime, at: x.at}.proves(id.ctime)
}

// aclCaches are those of a process's trees, by root. They outlive sessions, for the lists in force.
type aclCaches struct {
	mu    sync.Mutex
	trees map[string]*aclCache
}

// idleACLs is how many trees' lists are kept that nobody uses.
const idleACLs = 256

func (c *aclCaches) join(root string, log *slog.Logger) *aclCache {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.trees[root]
	if t == nil {
		t = &aclCache{log: log}
		if c.trees == nil {
			c.trees = make(map[string]*aclCache)
		}
		c.trees[root] = t
	}
	t.users++
	return t
}

func (c *aclCaches) leave(t *aclCache) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t.users--
	for root, t := range c.trees {
		if len(c.trees) <= idleACLs {
			break
		}
		if t.users == 0 {
			delete(c.trees, root)
		}
	}
}

// listed is at for LIST, which asks for all mailboxes of a tree. Most have no file.
func (c *aclCache) listed(p *aclPlace) (*aclFile, error) {
	if p.none || p.rel == "" {
		return c.at(p)
	}
	c.mu.Lock()
	_, has := c.files[p.rel]
	plain := c.plain[p.rel]
	c.mu.Unlock()
	if has {
		return c.at(p)
	}
	at := time.Now().UnixNano()
	st, err := p.root.StatBelow(p.rel)
	if err == nil && plain.proves(dirIDOf(st)) {
		return nil, nil
	}
	f, ferr := c.at(p)
	if err == nil && ferr == nil && f == nil && st.IsDir() { // a link has a state of its own
		c.mu.Lock()
		if c.plain == nil {
			c.plain = make(map[string]plainDir)
		}
		c.plain[p.rel] = plainDir{dirIDOf(st), at}
		c.mu.Unlock()
	}
	return f, ferr
}

// forgetPlain gives memory back.
func (c *aclCaches) forgetPlain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.trees {
		t.mu.Lock()
		t.plain = nil
		t.mu.Unlock()
	}
}

// at is the file that holds for a mailbox, nil where there is none.
func (c *aclCache) at(p *aclPlace) (*aclFile, error) {
	for {
		name, st, err := p.find()
		if err != nil && classify(err) == ErrTemporary {
			return nil, err
		}
		had := c.known(p.rel)
		if name == "" {
			if had != nil {
				c.drop(p.rel)
			}
			return nil, nil
		}
		if err == nil && had != nil && had.proves(name, aclIDOf(st)) {
			return had, nil
		}
		now := time.Now().UnixNano()
		f := &aclFile{name: name, err: err, at: now}
		if err == nil {
			f, err = readACL(p, name, st, now)
			if errors.Is(err, fs.ErrNotExist) {
				continue // removed this moment: look again
			}
			if err != nil {
				return nil, err
			}
		}
		c.keep(p, had, f)
		return f, nil
	}
}

// keep takes a version in, and tells of one that is bad, and of one that is good again.
func (c *aclCache) keep(p *aclPlace, had, f *aclFile) {
	var bad *acl.SyntaxError
	if errors.As(f.err, &bad) && had != nil && had.home == f.home {
		f.list = had.list
	}
	c.mu.Lock()
	if c.files == nil {
		c.files = make(map[string]*aclFile)
	}
	now := c.files[p.rel]
	c.files[p.rel] = f
	c.mu.Unlock()
	if now != nil && now.name == f.name && now.id == f.id && fmt.Sprint(now.err) == fmt.Sprint(f.err) {
		return // told by somebody else, or read again for the clock's sake
	}
	switch path := p.path(f.name); {
	case f.err == nil && now != nil && now.err != nil:
		c.log.Info("access list is well again", "file", path)
	case f.err != nil && f.list != nil:
		c.log.Error("access list is not to be used; the last good version stays in force", "file", where(path, f.err), "err", f.err)
	case f.err != nil:
		c.log.Error("access list is not to be used; nobody has access", "file", where(path, f.err), "err", f.err)
	}
}

// where is a file with the line that is wrong.
func where(path string, err error) string {
	var bad *acl.SyntaxError
	if errors.As(err, &bad) {
		return fmt.Sprintf("%s:%d", path, bad.Line)
	}
	return path
}

func (c *aclCache) known(rel string) *aclFile {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.files[rel]
}

func (c *aclCache) drop(rel string) {
	c.mu.Lock()
	delete(c.files, rel)
	c.mu.Unlock()
}

// forget drops what is known of a mailbox and of all below it: another one may be there now.
func (c *aclCache) forget(layout Layout, rel string) {
	if c == nil {
		return
	}
	below := rel + "/"
	if layout == MaildirPP {
		below = rel + "."
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for at := range c.files {
		if at == rel || strings.HasPrefix(at, below) {
			delete(c.files, at)
		}
	}
}

// moved drops what is known of mailboxes that were renamed, under their old names. Those that come to be there are told
// apart by their directories; it is the memory that is wanted back. A renaming that fails costs nobody the last good list.
func (c *aclCache) moved(moves []move) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range moves {
		delete(c.files, moves[i].from)
	}
}

// aclLayers are the lists that are asked for a mailbox, one after the other: its own, and where that says nothing of
// somebody the root's, as Dovecot has it. The configuration's holds only where there is neither.
type aclLayers struct{ own, root *aclFile }

// layers finds them. The root is opened unless it is open already.
func (t *Tree) layers(p *aclPlace) (l aclLayers, err error) {
	if l, err = t.ownLayer(p); err != nil || l.own != nil && (l.own.list == nil || l.own.list.Union) {
		return l, err // decides for everybody
	}
	l.root, err = t.topLayer(p.root)
	return l, err
}

func (t *Tree) ownLayer(p *aclPlace) (l aclLayers, err error) {
	if p.rel != "" || !t.names.noInbox {
		l.own, err = t.acls.at(p)
	}
	return l, err
}

// topLayer is the root's own list, where the root is no mailbox. It need not be open.
func (t *Tree) topLayer(root *fsx.Dir) (*aclFile, error) {
	if !t.names.noInbox {
		return nil, nil
	}
	if root != nil {
		return t.acls.at(&aclPlace{root: root, top: true})
	}
	// One call tells that nothing has changed.
	had := t.acls.known("")
	st, err := t.store.fs.StatLink(t.root + "/" + dovecotACL)
	if err == nil && had != nil && had.proves(dovecotACL, aclIDOf(st)) {
		return had, nil
	}
	if had == nil && isGone(err) {
		return nil, nil
	}
	if root, err = t.open(); err != nil {
		return nil, err
	}
	defer root.Close()
	return t.acls.at(&aclPlace{root: root, top: true})
}

// rights are what somebody may do. None is nobody's; what no line decides is nothing for others, and everything for
// owners. The root's list is looked at when the mailbox's own does not decide.
func (t *Tree) rights(p *aclPlace, who *acl.Who) (Rights, error) {
	if t.o.Access.Gone != nil && t.o.Access.Gone() {
		return 0, nil
	}
	l, err := t.ownLayer(p)
	if err != nil {
		return 0, err
	}
	if r, decided := l.own.decides(who); decided && !who.Unsure {
		return r, nil
	}
	if l.root, err = t.topLayer(p.root); err != nil {
		return 0, err
	}
	return l.judge(who, t.o.Access.Default), nil
}

// decides tells what a list says of somebody, if it does.
func (f *aclFile) decides(who *acl.Who) (Rights, bool) {
	switch {
	case f == nil:
		return 0, false
	case f.list == nil:
		return 0, true
	}
	return f.list.Rights(who)
}

// judge goes through the lists that are there.
func (l *aclLayers) judge(who *acl.Who, otherwise func() *acl.List) Rights {
	var def *acl.List
	if l.own == nil && l.root == nil && otherwise != nil {
		def = otherwise()
	}
	if who.Unsure {
		return acl.Least(who, []*acl.List{l.own.inForce(), l.root.inForce(), def}, func(w *acl.Who) Rights { return l.ask(w, def) })
	}
	return l.ask(who, def)
}

func (l *aclLayers) ask(who *acl.Who, def *acl.List) Rights {
	if r, decided := l.own.decides(who); decided {
		return r
	}
	if r, decided := l.root.decides(who); decided {
		return r
	}
	r, _ := def.Rights(who)
	return r
}

func (f *aclFile) inForce() *acl.List {
	if f == nil {
		return nil
	}
	return f.list
}
