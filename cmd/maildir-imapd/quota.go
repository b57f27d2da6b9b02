package main

import (
	"fmt"

	"maildir-imapd/auth"
	"maildir-imapd/imapd"
	"maildir-imapd/imapd/config"
	"maildir-imapd/maildir"
)

// quota is the limits of one user, as the tree of that user's mail asks for them.
func (r *rules) quota(id *imapd.Identity) func() maildir.Quota {
	return func() maildir.Quota { return r.now.Load().quota(id) }
}

// publicQuota is the limits of a namespace; nil where it has none now.
func (r *rules) publicQuota(name string) func() maildir.Quota {
	s := r.now.Load().spaces[name]
	if s == nil || !s.Storage.Set && !s.Messages.Set {
		return nil
	}
	return func() maildir.Quota { return r.now.Load().publicQuota(name) }
}

func (s *ruleset) publicQuota(name string) maildir.Quota {
	q := maildir.Quota{Warn: s.cfg.Quota.Exceeded == config.ExceededWarn, Text: s.cfg.Quota.ExceededText}
	if n := s.spaces[name]; n != nil {
		q.Set, q.Storage, q.Messages = n.Storage.Set || n.Messages.Set, n.Storage.N, n.Messages.N
		q.StorageKey, q.MessagesKey = fmt.Sprintf("[namespace %q] storage", name), fmt.Sprintf("[namespace %q] messages", name)
	}
	return q
}

func (s *ruleset) quota(id *imapd.Identity) maildir.Quota {
	out := maildir.Quota{
		StorageKey: "[quota] storage", MessagesKey: "[quota] messages",
		Warn: s.cfg.Quota.Exceeded == config.ExceededWarn, Text: s.cfg.Quota.ExceededText,
	}
	if s.hidden {
		return out
	}
	extra := id.Extra
	if u, ok := s.people.File.User(id.User); ok {
		extra = u.Extra
	}
	own, err := auth.ParseQuota(extra)
	if err != nil { // no file with such a line has been loaded
		own = auth.Quota{}
	}
	storage, messages := s.cfg.Quota.Storage, s.cfg.Quota.Messages
	if own.HasStorage {
		storage, out.StorageKey = config.Limit{Set: true, N: own.Storage}, "quota"
	}
	if own.HasMessages {
		messages, out.MessagesKey = config.Limit{Set: true, N: own.Messages}, "quota_messages"
	}
	out.Set, out.Storage, out.Messages = storage.Set || messages.Set, storage.N, messages.N
	return out
}
