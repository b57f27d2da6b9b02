package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"maildir-imapd/imapd/config"
	"maildir-imapd/maildir"
)

// site is what a command that looks at mail works on: the daemon's configuration, and its state directory. What
// the configuration means for a user's mail, package usermail says; as whom it is touched, owner.go.
type site struct {
	c      *config.Config
	state  stateDir
	rights rights
}

func openSite(file string) (*site, error) {
	c, _, err := config.Load(file)
	if err != nil {
		return nil, err
	}
	return siteOf(c), nil
}

func siteOf(c *config.Config) *site { return &site{c, stateOf(c), systemRights} }

// store opens a store for the tree at root, with [server] state where the process, as the user that it is now,
// can use that. If it cannot, unusable says so: "user 1000 cannot use ...". Errors go to log.
func (s *site) store(root string, log io.Writer) (store *maildir.Store, unusable string, err error) {
	o := quietStore(log)
	usable, why := maildir.StateFor(s.state.dir, root)
	if usable {
		o.State = s.state.dir
	}
	if why != nil {
		unusable = fmt.Sprintf("user %d cannot use (%v); run this as %s", os.Geteuid(), why, s.state.account())
	}
	store, err = maildir.NewStore(o)
	return store, unusable, err
}

// openTree is a tree of mail, open with the rights of its owner.
type openTree struct {
	*maildir.Tree
	root     string
	owner    int    // -1: the caller's own rights
	unusable string // why [server] state is not used, as store says it
}

// inTree opens a tree as its owner, for as long as f works in it. Package usermail has the options of users' trees.
// Folders have no special uses here: what a tool does, it does by name.
func (s *site) inTree(o maildir.TreeOptions, log io.Writer, f func(t openTree) error) error {
	return s.asOwner(o.Root, func(owner int) (err error) {
		store, unusable, err := s.store(o.Root, log)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, store.Close()) }() // before the rights are given back
		tree, err := store.Tree(o)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, tree.Close()) }()
		return f(openTree{tree, o.Root, owner, unusable})
	})
}

// quietStore is for a tool, which tells by itself what it finds.
func quietStore(log io.Writer) maildir.StoreOptions {
	return maildir.StoreOptions{Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelError}))}
}

// stateDir is [server] state and whose it is: the daemon's user.
type stateDir struct {
	dir   string
	owner int // -1: not known
}

// stateOf is asked before anybody else's rights are taken on.
func stateOf(c *config.Config) stateDir {
	s := stateDir{dir: c.Server.State, owner: -1}
	if dir, err := filepath.Abs(s.dir); err == nil {
		s.dir = dir
	}
	var st unix.Stat_t
	if unix.Stat(s.dir, &st) == nil {
		s.owner = int(st.Uid)
	}
	return s
}

// account names the daemon's user.
func (s stateDir) account() string {
	if s.owner <= 0 {
		return "the daemon's user"
	}
	id := strconv.Itoa(s.owner)
	if u, err := user.LookupId(id); err == nil {
		return "the daemon's user, " + u.Username
	}
	return "the daemon's user, " + id
}
