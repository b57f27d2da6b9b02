package maildir

import (
	"fmt"
	"strings"
	"time"

	"maildir-imapd/maildir/fsx"
)

// tmpAge is how old a file in tmp/ must be before nobody can be writing it, by
// the rules of Maildir. The time of its last change of any kind counts: its
// modification time may be set before it is delivered.
const tmpAge = 36 * time.Hour

// abandoned calls f with what work that was cut short has left in a mailbox:
// the directory and the name in it.
func (t *Tree) abandoned(d *fsx.Dir, f func(in *fsx.Dir, name string)) error {
	for _, name := range []string{deletedDir, uidlistFile + ".tmp", keywordsFile + ".tmp", indexName + ".tmp", cacheName + ".tmp", propsFile + ".tmp"} {
		if st, err := d.StatName(name); err == nil && t.old(st, time.Minute) {
			f(d, name)
		}
	}
	tmp, err := d.Sub("tmp")
	if isGone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer tmp.Close()
	names, err := tmp.Names()
	if err != nil {
		return err
	}
	for _, name := range names {
		if st, err := tmp.StatName(name); err == nil && t.old(st, tmpAge) {
			f(tmp, name)
		}
	}
	return nil
}

func (t *Tree) old(st fsx.Stat, age time.Duration) bool {
	return t.store.now().Sub(time.Unix(0, max(st.Mtime, st.Ctime))) > age
}

func (k *treeCheck) left(d *fsx.Dir) {
	err := k.tree.abandoned(d, func(in *fsx.Dir, name string) {
		k.fail(invLeft, strings.TrimPrefix(in.Path()+"/"+name, d.Path()+"/"), "left behind by work that was cut short")
	})
	if err != nil {
		k.errs = append(k.errs, err)
	}
}

func (k *treeCheck) leftInRoot() {
	if st, err := k.root.StatName(trashDir); err == nil && k.tree.old(st, time.Minute) {
		k.fail(invLeft, trashDir, "a mailbox that was deleted, but not to the end")
	}
	if pid, gone := deadLock(k.root, "mailboxes.lock"); gone {
		k.fail(invLock, "mailboxes.lock", "left behind by process %d, which is gone", pid)
	}
}

// owners finds what is not its mailbox's owner's, or not to be read and changed
// by them: mostly files that somebody made as root.
func (k *treeCheck) owners(d *fsx.Dir) {
	box, err := d.Stat()
	if err != nil {
		k.errs = append(k.errs, err)
		return
	}
	said, more := 0, 0
	judge := func(name string, st fsx.Stat) {
		need := uint32(0o600)
		switch {
		case st.IsDir():
			need = 0o700
		case !st.IsRegular():
			return
		}
		shared := st.Gid == box.Gid && box.Mode&0o070 == 0o070 && st.Mode&(need>>3) == need>>3
		if st.Uid == box.Uid && st.Mode&need == need || shared {
			return
		}
		if said++; said > ownersMost {
			more++
			return
		}
		k.fail(invOwner, name, "is of user %d with mode %04o, the mailbox is of user %d", st.Uid, st.Mode&0o7777, box.Uid)
	}
	names, err := d.Names()
	if err != nil {
		k.errs = append(k.errs, err)
		return
	}
	for _, name := range names {
		if !isControlName(name) {
			continue
		}
		st, err := d.StatName(name)
		if err == nil && !(strings.HasPrefix(name, validityFile+".") && st.Uid == box.Uid) { // the empty one is read-only
			judge(name, st)
		}
	}
	for _, sub := range messageDirs {
		s, err := d.Sub(sub)
		if err != nil {
			continue
		}
		list, err := s.Names()
		for _, name := range list {
			if st, err := s.StatName(name); err == nil && isMessageName(name) {
				judge(sub+"/"+name, st)
			}
		}
		s.Close()
		if err != nil {
			k.errs = append(k.errs, err)
		}
	}
	if more > 0 {
		k.fail(invOwner, "", "%s", fmt.Sprintf("and %d files more", more))
	}
}

// ownersMost is how many files of other owners are named.
const ownersMost = 20
