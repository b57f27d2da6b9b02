package main

import (
	"errors"
	"io/fs"
	"sync/atomic"

	"maildir-imapd/auth"
	"maildir-imapd/imapd"
	"maildir-imapd/imapd/config"
	"maildir-imapd/maildir"
)

// quotas is what limits users' mail now. Running sessions ask at every use, so that a reload changes theirs.
type quotas struct{ now atomic.Pointer[quotaSources] }

type quotaSources struct {
	section config.Quota
	users   *auth.File
	// hidden: the password file cannot be read here, and users may have limits of their own in it. Then the
	// first line of their maildirsize, which the daemon has written, is what counts.
	hidden bool
}

func (q *quotas) set(section config.Quota, users *auth.File) {
	q.now.Store(&quotaSources{section: section, users: users})
}

// load is set for a process that does not need the password file otherwise.
func (q *quotas) load(cfg *config.Config) {
	users, err := auth.LoadFile(cfg.Auth.File)
	q.now.Store(&quotaSources{section: cfg.Quota, users: users, hidden: err != nil && !errors.Is(err, fs.ErrNotExist)})
}

// of is the limits of one user, as the tree of that user's mail asks for them.
func (q *quotas) of(id imapd.Identity) func() maildir.Quota {
	return func() maildir.Quota { return q.now.Load().of(id) }
}

func (s *quotaSources) of(id imapd.Identity) maildir.Quota {
	out := maildir.Quota{
		StorageKey: "[quota] storage", MessagesKey: "[quota] messages",
		Warn: s.section.Exceeded == config.ExceededWarn, Text: s.section.ExceededText,
	}
	if s.hidden {
		return out
	}
	extra := id.Extra
	if u, ok := s.users.User(id.User); ok {
		extra = u.Extra
	}
	own, err := auth.ParseQuota(extra)
	if err != nil { // no file with such a line has been loaded
		own = auth.Quota{}
	}
	storage, messages := s.section.Storage, s.section.Messages
	if own.HasStorage {
		storage, out.StorageKey = config.Limit{Set: true, N: own.Storage}, "quota"
	}
	if own.HasMessages {
		messages, out.MessagesKey = config.Limit{Set: true, N: own.Messages}, "quota_messages"
	}
	out.Set, out.Storage, out.Messages = storage.Set || messages.Set, storage.N, messages.N
	return out
}
