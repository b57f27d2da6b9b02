package main

import (
	"context"
	"errors"
	"io/fs"

	"maildir-imapd/cmd/internal/usermail"
	"maildir-imapd/imapd"
	"maildir-imapd/imapd/config"
	"maildir-imapd/maildir"
	"maildir-imapd/maildir/acl"
	"maildir-imapd/pubroot"
)

// ownTree is a user's own mail where others may be let in: when its owner has changed a list, LIST shows others the
// difference at once.
type ownTree struct {
	*maildir.Tree
	owner string
	index *pubroot.Sharing
}

func (t *ownTree) SetACL(ctx context.Context, name string, c acl.Change) error {
	err := t.Tree.SetACL(ctx, name, c)
	if err == nil {
		t.index.Forget(t.owner)
	}
	return err
}

// others is the namespace of other users' mail as somebody sees it. Whose mail there is, and where, is asked for when
// it is used. home is where the visitor's own mail lies, and read marks with it.
func (m *mailOpener) others(cfg *config.Config, n *config.Namespace, v *visitor, home string) imapd.Namespace {
	separator := n.Separator
	if separator == "" {
		separator = cfg.Mail.Separator
	}
	now, self := m.rules.live(n.Name), v.id.User
	if v.id.Anonymous {
		self = "" // nobody's mail is theirs
	}
	tree := pubroot.NewUsers(pubroot.UsersOptions{
		Separator: separator[0], Self: self, Index: &m.rules.sharing, Log: m.log,
		Who: v.who, Store: m.store,
		Users:      func() []string { return m.rules.now.Load().sharers() },
		Generation: func() uint64 { return m.rules.now.Load().generation },
		Place: func(owner string) (maildir.TreeOptions, error) {
			o, err := m.rules.now.Load().sharer(owner)
			o.Separator = separator[0]
			return o, err
		},
		Open: func(_ context.Context, owner string, o maildir.TreeOptions) (t *maildir.Tree, err error) {
			o.Access = now.of(v)
			o.Access.Gone = m.rules.gone(func(now *ruleset) bool {
				is, to := usermail.Sharing(now.cfg, owner), now.spaces[n.Name]
				place, err := now.sharer(owner)
				return is == nil || to == nil || !to.For(v.id.User) || err != nil || place.Root != o.Root
			})
			o.Quota = m.rules.quota(&imapd.Identity{User: owner}) // what lies there is the owner's
			if home != "" {
				if o.Access.Marks, err = m.store.Marks(home); err != nil {
					return nil, err
				}
				defer o.Access.Marks.Close() // the tree has its own use of it
			}
			return m.store.Tree(o)
		},
	})
	return imapd.Namespace{Kind: imapd.OtherUsers, Prefix: n.Head(), Separator: separator[0], Tree: tree}
}

// sharers are those whose mailboxes others may see, by name.
func (s *ruleset) sharers() []string {
	s.once.Do(func() {
		if s.people.File == nil {
			return
		}
		for _, u := range s.people.File.Users() {
			if usermail.Sharing(s.cfg, u.Name) != nil {
				s.names = append(s.names, u.Name)
			}
		}
	})
	return s.names
}

// sharer is where an owner's mail lies. Who has none is as one whose Maildir is not there.
func (s *ruleset) sharer(owner string) (maildir.TreeOptions, error) {
	u, known := s.people.File.User(owner)
	if !known {
		return maildir.TreeOptions{}, fs.ErrNotExist
	}
	o, err := usermail.Own(s.cfg, usermail.User{Name: owner, Home: u.Home})
	if errors.Is(err, config.ErrNoHome) || errors.Is(err, config.ErrNoDomain) {
		err = errors.Join(err, fs.ErrNotExist)
	}
	return o, err
}
