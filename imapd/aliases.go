package imapd

import (
	"context"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir"
)

// mostAliases is how often a name is looked up again: a target may be below another alias, and aliases may go round.
const mostAliases = 8

// aliases are the session's, nil for none.
func (s *session) aliases() map[string]string {
	if s.mail.Aliases == nil {
		return nil
	}
	return s.mail.Aliases()
}

// actual is the name behind aliases and behind a tilde. The longest alias that is the name, or is above it, counts.
func (s *session) actual(name string) (string, error) {
	if s.mail.Tilde && strings.HasPrefix(name, "~") {
		var err error
		if name, err = s.behindTilde(name); err != nil {
			return "", err
		}
	}
	if s.mail.Aliases == nil {
		return name, nil
	}
	all := s.aliases()
	for range mostAliases {
		alias, target := s.aliasOf(all, name)
		if alias == "" {
			return name, nil
		}
		to := s.personal().Separator
		if ns := s.namespaceOf(target); ns != nil {
			to = ns.Separator
		}
		name = s.below(target, to, name[len(alias):])
	}
	if alias, _ := s.aliasOf(all, name); alias == "" {
		return name, nil
	}
	return "", no(imap.ResponseCodeNonExistent, "No such mailbox: the aliases go round")
}

// aliasOf finds the longest alias that is a name or above it. INBOX is none.
func (s *session) aliasOf(all map[string]string, name string) (alias, target string) {
	if len(all) == 0 {
		return "", ""
	}
	sep := s.personal().Separator
	for alias = name; alias != "" && alias != "INBOX"; {
		if target, ok := all[alias]; ok {
			return alias, target
		}
		alias = alias[:max(strings.LastIndexByte(alias, sep), 0)]
	}
	return "", ""
}

// below is a name with what stood behind an alias, each level of it in the separator that holds there. A level that
// has that separator in its name cannot be told, and so is not there.
func (s *session) below(target string, to byte, rest string) string {
	from := s.personal().Separator
	if rest == "" || from == to {
		return target + rest
	}
	if strings.IndexByte(rest, to) >= 0 {
		return target + string(to) + string(to) // no mailbox has an empty level
	}
	return target + strings.ReplaceAll(rest, string(from), string(to))
}

// behindTilde is the name that ~user/box and ~public/box stand for, with any separator behind the user. One's own are
// one's own mailboxes. Where names of users have the separator in them the longest that there is counts, so that one
// user's folder is never taken for another user.
func (s *session) behindTilde(name string) (string, error) {
	own := s.personal()
	who, box := s.tildeOwner(name[1:])
	if who == s.login.User && !s.login.Anonymous {
		if box == "" || strings.EqualFold(box, "INBOX") {
			return "INBOX", nil
		}
		return own.Prefix + box, nil
	}
	for i := range s.mail.Namespaces {
		switch ns := &s.mail.Namespaces[i]; {
		case ns.Kind == Shared && who == "public":
			return s.below(strings.TrimSuffix(ns.Prefix, string(ns.Separator)), ns.Separator, string(own.Separator)+box), nil
		case ns.Kind == OtherUsers && who != "public":
			return s.below(ns.Prefix+who, ns.Separator, string(own.Separator)+box), nil
		}
	}
	return "", no(imap.ResponseCodeNonExistent, "No such mailbox")
}

// tildeOwner cuts what stands behind a tilde.
func (s *session) tildeOwner(name string) (who, box string) {
	sep := string(s.personal().Separator)
	who, _, _ = strings.Cut(name, sep)
	if self := s.login.User; len(self) > len(who) && strings.HasPrefix(name+sep, self+sep) && !s.login.Anonymous {
		who = self
	}
	for i := range s.mail.Namespaces {
		if u, ok := s.mail.Namespaces[i].Tree.(interface{ Owner(string, byte) string }); ok {
			if owner := u.Owner(name, sep[0]); len(owner) > len(who) {
				who = owner
			}
			break // the first of its kind
		}
	}
	return who, strings.TrimPrefix(name[len(who):], sep)
}

// isAlias refuses to make, rename or remove what is an alias: the administrator's, and no mailbox of its own. A tilde
// makes no other name of it.
func (s *session) isAlias(name string) error {
	if s.mail.Tilde && strings.HasPrefix(name, "~") {
		var err error
		if name, err = s.behindTilde(name); err != nil {
			return nil // told by who looks for the mailbox
		}
	}
	if _, ok := s.aliases()[name]; ok && name != "INBOX" {
		return no(imap.ResponseCodeCannot, "%q is an alias, which the administrator has made", name)
	}
	return nil
}

// addAliases lists the aliases that patterns can reach, with what is below their targets. What a user does not see
// there is not seen here either; special uses are said of mailboxes by their own names only.
func (s *session) addAliases(ctx context.Context, l *listing, aliases map[string]string, patterns []string, entries func(ctx context.Context, ns *Namespace) ([]maildir.Entry, error)) {
	sep := s.personal().Separator
	for alias := range aliases {
		if alias == "INBOX" || !reach(patterns, alias, sep) {
			continue
		}
		ns, inner, err := s.resolve(alias)
		if err != nil {
			s.log.Info("an alias leads nowhere", "alias", alias, "err", err)
			continue
		}
		all, err := entries(ctx, ns)
		if err != nil {
			continue // told where it was asked for
		}
		hidden := slices.ContainsFunc(all, func(e maildir.Entry) bool { return e.Hidden && e.Name == inner })
		for i := range all {
			rest, ok := strings.CutPrefix(all[i].Name, inner)
			if !ok || rest != "" && rest[0] != ns.Separator || sep != ns.Separator && strings.IndexByte(rest, sep) >= 0 {
				continue
			}
			name := alias + strings.ReplaceAll(rest, string(ns.Separator), string(sep))
			if at, _ := s.aliasOf(aliases, name); at != alias {
				continue // below a longer alias, which covers it
			}
			e, _ := l.add(name, sep)
			e.fill(&all[i])
			e.uses, e.hidden = nil, e.hidden && !hidden
			if rest == "" {
				if above := l.addParents(e); above != nil {
					above.children = true
				}
			}
		}
	}
}
