package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"maildir-imapd/maildir"
	"maildir-imapd/maildir/acl"
)

// listsOf notes what the lists of UIDs and indices take, beside the mail or apart from it.
func (t *rootWalk) listsOf(dir string, r, writes maildir.Rights, why func(maildir.Rights) string) {
	note := func(path string, read, write uint16) {
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			return
		}
		if by := r & acl.RightRead; by != 0 {
			t.want(path, read, why(by))
		}
		if writes != 0 {
			t.want(path, write, why(writes))
		}
	}
	places := map[string]string{dir: dir}
	for _, apart := range []string{t.Control, t.Index} {
		if at, ok := t.apart(dir, apart); ok {
			note(apart, 5, 7)
			places[at] = apart
		}
	}
	for at, root := range places {
		if at != root {
			note(at, 5, 7)
		}
		for _, name := range []string{"dovecot-uidlist", "dovecot-keywords", "maildir-imapd.index"} {
			note(filepath.Join(at, name), 4, 6)
		}
	}
}

// apart is where the lists of a folder lie in a directory of lists.
func (t *rootWalk) apart(dir, lists string) (at string, ok bool) {
	rel, err := filepath.Rel(t.root, dir)
	if lists == "" || err != nil || strings.HasPrefix(rel, "../") {
		return "", false
	}
	if rel == "." {
		rel = map[maildir.Layout]string{maildir.MaildirPP: ".INBOX", maildir.FS: "INBOX"}[t.Layout]
	}
	return filepath.Join(lists, rel), true
}

// listsAt is the directory in which a folder's list of UIDs lies.
func (t *rootWalk) listsAt(dir string) string {
	if at, ok := t.apart(dir, t.Control); ok {
		if _, err := os.Lstat(at); err == nil {
			return at
		}
	}
	return dir
}

// withoutUIDs tells of folders in which nobody need write for their rights' sake, and in which new messages are not
// shown since the account cannot give them UIDs; one finding for all. Those are left out of which it is known that the
// account does not get at them at all.
func (t *rootWalk) withoutUIDs(known []need) {
	closed := func(n need) bool {
		return slices.ContainsFunc(known, func(k need) bool { return n.path == k.path || strings.HasPrefix(n.path, k.path+"/") })
	}
	frozen := slices.DeleteFunc(t.refused(t.given), closed)
	if len(frozen) == 0 {
		return
	}
	const most = 10
	var mend []string
	for i, n := range frozen {
		if i == most {
			mend = append(mend, fmt.Sprintf("# and the same for %d more", len(frozen)-most))
			break
		}
		l, err := lookAt(n.path)
		switch {
		case err != nil:
			t.unseen(err)
		case l.may(&t.account, n.want):
			mend = append(mend, remount(n.path))
		default:
			mend = append(mend, l.mend(&t.account, n.path, n.want, t.group)...)
		}
	}
	t.problem(t.Root, fmt.Sprintf("%s can read but not write %d of %d folders, such as %s: new messages in them get no UIDs, and are not shown until an account "+
		"that may write there opens the folder", t.account.name, len(frozen), t.boxes, filepath.Base(frozen[0].path)), mend...)
}

// remount makes the file system writable that a path is on.
func remount(path string) string {
	return fmt.Sprintf(`mount -o remount,rw "$(findmnt -no TARGET --target %s)"`, shellQuote(path))
}
