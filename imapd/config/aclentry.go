package config

import (
	"errors"
	"strings"

	"maildir-imapd/maildir/acl"
)

// aclEntry checks one line of an access control list (RFC 4314 §2), which is written as in the files of folders.
func aclEntry(v string) (string, error) {
	const do = "write anyone lrs, user=ann lrswi or group=staff lr"
	l, err := acl.Parse([]byte(v))
	var wrong *acl.SyntaxError
	switch {
	case errors.As(err, &wrong):
		return "", bad(do, "%q: %s", v, wrong.Msg)
	case err != nil:
		return "", bad(do, "%q: %v", v, err)
	case len(l.Entries) != 1 || l.Entries[0].Rights == 0:
		return "", bad(do, "%q is not an identifier and its rights", v)
	case l.Entries[0].ID.Kind == acl.Owner:
		return "", bad("name the user, as in user=ann lrswi", "public folders have no owner")
	}
	if id := l.Entries[0].ID; id.Name == "" && (id.Kind == acl.User || id.Kind == acl.Group || id.Kind == acl.GroupOverride) {
		return "", bad(do, "%q names nobody", v)
	}
	return l.Entries[0].String(), nil
}

// List is what holds where neither a folder nor the root has a list: the key acl. Nil gives nobody anything.
func (n *Namespace) List() *acl.List {
	if len(n.ACL) == 0 {
		return nil
	}
	l, err := acl.Parse([]byte(strings.Join(n.ACL, "\n")))
	if err != nil { // no line of a file that has been loaded
		return nil
	}
	return l
}
