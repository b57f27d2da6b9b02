package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"maildir-imapd/cmd/internal/usermail"
	"maildir-imapd/imapd/config"
	"maildir-imapd/maildir"
	"maildir-imapd/maildir/acl"
)

// checkFolders compares rights with permissions, folder by folder. Trees are walked by their directories and not by
// the store, which would stop at the first that it cannot read.
func checkFolders(x *exam) {
	trees := x.trees()
	for i := range trees {
		if x.cmd.Context().Err() != nil {
			return
		}
		trees[i].walk()
		trees[i].report()
	}
}

// rootWalk is a tree of mail on the walk through it.
type rootWalk struct {
	*exam
	maildir.TreeOptions
	space  *config.Namespace // nil: users' own mail
	who    *acl.Who          // nil: anybody
	lists  bool              // access lists count here
	shared bool              // \Seen is one for all
	quiet  bool              // what is not there, or cannot be read, promises nothing to this user

	root  string // links resolved
	group int    // by which the account gets at what is not its own
	top   folderList
	needs []need
	leads map[string]bool // directories that must be entered, in needs
	given []need          // directories in which new messages get their UIDs, where nothing else is written
	boxes int             // folders that can be read
	seen  map[[2]uint64]bool
}

// trees are those that the user, or everybody, has to do with.
func (x *exam) trees() (all []rootWalk) {
	users := x.users
	if x.user != "" {
		u, err := x.userNamed(x.user)
		if err != nil {
			x.unseen(err)
			return nil
		}
		users = []usermail.User{u}
	}
	for _, u := range users {
		o, err := usermail.Own(x.c, u)
		if err != nil {
			x.unseen(err)
			continue
		}
		t := rootWalk{exam: x, TreeOptions: o, shared: true}
		if x.user != "" && usermail.Sharing(x.c, u.Name) != nil {
			who := x.people.Who(u.Name)
			who.Owner = true
			t.who, t.lists = &who, true
		}
		all = append(all, t)
	}
	for i := range x.c.Namespaces {
		all = append(all, x.inSpace(&x.c.Namespaces[i], users)...)
	}
	return all
}

// inSpace are the trees of a namespace.
func (x *exam) inSpace(n *config.Namespace, users []usermail.User) (all []rootWalk) {
	var who *acl.Who
	if x.user != "" {
		w := x.people.Who(x.user)
		who = &w
	}
	if n.Kind != config.KindOther {
		for _, o := range usermail.AllPublic(x.c, *n, users) {
			if x.user == "" || n.For(x.user) {
				all = append(all, rootWalk{exam: x, TreeOptions: o.Folders(), space: n, who: who, lists: true, shared: n.Seen == config.SeenShared})
			}
		}
		return all
	}
	if x.user == "" || !n.For(x.user) {
		return nil // each tree is walked as its owner's
	}
	for _, u := range x.users {
		if o, err := usermail.Own(x.c, u); err == nil && u.Name != x.user && n.For(u.Name) {
			all = append(all, rootWalk{exam: x, TreeOptions: o, space: n, who: who, lists: true, shared: n.Seen == config.SeenShared, quiet: true})
		}
	}
	return all
}

func (t *rootWalk) walk() {
	root, err := filepath.EvalSymlinks(t.Root)
	switch {
	case errors.Is(err, fs.ErrNotExist) && (t.quiet || t.space == nil):
		return // made at the first login
	case errors.Is(err, fs.ErrNotExist):
		t.problem(t.Root, fmt.Sprintf("the root of [namespace %q] is not there", t.space.Name),
			fmt.Sprintf("install -d -o %s -g %s -m 2770 %s", t.account.name, groupName(t.account.gid), shellQuote(t.Root)))
		return
	case err != nil:
		t.outOfSight(t.Root, err)
		return
	}
	t.root, t.seen, t.leads = root, make(map[[2]uint64]bool), make(map[string]bool)
	t.group = t.account.gid
	if l, err := lookAt(root); err == nil && l.Gid != 0 && t.account.in(l.Gid) {
		t.group = int(l.Gid)
	}
	if !t.quiet {
		t.want(root, 1, "is the root of "+t.called())
	}
	t.top = t.readLists(root, true)
	if !t.NoInbox {
		t.folder(root)
	}
	t.below(root)
}

// called is what the tree is to people.
func (t *rootWalk) called() string {
	if t.space == nil {
		return "a user's mail"
	}
	return fmt.Sprintf("[namespace %q]", t.space.Name)
}

// want notes a permission, and that of all directories on the way there.
func (t *rootWalk) want(path string, bits uint16, why string) {
	for _, p := range above(filepath.Dir(path)) {
		if !t.leads[p] {
			t.leads[p] = true
			t.needs = append(t.needs, need{p, 1, "leads to " + t.called()})
		}
	}
	t.needs = append(t.needs, need{path, bits, why})
}

// outOfSight is a directory that doctor cannot look into. Where it looks as the account itself, it is a finding already.
func (t *rootWalk) outOfSight(path string, err error) {
	if !t.quiet && !(errors.Is(err, fs.ErrPermission) && os.Geteuid() == t.account.uid) {
		t.unseen(err)
	}
}

// below walks through the folders in a directory: all of a Maildir++, one level of the other layout.
func (t *rootWalk) below(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.outOfSight(dir, err)
		if !t.quiet {
			t.want(dir, 4, "holds folders")
		}
		return
	}
	for _, e := range entries {
		name := e.Name()
		dotted := strings.HasPrefix(name, ".")
		if dotted != (t.Layout == maildir.MaildirPP) || strings.HasPrefix(name, "..") || name == "." || name == "cur" || name == "new" || name == "tmp" {
			continue
		}
		path, ok := t.follow(filepath.Join(dir, name), e)
		if !ok {
			continue
		}
		if _, err := os.Lstat(filepath.Join(path, "cur")); err == nil || errors.Is(err, fs.ErrPermission) {
			t.folder(path)
		}
		if t.Layout == maildir.FS {
			t.below(path)
		}
	}
}

// follow tells the directory that an entry is, or leads to as far as links are followed, once for each.
func (t *rootWalk) follow(path string, e fs.DirEntry) (dir string, ok bool) {
	if e.Type()&fs.ModeSymlink != 0 {
		to, err := filepath.EvalSymlinks(path)
		if err != nil {
			t.problem(path, fmt.Sprintf("is a link that leads nowhere: %v", err))
			return "", false
		}
		if st, err := os.Stat(to); err != nil || !st.IsDir() {
			return "", false
		}
		if !t.allowed(to) {
			t.problem(path, fmt.Sprintf("is a link to %s, outside of the tree, and not followed", to),
				fmt.Sprintf("# remove it, or if links of everybody may lead there, in the configuration: [mail] follow = %s", visible(to)))
			return "", false
		}
		path = to
	} else if !e.IsDir() {
		return "", false
	}
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return "", false
	}
	id := [2]uint64{st.Dev, st.Ino}
	if t.seen[id] {
		return "", false
	}
	t.seen[id] = true
	return path, true
}

// allowed tells whether links may lead to a directory.
func (t *rootWalk) allowed(to string) bool {
	return slices.ContainsFunc(append([]string{t.root}, t.Follow...), func(dir string) bool {
		if r, err := filepath.EvalSymlinks(dir); err == nil {
			dir = r
		}
		return to == dir || strings.HasPrefix(to, dir+"/")
	})
}

// What rights take on disk.
const (
	rightsToMove  = acl.RightWrite | acl.RightDeleteMessages | acl.RightExpunge
	rightsToWrite = rightsToMove | acl.RightInsert
)

// folder notes what the rights to one folder take.
func (t *rootWalk) folder(dir string) {
	r, why := t.rightsTo(dir)
	if r == 0 {
		return
	}
	writes := r & rightsToWrite
	if t.shared {
		writes |= r & acl.RightSeen
	}
	sub := func(name string, bits uint16, by maildir.Rights) {
		if by != 0 {
			t.want(filepath.Join(dir, name), bits, why(by))
		}
	}
	for _, name := range []string{"cur", "new", "tmp"} {
		path := filepath.Join(dir, name)
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			t.problem(path, "is not there: without it this is no Maildir", mendMissing(dir, path))
			continue
		}
		if name != "tmp" {
			sub(name, 5, r&acl.RightRead)
			sub(name, 7, writes)
			if r&acl.RightRead != 0 {
				t.messages(path, why(acl.RightRead))
			}
		} else {
			sub(name, 3, r&acl.RightInsert)
		}
		t.setgid(path, writes)
	}
	sub("", 1, r&acl.RightsReadOnly)
	sub("", 3, writes|r&acl.RightAdmin)
	t.setgid(dir, writes)
	t.listsOf(dir, r, writes, why)
	if r&acl.RightRead != 0 {
		t.boxes++
		if writes == 0 {
			t.given = append(t.given, need{t.listsAt(dir), 3, dir})
		}
	}
	t.around(dir, r, why)
}

// around is what making, removing and renaming folders take of the directories about one.
func (t *rootWalk) around(dir string, r maildir.Rights, why func(maildir.Rights) string) {
	if dir == t.root {
		return
	}
	parent := filepath.Dir(dir)
	if by := r & acl.RightDeleteMailbox; by != 0 {
		t.want(parent, 3, why(by))
	}
	if by := r & acl.RightCreate; by != 0 {
		if t.Layout == maildir.FS {
			parent = dir
		}
		t.want(parent, 3, why(by))
	}
}

// setgid finds directories in which what others make does not get the group by which all have access.
func (t *rootWalk) setgid(dir string, writes maildir.Rights) {
	l, err := lookAt(dir)
	if err != nil || t.space == nil || writes == 0 || l.Mode&0o020 == 0 || l.Mode&unix.S_ISGID != 0 || int(l.Gid) == t.account.gid {
		return
	}
	t.problem(dir, fmt.Sprintf("the group may write (%s), but what is made here gets the group of whoever makes it", &l), "chmod g+s "+shellQuote(dir))
}

// messages counts those that cannot be read.
func (t *rootWalk) messages(dir, why string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.outOfSight(dir, err)
		return
	}
	var first look
	at, refused := "", 0
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		path := filepath.Join(dir, e.Name())
		if l, err := lookAt(path); err == nil && !l.may(&t.account, 4) {
			if refused++; refused == 1 {
				first, at = l, path
			}
		}
	}
	if refused == 0 {
		return
	}
	mend := "find " + shellQuote(dir) + " -type f -exec chmod g+r {} +"
	if !t.account.in(first.Gid) {
		mend = fmt.Sprintf("find %s -type f -exec chgrp -h %s {} + -exec chmod g+r {} +", shellQuote(dir), groupName(t.group))
	}
	t.problem(dir, fmt.Sprintf("%d of %d messages cannot be read by %s, such as %s (%s); %s", refused, len(entries), t.account.name, filepath.Base(at), &first, why),
		mend, "# and let what delivers here do so with umask 007")
}

// report tells of the needs that are not met.
func (t *rootWalk) report() {
	var known []need
	for _, n := range t.refused(t.needs) { // in order of paths
		if last := len(known) - 1; last >= 0 && known[last].path == n.path {
			if n.want&^known[last].want != 0 {
				known[last].want, known[last].why = known[last].want|n.want, n.why
			}
			continue
		}
		known = append(known, n)
	}
	t.withoutUIDs(known)
	for _, n := range known {
		l, err := lookAt(n.path)
		if err != nil {
			t.outOfSight(n.path, err)
			continue
		}
		if l.may(&t.account, n.want) {
			t.problem(n.path, fmt.Sprintf("%s has no permission %s by the word of the system, though %s would give it; %s", t.account.name, lettersOf(n.want), &l, n.why),
				"# a read-only file system, or a security module")
			continue
		}
		t.problem(n.path, fmt.Sprintf("%s has no permission %s (%s); %s", t.account.name, lettersOf(n.want), &l, n.why), l.mend(&t.account, n.path, n.want, t.group)...)
	}
}
