package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"maildir-imapd/cmd/internal/usermail"
	"maildir-imapd/imapd"
	"maildir-imapd/imapd/config"
	"maildir-imapd/maildir"
	"maildir-imapd/pubroot"
)

// mailOpener finds a user's mail under one configuration.
type mailOpener struct {
	cfg   *config.Config
	store *maildir.Store
	log   *slog.Logger
	rules *rules
	told  sync.Map // namespaces that could not be opened: logged once
}

// open is imapd.Options.Open: the user's own tree, then the public ones.
func (m *mailOpener) open(_ context.Context, l *imapd.Login) (*imapd.Mail, error) {
	return m.mail(&l.Identity, m.rules.now.Load())
}

// mail opens what a user has under the configuration of the login and the namespaces of now. All that asks for the user
// later holds on to the one identity.
func (m *mailOpener) mail(id *imapd.Identity, now *ruleset) (*imapd.Mail, error) {
	cfg := *m.cfg
	cfg.Namespaces = now.cfg.Namespaces
	own, home, err := m.personal(&cfg, id)
	if err != nil {
		return nil, err
	}
	user := userOf(id)
	mail := &imapd.Mail{Aliases: m.rules.aliases(), Tilde: now.cfg.Mail.Tilde}
	mail.Namespaces = append(make([]imapd.Namespace, 0, 1+len(cfg.Namespaces)), own)
	var v *visitor
	if len(cfg.Namespaces) > 0 {
		mail.Defaults = func() []string { return m.rules.subscribed(id.User) }
		v = &visitor{rules: m.rules, id: id}
	}
	for _, n := range cfg.Namespaces {
		if !n.For(user.Name) || id.Anonymous && strings.ContainsAny(n.Path, "%~") {
			continue
		}
		if n.Kind == config.KindOther {
			mail.Namespaces = append(mail.Namespaces, m.others(&cfg, &n, v, home))
			continue
		}
		ns, err := m.public(&cfg, n, user, v, home)
		if err != nil { // the user's own mail must not suffer
			if _, again := m.told.LoadOrStore(n.Name+"\x00"+err.Error(), true); !again {
				m.log.Error("public namespace not opened", "namespace", n.Name, "err", err)
			}
			continue
		}
		mail.Namespaces = append(mail.Namespaces, ns)
	}
	shape := now.shape
	mail.Renew = func(context.Context) (*imapd.Mail, error) {
		now := m.rules.now.Load()
		if now.shape == shape {
			return nil, nil
		}
		shape = now.shape // whatever comes of it: nothing but another reload makes it different
		return m.mail(id, now)
	}
	return mail, nil
}

// personal opens a user's own mail, and says where read marks of other mail lie.
func (m *mailOpener) personal(cfg *config.Config, id *imapd.Identity) (ns imapd.Namespace, home string, err error) {
	user := userOf(id)
	o, err := usermail.Own(cfg, user)
	if id.Anonymous {
		o, err = m.nobodys(cfg)
	}
	if err != nil {
		return ns, "", err
	}
	shared := usermail.Sharing(cfg, user.Name)
	if !id.Anonymous {
		o.Create, o.Quota, home = true, m.rules.quota(id), o.Root
		if shared != nil {
			o.Access = m.rules.own(id, shared.Name)
		}
	}
	own, err := usermail.Open(m.store, cfg, o)
	if err != nil {
		return ns, "", fmt.Errorf("[mail] path = %s: %w%s", o.Root, err, advice(err))
	}
	ns = imapd.Namespace{Kind: imapd.Personal, Prefix: cfg.Mail.Prefix, Separator: o.Separator, Tree: own}
	if o.Access != nil {
		ns.Tree = &ownTree{own, user.Name, &m.rules.sharing}
	}
	return ns, home, nil
}

// nobodys is the mail of those who have not said who they are: an INBOX, which every user has (RFC 9051 §5.1), that is
// empty and stays so.
func (m *mailOpener) nobodys(cfg *config.Config) (maildir.TreeOptions, error) {
	o := maildir.TreeOptions{Root: filepath.Join(cfg.Server.State, "anonymous"), Separator: cfg.Mail.Separator[0], Create: true}
	t, err := m.store.Tree(o)
	if err != nil {
		return o, fmt.Errorf("the empty INBOX of anonymous users: %s: %w%s", o.Root, err, advice(err))
	}
	o.Create, o.ReadOnly = false, true
	return o, t.Close()
}

func userOf(id *imapd.Identity) usermail.User { return usermail.User{Name: id.User, Home: id.Home} }

// public opens a public root. home is where the user's own mail lies, and read marks with it.
func (m *mailOpener) public(cfg *config.Config, n config.Namespace, u usermail.User, v *visitor, home string) (imapd.Namespace, error) {
	o, err := usermail.Public(cfg, n, u)
	if err != nil {
		return imapd.Namespace{}, err
	}
	now := m.rules.live(n.Name)
	o.Access, o.Hide = now.of(v), now.hide
	name, path, user := n.Name, n.Path, u.Name // each session keeps what is taken along here
	o.Access.Gone = m.rules.gone(func(now *ruleset) bool {
		is := now.spaces[name]
		return is == nil || !is.For(user) || is.Path != path
	})
	o.Quota, o.QuotaName = m.rules.publicQuota(n.Name), n.Name
	if home != "" {
		if o.Access.Marks, err = m.store.Marks(home); err != nil {
			return imapd.Namespace{}, err
		}
		defer o.Access.Marks.Close() // the tree has its own use of it
	}
	tree, err := pubroot.Open(m.store, o)
	if err != nil {
		return imapd.Namespace{}, fmt.Errorf("path = %s: %w%s", o.Root, err, advice(err))
	}
	return imapd.Namespace{Kind: imapd.Shared, Prefix: n.Prefix, Separator: o.Separator, Tree: tree}, nil
}

// advice is for those who meet the errors of a new installation.
func advice(err error) string {
	switch {
	case errors.Is(err, unix.EROFS):
		return "; the unit lets the daemon write in few places, and only in what is there as it starts: make the directory for " + whoami() +
			" and restart, or name it in ReadWritePaths= (systemctl edit maildir-imapd)"
	case errors.Is(err, os.ErrPermission), errors.Is(err, maildir.ErrNoPermission):
		return "; this runs as " + whoami() + ", which needs the right to (below /home the unit wants ProtectHome=no, too)"
	}
	return ""
}
