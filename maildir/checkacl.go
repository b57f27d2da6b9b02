package maildir

import (
	"errors"

	"maildir-imapd/maildir/acl"
	"maildir-imapd/maildir/fsx"
)

// accessList checks the list of rights in a directory: a mailbox's, or the root's that holds for all where that is
// no mailbox.
func (k *treeCheck) accessList(d *fsx.Dir, top bool) {
	p := aclPlace{root: d, dir: d, top: top}
	name, st, err := p.find()
	var f *aclFile
	if err == nil && name != "" {
		f, err = readACL(&p, name, st, 0)
	}
	switch {
	case err != nil && !isGone(err):
		k.errs = append(k.errs, err)
	case err != nil || f == nil || f.err == nil:
	default:
		var bad *acl.SyntaxError
		if errors.As(f.err, &bad) {
			k.fail(invACL, name, "line %d: %s", bad.Line, bad.Msg)
		} else {
			k.fail(invACL, name, "cannot be read: %v", f.err)
		}
	}
}
