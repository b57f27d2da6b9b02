package usermail

import (
	"errors"
	"fmt"
	"io/fs"

	"maildir-imapd/auth"
	"maildir-imapd/imapd/config"
	"maildir-imapd/maildir"
	"maildir-imapd/maildir/acl"
)

// People is what the files say of users that access lists ask for. The zero value knows nobody, and nobody is in any
// group then.
type People struct {
	File   *auth.File
	Groups *auth.Groups
	Unsure bool // one of the two could not be read: anybody may be in more groups
}

// LoadPeople reads the password file and the file of groups, each if there is to be one. Only the default password
// file may be absent, since nobody has named it.
func LoadPeople(c *config.Config) (p People, err error) {
	p.File, err = auth.LoadFile(c.Auth.File)
	if errors.Is(err, fs.ErrNotExist) && c.Auth.File == config.Default().Auth.File {
		err = nil
	}
	if err != nil {
		return People{}, fmt.Errorf("[auth] file: %w", err)
	}
	if c.Auth.Groups == "" {
		return p, nil
	}
	if p.Groups, err = auth.LoadGroups(c.Auth.Groups); err != nil {
		return People{}, fmt.Errorf("[auth] groups: %w", err)
	}
	return p, nil
}

// Who is a user as access lists see one who does not own the mailbox. Who is not in the password file, or no longer, is
// in none of the groups that it names.
func (p People) Who(user string) acl.Who {
	u, _ := p.File.User(user)
	return acl.Who{User: user, Groups: p.Groups.Of(user, u.Extra), Unsure: p.Unsure}
}

// PublicAccess is the access of somebody to a public namespace, as the configuration was when it was read.
func PublicAccess(n *config.Namespace, who acl.Who) *maildir.Access {
	list := n.List()
	return &maildir.Access{
		Who:     func() acl.Who { return who },
		Default: func() *acl.List { return list },
		Private: func() bool { return n.Seen != config.SeenShared },
		Anyone:  func() bool { return n.Anyone },
	}
}

// Sharing is the namespace in which others see a user's mailboxes, nil where they do not.
func Sharing(c *config.Config, user string) *config.Namespace {
	for i := range c.Namespaces {
		if n := &c.Namespaces[i]; n.Kind == config.KindOther && n.For(user) {
			return n
		}
	}
	return nil
}
