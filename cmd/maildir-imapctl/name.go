package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"maildir-imapd/cmd/internal/usermail"
	"maildir-imapd/imapd/config"
	"maildir-imapd/maildir"
)

// place is where the name of a mailbox leads, which is given as clients know it.
type place struct {
	space *config.Namespace // nil: users' own mail
	owner string            // of other users' mail, whose it is
	inner string            // name within the tree
}

// resolve finds the place of a name, by prefixes and aliases as the daemon does.
func (s *site) resolve(name string) (place, error) {
	was := name
	for range config.MaxAliases {
		name = s.unalias(name)
	}
	if name == "INBOX" {
		return place{inner: name}, nil
	}
	best := s.spaceOf(name)
	p := place{space: best}
	ok := true
	switch {
	case best == nil:
		p.inner, ok = strings.CutPrefix(name, s.c.Mail.Prefix)
	case best.Kind == config.KindOther:
		p.owner, p.inner, ok = s.cutUser(name[len(best.Head()):], s.separator(best))
	default:
		p.inner = name[len(best.Head()):]
	}
	if !ok || p.inner == "" {
		return place{}, fmt.Errorf("no mailbox has the name %q", was)
	}
	return p, nil
}

// spaceOf is the namespace with the longest prefix that a name has, nil for users' own mail.
func (s *site) spaceOf(name string) (best *config.Namespace) {
	for i := range s.c.Namespaces {
		n := &s.c.Namespaces[i]
		if strings.HasPrefix(name, n.Head()) && (best == nil || len(n.Head()) > len(best.Head())) {
			best = n
		}
	}
	return best
}

// unalias replaces the longest alias at the head of a name. What stands behind it gets the separator that holds at the
// target; a level with that one in its name cannot be told there.
func (s *site) unalias(name string) string {
	sep := s.c.Mail.Separator
	best := config.Alias{}
	for _, a := range s.c.Aliases {
		if (name == a.Name || strings.HasPrefix(name, a.Name+sep)) && len(a.Name) > len(best.Name) {
			best = a
		}
	}
	rest, to := name[len(best.Name):], s.separator(s.spaceOf(best.Target))
	switch {
	case best.Name == "" || sep == to:
		return best.Target + rest
	case strings.Contains(rest, to):
		return best.Target + to + to // no mailbox has an empty level
	}
	return best.Target + strings.ReplaceAll(rest, sep, to)
}

// cutUser parts a user's name from that of a mailbox. Where the separator can be in users' names, the longest user
// that there is counts.
func (s *site) cutUser(name, sep string) (user, inner string, ok bool) {
	if users, err := usermail.Users(s.c); err == nil {
		for _, u := range users {
			if rest, found := strings.CutPrefix(name, u.Name+sep); found && len(u.Name) > len(user) {
				user, inner, ok = u.Name, rest, true
			}
		}
	}
	if ok {
		return user, inner, true
	}
	return strings.Cut(name, sep)
}

func (s *site) separator(n *config.Namespace) string {
	if n == nil || n.Separator == "" {
		return s.c.Mail.Separator
	}
	return n.Separator
}

// userNamed is somebody whose home the password file may have.
func (s *site) userNamed(name string) (usermail.User, error) {
	users, err := usermail.Users(s.c)
	if err != nil {
		return usermail.User{}, err
	}
	i := slices.IndexFunc(users, func(u usermail.User) bool { return u.Name == name })
	if i < 0 {
		return usermail.User{Name: name}, nil
	}
	return users[i], nil
}

// errOwner is of names that mean another mailbox for each user.
var errOwner = errors.New("is each user's own: say whose with -user")

// tree is where a place lies, seen by a user; whose name may be empty where it does not matter.
func (s *site) tree(p place, user string) (maildir.TreeOptions, error) {
	if p.space != nil && p.space.Kind != config.KindOther {
		if user == "" && strings.ContainsAny(p.space.Path, "%~") {
			return maildir.TreeOptions{}, errOwner
		}
		if user != "" && !p.space.For(user) {
			return maildir.TreeOptions{}, fmt.Errorf("is in [namespace %q], which %s does not have", p.space.Name, user)
		}
		if user == "" {
			return usermail.PublicAt(s.c, *p.space, p.space.Path).Folders(), nil
		}
		u, err := s.userNamed(user)
		if err != nil {
			return maildir.TreeOptions{}, err
		}
		o, err := usermail.Public(s.c, *p.space, u)
		return o.Folders(), err
	}
	owner := p.owner
	if p.space == nil {
		owner = user
	}
	if owner == "" {
		return maildir.TreeOptions{}, errOwner
	}
	u, err := s.userNamed(owner)
	if err != nil {
		return maildir.TreeOptions{}, err
	}
	return usermail.Own(s.c, u)
}
