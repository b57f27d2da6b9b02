package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"sync"

	"github.com/emersion/go-imap/v2"
	"golang.org/x/sys/unix"

	"maildir-imapd/imapd"
	"maildir-imapd/imapd/config"
	"maildir-imapd/maildir"
	"maildir-imapd/pubroot"
)

// mailOpener finds a user's mail under one configuration.
type mailOpener struct {
	cfg    *config.Config
	store  *maildir.Store
	log    *slog.Logger
	quotas *quotas
	told   sync.Map // namespaces that could not be opened: logged once
}

// open is imapd.Options.Open: the user's own tree, then the public ones.
func (m *mailOpener) open(ctx context.Context, l *imapd.Login) (*imapd.Mail, error) {
	home := func() (string, error) { return homeOf(l.Identity) }
	root, err := config.Expand(m.cfg.Mail.Path, l.User, home)
	if err != nil {
		return nil, fmt.Errorf("[mail] path: %w", err)
	}
	own, err := m.personal(l.Identity, root)
	if err != nil {
		return nil, fmt.Errorf("[mail] path = %s: %w%s", root, err, advice(err))
	}
	mail := &imapd.Mail{Namespaces: []imapd.Namespace{{
		Kind: imapd.Personal, Prefix: m.cfg.Mail.Prefix, Separator: m.cfg.Mail.Separator[0], Tree: own,
	}}}
	for _, n := range m.cfg.Namespaces {
		ns, err := m.public(n, l.User, home)
		if err != nil { // the user's own mail must not suffer
			if _, again := m.told.LoadOrStore(n.Name+"\x00"+err.Error(), true); !again {
				m.log.Error("public namespace not opened", "namespace", n.Name, "err", err)
			}
			continue
		}
		mail.Namespaces = append(mail.Namespaces, ns)
	}
	return mail, nil
}

func (m *mailOpener) personal(id imapd.Identity, root string) (*maildir.Tree, error) {
	o := maildir.TreeOptions{
		Root: root, Layout: layout(m.cfg.Mail.Layout), Separator: m.cfg.Mail.Separator[0], Create: true,
		Follow: m.cfg.Mail.Follow, DiskUTF8: m.cfg.Mail.UTF8,
		Quota: m.quotas.of(id),
	}
	for _, n := range m.cfg.Namespaces {
		o.Foreign = append(o.Foreign, n.Prefix) // subscriptions to them are kept under their whole names
	}
	uses, certain := chosenUses(&m.cfg.Special)
	if !certain { // the folders that are there decide
		plain, err := m.store.Tree(o)
		if err != nil {
			return nil, err
		}
		uses = specialUse(&m.cfg.Special, plain.Exists)
		if err := plain.Close(); err != nil {
			return nil, err
		}
	}
	o.SpecialUse = uses
	return m.store.Tree(o)
}

func (m *mailOpener) public(n config.Namespace, name string, home func() (string, error)) (imapd.Namespace, error) {
	root, err := config.Expand(n.Path, name, home)
	if err != nil {
		return imapd.Namespace{}, fmt.Errorf("path: %w", err)
	}
	separator := n.Separator
	if separator == "" {
		separator = m.cfg.Mail.Separator
	}
	tree, err := pubroot.Open(m.store, pubroot.Options{
		Root: root, Layout: layout(n.Layout), Separator: separator[0],
		Follow: m.cfg.Mail.Follow, DiskUTF8: m.cfg.Mail.UTF8,
	})
	if err != nil {
		return imapd.Namespace{}, fmt.Errorf("path = %s: %w%s", root, err, advice(err))
	}
	return imapd.Namespace{Kind: imapd.Shared, Prefix: n.Prefix, Separator: separator[0], Tree: tree}, nil
}

// advice is for those who meet the errors of a new installation.
func advice(err error) string {
	switch {
	case errors.Is(err, unix.EROFS):
		return "; the unit lets the daemon write in few places: name this one in ReadWritePaths= (systemctl edit maildir-imapd)"
	case errors.Is(err, os.ErrPermission), errors.Is(err, maildir.ErrNoPermission):
		return "; this runs as " + whoami() + ", which needs the right to (below /home the unit wants ProtectHome=no, too)"
	}
	return ""
}

func layout(l config.Layout) maildir.Layout {
	if l == config.FS {
		return maildir.FS
	}
	return maildir.MaildirPP
}

// attributes are the special uses of RFC 6154 and RFC 8457 by the keys of [special].
var attributes = map[string]imap.MailboxAttr{
	"sent": imap.MailboxAttrSent, "drafts": imap.MailboxAttrDrafts, "junk": imap.MailboxAttrJunk,
	"trash": imap.MailboxAttrTrash, "archive": imap.MailboxAttrArchive, "all": imap.MailboxAttrAll,
	"flagged": imap.MailboxAttrFlagged, "important": imap.MailboxAttrImportant,
}

// chosenUses is specialUse where no use has more than one name, as by default: a login then looks at no folder.
func chosenUses(s *config.Special) (uses map[string]imap.MailboxAttr, certain bool) {
	for _, u := range s.Uses() {
		if len(u.Names) > 1 {
			return nil, false
		}
	}
	return specialUse(s, nil), true
}

// specialUse gives each use to one folder: the first of its names that exists, else the first, which gets it
// when a client creates it.
func specialUse(s *config.Special, exists func(string) (bool, error)) map[string]imap.MailboxAttr {
	uses := map[string]imap.MailboxAttr{}
	for _, u := range s.Uses() {
		if len(u.Names) == 0 {
			continue
		}
		chosen := u.Names[0]
		if len(u.Names) > 1 {
			for _, name := range u.Names {
				if ok, err := exists(name); err == nil && ok {
					chosen = name
					break
				}
			}
		}
		uses[chosen] = attributes[u.Use]
	}
	return uses
}

// homeOf is the password file's field, else the system account's.
func homeOf(id imapd.Identity) (string, error) {
	if id.Home != "" {
		return id.Home, nil
	}
	u, err := user.Lookup(id.User)
	var unknown user.UnknownUserError
	switch {
	case errors.As(err, &unknown):
		return "", errors.New("no home in the password file, and no such system account; add the field, or set path = /srv/mail/%u")
	case err != nil:
		return "", err
	}
	return u.HomeDir, nil
}
