package main

import (
	"io/fs"
	"path/filepath"

	"maildir-imapd/cmd/internal/usermail"
)

// mailTree is a tree of mail that is not walked for rights.
type mailTree struct {
	root   string
	public string   // the namespace's name; empty: a user's own
	lists  []string // where lists lie apart
}

// mailTrees are all of the configuration, of users and namespaces, each root once.
func (x *exam) mailTrees() (all []mailTree) {
	seen := make(map[string]bool)
	add := func(t mailTree) {
		if !seen[t.root] {
			seen[t.root] = true
			all = append(all, t)
		}
	}
	for _, u := range x.users {
		if o, err := usermail.Own(x.c, u); err == nil { // what is wrong with the others, folders tells
			t := mailTree{root: o.Root}
			for _, dir := range []string{o.Control, o.Index} {
				if dir != "" {
					t.lists = append(t.lists, dir)
				}
			}
			add(t)
		}
	}
	for _, n := range x.c.Namespaces {
		for _, o := range usermail.AllPublic(x.c, n, x.users) {
			add(mailTree{root: o.Root, public: n.Name})
		}
	}
	return all
}

// eachFolder finds the Maildirs of a tree, without a look at their messages.
func (x *exam) eachFolder(t *mailTree, f func(dir string)) {
	root, err := filepath.EvalSymlinks(t.root)
	if err != nil {
		return // not made yet, or what folders tells
	}
	_ = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		switch {
		case x.cmd.Context().Err() != nil:
			return fs.SkipAll
		case err != nil || !e.IsDir():
			return nil
		case e.Name() == "cur" && path != root:
			f(filepath.Dir(path))
			return fs.SkipDir
		case (e.Name() == "new" || e.Name() == "tmp") && path != root:
			return fs.SkipDir
		}
		return nil
	})
}
