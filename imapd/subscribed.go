package imapd

import (
	"context"
	"slices"
	"strings"
)

// declining is a personal tree that keeps what its user does not want to be subscribed to, whoever says so.
type declining interface {
	Declined(ctx context.Context) ([]string, error)
	Decline(ctx context.Context, name string, on bool) error
}

// subscriptions are the user's subscribed names, as the client knows them, with their separators: those of the user's
// file, and those that everybody is subscribed to who has not unsubscribed.
func (s *session) subscriptions(ctx context.Context) ([]listed, error) {
	own := s.personal()
	names, err := own.Tree.Subscriptions(ctx)
	if err != nil {
		return nil, err
	}
	subs := make([]listed, 0, len(names))
	for _, n := range names {
		e := listed{name: own.outer(n), separator: own.Separator}
		for i := 1; i < len(s.mail.Namespaces); i++ {
			if ns := &s.mail.Namespaces[i]; ns.Prefix != "" && strings.HasPrefix(n, ns.Prefix) {
				e = listed{name: n, separator: ns.Separator}
			}
		}
		subs = append(subs, e)
	}
	more, err := s.defaults(ctx)
	if err != nil {
		return nil, err
	}
	for _, e := range more {
		if !slices.ContainsFunc(subs, func(had listed) bool { return had.name == e.name }) {
			subs = append(subs, e)
		}
	}
	return subs, nil
}

// isDefault tells whether everybody is subscribed to a name.
func (s *session) isDefault(name string) bool {
	return s.mail.Defaults != nil && slices.Contains(s.mail.Defaults(), name)
}

// defaults are the names that everybody is subscribed to and that this user may know of, without those that the user
// has declined.
func (s *session) defaults(ctx context.Context) (subs []listed, err error) {
	if s.mail.Defaults == nil {
		return nil, nil
	}
	var declined []string
	if t, ok := s.personal().Tree.(declining); ok {
		if declined, err = t.Declined(ctx); err != nil {
			return nil, err
		}
	}
	for _, name := range s.mail.Defaults() {
		if slices.Contains(declined, name) {
			continue
		}
		ns, inner, err := s.resolve(name)
		if err != nil {
			continue // of a namespace that this user has not
		}
		if there, err := ns.Tree.Exists(inner); err != nil || !there {
			continue
		}
		e := listed{name: name, separator: s.personal().Separator}
		if ns := s.namespaceOf(name); ns != nil {
			e.separator = ns.Separator
		}
		subs = append(subs, e)
	}
	return subs, nil
}

// setSubscribed writes a subscription, or its end. Those to every namespace stand in the user's own file, under the
// name the client uses; an alias is one of the user's own names.
func (s *session) setSubscribed(ctx context.Context, name string, on bool) error {
	if s.mail.Tilde && strings.HasPrefix(name, "~") {
		var err error
		if name, err = s.behindTilde(name); err != nil {
			return err
		}
	}
	own := s.personal()
	stored := name
	if ns, inner, err := s.place(name); err != nil {
		return err
	} else if ns.Kind == Personal {
		stored = inner
	}
	if s.isDefault(name) {
		if t, ok := own.Tree.(declining); ok {
			if err := t.Decline(ctx, name, !on); err != nil {
				return err
			}
		}
	}
	if on {
		return own.Tree.Subscribe(ctx, stored)
	}
	return own.Tree.Unsubscribe(ctx, stored)
}
