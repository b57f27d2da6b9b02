package maildir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"maildir-imapd/maildir/fsx"
)

// CheckOptions say how a tree is checked.
type CheckOptions struct {
	Wait time.Duration // for another program's lock on a mailbox; 2 s when zero
	// Owner is the user whose mailboxes are looked at; those of others are told and left alone. -1 or 0: all
	Owner int
}

// Check verifies the numbered invariants of this package's documentation for
// the tree and its mailboxes, each under its lock. It changes nothing. A mailbox
// that is locked for longer than it waits is a finding of its own.
func (t *Tree) Check(ctx context.Context, o CheckOptions) ([]Finding, error) {
	if o.Wait == 0 {
		o.Wait = 2 * time.Second
	}
	root, err := t.open()
	if err != nil {
		return nil, opError("check", "", err)
	}
	defer root.Close()
	k := &treeCheck{tree: t, ctx: ctx, o: o, root: root}
	if err := t.inLists(root, func(lists *fsx.Dir) error { k.lists = lists; return k.all() }); err != nil {
		return nil, opError("check", "", err)
	}
	return k.found, errors.Join(k.errs...)
}

// treeCheck is one run.
type treeCheck struct {
	checker
	tree  *Tree
	ctx   context.Context
	o     CheckOptions
	root  *fsx.Dir
	lists *fsx.Dir // the same directory, unless the tree's lists lie apart
	high  uint32   // the greatest UIDVALIDITY of any mailbox
}

func (k *treeCheck) all() error {
	t := k.tree
	if _, err := k.root.StatName("cur"); isGone(err) && !t.names.noInbox && t.names.layout == MaildirPP {
		return fmt.Errorf("%s is no Maildir: %w", t.root, ErrNotExist)
	}
	l, err := t.listing(k.root)
	if err != nil {
		return err
	}
	for _, b := range l.boxes {
		if err := k.ctx.Err(); err != nil {
			return err
		}
		err := t.inMailbox(k.root, b.rel, func(d boxDirs) error {
			if _, err := d.dir.StatName("cur"); isGone(err) {
				return nil // a directory that never became one
			}
			return k.box(&d, b.rel)
		})
		if err != nil {
			k.errs = append(k.errs, err)
		}
	}
	k.path, k.at = t.root, boxDirs{}
	if t.names.noInbox {
		k.accessList(k.root, true)
	}
	k.twins(l)
	k.third()
	k.leftInRoot()
	k.path = t.root
	k.marks(k.root)
	k.path = t.lists()
	k.sentinel()
	k.subscriptions()
	return k.quota()
}

// box checks one mailbox under its lock.
func (k *treeCheck) box(b *boxDirs, rel string) error {
	k.path, k.at = b.dir.Path(), *b
	if st := b.dir.Identity(); k.o.Owner > 0 && int(st.Uid) != k.o.Owner {
		k.fail(invOwner, "", "is of user %d, the tree of user %d: not checked", st.Uid, k.o.Owner)
		return nil
	}
	if b.control == nil { // nobody has served it
		k.files(b.dir)
		k.props(b.dir)
		k.accessList(b.dir, false)
		return nil
	}
	release, busy, err := k.lock(b.control)
	if err != nil || busy {
		return err
	}
	defer release()
	k.contents(b)
	k.validity(b, rel)
	k.keywords(b)
	k.props(b.dir)
	k.accessList(b.dir, false)
	k.left(b)
	k.owners(b)
	return nil
}

// lock takes the mailbox's lock as a writer would, but removes nobody's: one
// whose process is gone is a finding, and keeps nobody off. Where the directory
// cannot be written no lock is needed to read it.
func (k *treeCheck) lock(d *fsx.Dir) (release func(), busy bool, err error) {
	name := uidlistFile + ".lock"
	if pid, gone := deadLock(d, name); gone {
		k.fail(invLock, name, "left behind by process %d, which is gone", pid)
		return func() {}, false, nil
	}
	l, err := d.Lock(k.ctx, uidlistFile, fsx.LockOptions{Wait: k.o.Wait, Stale: lockStale})
	switch {
	case err == nil:
		return func() { _ = l.Unlock() }, false, nil
	case errors.Is(err, fsx.ErrLocked):
		k.fail(invLock, name, "busy: another program holds it for longer than %v; not checked", k.o.Wait)
		return nil, true, nil
	case cannotWrite(err):
		return func() {}, false, nil
	}
	return nil, false, err
}

// deadLock tells whether a lock file is of a process of this host that is gone.
func deadLock(d *fsx.Dir, name string) (pid int, gone bool) {
	b, _, err := d.ReadFile(name, 1<<10)
	if err != nil {
		return 0, false
	}
	number, host, ok := strings.Cut(strings.TrimRight(string(b), "\n"), ":")
	pid, err = strconv.Atoi(number)
	mine, herr := os.Hostname()
	return pid, ok && err == nil && pid > 0 && herr == nil && host == mine && startOf(pid) == "" && startOf(os.Getpid()) != ""
}

// validity compares the list of UIDs with what the tree knows.
func (k *treeCheck) validity(box *boxDirs, rel string) {
	b, _, err := box.control.ReadFile(uidlistFile, listLimit)
	if err != nil {
		return // told elsewhere
	}
	u, err := parseUIDList(b)
	if err != nil {
		return
	}
	k.high = max(k.high, u.validity)
	k.tree.store.third.look(k.tree.root, func(c *treeCopy) {
		id := c.boxes[rel]
		if id != nil && id.validity == u.validity && id.least(processAlive) > u.next && !k.ahead(box.own, id) {
			k.fail(invThird, uidlistFile, "next UID %d, but UIDs below %d have been given", u.next, id.least(processAlive))
		}
	})
}

// ahead tells that the index knows the greater next UID, and so all our
// processes do: an orderly state, as the list's header need not tell it.
func (k *treeCheck) ahead(d *fsx.Dir, id *identity) bool {
	m := &Mailbox{boxDirs: together(d)}
	m.index.m = m
	b, _, err := d.ReadFile(indexName, indexLimit)
	if err != nil {
		return false
	}
	_, ok := m.index.apply(b, true)
	return ok && m.state.validity == id.validity && m.state.next >= id.least(processAlive)
}

// keywords checks dovecot-keywords against the letters of the messages.
func (k *treeCheck) keywords(box *boxDirs) {
	b, _, err := box.control.ReadFile(keywordsFile, 1<<20)
	if err != nil && !isGone(err) {
		k.errs = append(k.errs, err)
		return
	}
	if n := damagedKeywords(b); n > 0 {
		k.fail(invKeywords, keywordsFile, "%d damaged lines", n)
		return
	}
	letters := parseKeywords(b)
	var used [maxLetters]int
	for _, name := range messageDirs {
		sub, err := box.dir.Sub(name)
		if err != nil {
			continue
		}
		_ = sub.Each(func(name []byte, _ fsx.Type) bool {
			_, info := splitName(string(name))
			_, mask, _ := parseInfo(info)
			for i := range used {
				used[i] += int(mask >> i & 1)
			}
			return true
		})
		sub.Close()
	}
	for i, n := range used {
		if n > 0 && letters.names[i] == "" {
			k.fail(invKeywords, keywordsFile, "letter %c is in the names of %d files, but has no keyword", 'a'+i, n)
			f := &k.found[len(k.found)-1]
			f.Repair, f.ByHand = fmt.Sprintf("nothing by itself: add a line \"%d keyword\" if you know which it was", i), true
		}
	}
}

func (k *treeCheck) props(d *fsx.Dir) {
	b, _, err := d.ReadFile(propsFile, 1<<20)
	if err != nil {
		return
	}
	for i, line := range strings.Split(strings.TrimSuffix(string(b), "\n"), "\n") {
		word, value, ok := strings.Cut(line, " ")
		if line != "" && (!ok || word == "" || value == "" || strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r == 0xfffd })) {
			k.fail(invProps, propsFile, "line %d is no word and its value", i+1)
		}
	}
}

// twins are directories of one mailbox name.
func (k *treeCheck) twins(l *treeListing) {
	if k.tree.names.layout != MaildirPP {
		return
	}
	served := make(map[string]string)
	for _, b := range l.boxes {
		served[b.name] = b.rel
	}
	err := k.root.Each(func(b []byte, typ fsx.Type) bool {
		rel := string(b)
		if name, ok := k.tree.names.folderName(rel); ok && typ == fsx.IsDir {
			if other, ok := served[name]; ok && other != rel {
				k.fail(invTwins, rel, "is the mailbox %q, as is %s, which is served", name, other)
			}
		}
		return true
	})
	if err != nil {
		k.errs = append(k.errs, err)
	}
}

// sentinel checks the tree's last UIDVALIDITY.
func (k *treeCheck) sentinel() {
	last, others, err := validitySentinels(k.lists)
	switch {
	case err != nil:
		k.errs = append(k.errs, err)
	case k.high == 0: // no mailbox was served yet
	case last == 0:
		k.fail(invSentinel, validityFile, "the empty file with the last UIDVALIDITY in its name is not there")
	case len(others) > 0:
		k.fail(invSentinel, validityFile, "%d files name a last UIDVALIDITY", len(others)+1)
	}
}

func (k *treeCheck) subscriptions() {
	b, _, err := k.lists.ReadFile(subscriptionsFile, maxSubscriptions)
	if isGone(err) {
		return
	}
	if err == nil {
		_, err = parseSubscriptions(b, k.tree.names.layout)
	}
	if err == nil && strings.IndexByte(string(b), 0) >= 0 {
		err = corrupt(subscriptionsFile, 1+strings.Count(string(b[:slices.Index(b, 0)]), "\n"), "a NUL")
	}
	if err != nil {
		k.fail(invSubscribe, subscriptionsFile, "%v", err)
	}
}

func (k *treeCheck) third() {
	c := &k.tree.store.third
	c.look(k.tree.root, func(t *treeCopy) {
		if t.bad > 0 {
			k.found = append(k.found, newFinding(invThird, c.state, treesDir+"/"+fileOf(k.tree.root), fmt.Sprintf("%d lines do not check", t.bad)))
		}
	})
}

// quota compares maildirsize with the mailboxes, while they stand still.
func (k *treeCheck) quota() error {
	r := k.tree.quota
	f, _, err := readQuota(k.lists)
	if r == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	before, err := r.stamps(k.root)
	if err != nil {
		return err
	}
	sum, err := countMail(k.ctx, k.root, before)
	if err != nil {
		return err
	}
	after, err := r.stamps(k.root)
	if err != nil || !slices.Equal(before, after) {
		return err
	}
	switch {
	case f.bad:
		k.fail(invQuota, quotaName, "is damaged, or so long that it has to be counted anew")
	case f.sum != sum:
		k.fail(invQuota, quotaName, "says %d bytes in %d messages, there are %d in %d", f.sum.bytes, f.sum.count, sum.bytes, sum.count)
	}
	return nil
}
