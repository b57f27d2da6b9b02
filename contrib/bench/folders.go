package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"maildir-imapd/contrib/interop/peer"
)

const foldersRow = "LIST of 10,000 public folders"

// groups of folders, and folders in each with the one above them.
const (
	folderGroups = 100
	foldersEach  = 100
)

// foldersOf are a public root's: each tenth has a list of rights of its own, the root has one for the others.
func foldersOf(root, layout string, uid int) error {
	put := func(name string, list bool) error {
		dir := filepath.Join(root, name)
		if layout == "maildir++" {
			dir = filepath.Join(root, "."+strings.ReplaceAll(name, "/", "."))
		}
		var err error
		for _, sub := range []string{"cur", "new", "tmp"} {
			err = errors.Join(err, os.MkdirAll(filepath.Join(dir, sub), 0o755))
		}
		if list {
			err = errors.Join(err, os.WriteFile(filepath.Join(dir, "dovecot-acl"), []byte("anyone lrs\nuser=other lrswi\n"), 0o644))
		}
		return err
	}
	for g := range folderGroups {
		group := fmt.Sprintf("group%02d", g)
		err := put(group, false)
		for f := 1; f < foldersEach; f++ {
			err = errors.Join(err, put(fmt.Sprintf("%s/folder%02d", group, f), f%10 == 0))
		}
		if err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(root, "dovecot-acl"), []byte("anyone lr\n"), 0o644); err != nil {
		return err
	}
	return filepath.Walk(root, func(path string, _ os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		return os.Chown(path, uid, uid)
	})
}

// folders measures LIST of a public root with lists of rights, in both layouts. It is a server of its own: Dovecot's
// plugin for them would be in the other rows as well.
func (c *contender) folders() error {
	if !wanted(foldersRow) {
		return nil
	}
	for _, layout := range []string{"fs", "maildir++"} {
		if err := c.foldersIn(layout); err != nil {
			return fmt.Errorf("%s, %s: %w", foldersRow, layout, err)
		}
	}
	return nil
}

func (c *contender) foldersIn(layout string) (err error) {
	dir := filepath.Join(c.srv.Dir, "folders-"+strings.Trim(layout, "+"))
	root := filepath.Join(dir, "public")
	if err := foldersOf(root, layout, c.srv.UID); err != nil {
		return err
	}
	o := peer.Options{Dir: dir, Users: map[string]string{"u0": password}}
	s, err := c.startPublic(o, public{root: root, layout: layout, plugins: peer.DovecotACL})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	twin := &contender{label: c.label, srv: s}
	k, err := login(s.Addr, "u0")
	if err != nil {
		return err
	}
	defer k.close()
	k.keep = true
	const list = `LIST "" "Public/*"`
	if err := k.do(list); err != nil { // what is not known yet is another matter
		return err
	}
	if n := bytes.Count(k.kept, []byte("* LIST ")); n != folderGroups*foldersEach {
		return fmt.Errorf("%d lines, want %d\n%s", n, folderGroups*foldersEach, s.Log())
	}
	k.keep = false
	const times = 20
	for range 5 {
		one, err := twin.measure(func() error {
			for range times {
				if err := k.do(list); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		c.note(foldersRow+", "+layout+", ms", "%.1f", one.wall.Seconds()*1000/times)
		c.note(foldersRow+", "+layout+", CPU ms", "%.1f", one.cpu.Seconds()*1000/times)
	}
	return nil
}
