package maildir

import (
	"fmt"
	"time"

	"maildir-imapd/maildir/fsx"
)

// setAside renames a damaged file to name.damaged-<time>, so that nothing is
// ever deleted for being unreadable, and tells the new name for the log. The
// caller holds the lock that guards name.
func setAside(d *fsx.Dir, name string, now time.Time) (aside string, err error) {
	aside = asideName(name, now)
	return aside, d.RenameNew(name, d, aside)
}

func asideName(name string, now time.Time) string {
	return fmt.Sprintf("%s.damaged-%s", name, now.UTC().Format("20060102T150405.000000Z"))
}
