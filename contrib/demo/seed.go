package main

import (
	"os"
	"path/filepath"
	"time"

	"github.com/emersion/go-maildir"
)

// seed writes all letters, and tells how many. The user's folders are Maildir++: .Name beside cur, new and
// tmp. The public ones are plain directories.
func seed(p places) (int, error) {
	now := time.Now()
	all := letters()
	for i, l := range all {
		dir := maildir.Dir(p.user)
		if l.folder != "" {
			dir = maildir.Dir(filepath.Join(p.user, "."+l.folder))
		}
		if err := deliver(dir, l, i, now); err != nil {
			return 0, err
		}
	}
	public := announcements()
	for i, l := range public {
		if err := deliver(maildir.Dir(filepath.Join(p.public, l.folder)), l, len(all)+i, now); err != nil {
			return 0, err
		}
	}
	return len(all) + len(public), nil
}

// deliver puts a letter into a Maildir, which is made when it is not there.
func deliver(dir maildir.Dir, l letter, number int, now time.Time) error {
	if err := os.MkdirAll(filepath.Dir(string(dir)), 0o700); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(string(dir), "cur")); err != nil {
		if err := dir.Init(); err != nil {
			return err
		}
	}
	if l.flags == "new" {
		d, err := maildir.NewDelivery(string(dir))
		if err != nil {
			return err
		}
		if _, err := d.Write(l.write(number, now)); err != nil {
			return err
		}
		return d.Close()
	}
	m, w, err := dir.Create(maildirFlags(l.flags))
	if err != nil {
		return err
	}
	if _, err := w.Write(l.write(number, now)); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	// The file's time is when the message came: IMAP's INTERNALDATE.
	return os.Chtimes(m.Filename(), now.Add(-l.age), now.Add(-l.age))
}

func maildirFlags(letters string) []maildir.Flag {
	var flags []maildir.Flag
	for _, r := range letters {
		flags = append(flags, maildir.Flag(r))
	}
	return flags
}
