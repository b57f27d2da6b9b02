package usermail

import (
	"fmt"
	"strings"

	"maildir-imapd/imapd/config"
	"maildir-imapd/maildir"
	"maildir-imapd/pubroot"
)

// Own is the tree of a user's own mail.
func Own(c *config.Config, u User) (maildir.TreeOptions, error) {
	root, err := config.Expand(c.Mail.Path, u.Name, u.home)
	if err != nil {
		return maildir.TreeOptions{}, fmt.Errorf("[mail] path: %w", err)
	}
	o := at(c, root)
	for _, x := range []struct {
		key, template string
		path          *string
	}{{"control", c.Mail.Control, &o.Control}, {"index", c.Mail.Index, &o.Index}} {
		if x.template == "" {
			continue
		}
		if *x.path, err = config.Expand(x.template, u.Name, u.home); err != nil {
			return maildir.TreeOptions{}, fmt.Errorf("[mail] %s: %w", x.key, err)
		}
		if u.Home != "" && config.Above(*x.path, u.Home) || config.Above(*x.path, root) {
			return maildir.TreeOptions{}, fmt.Errorf("[mail] %s = %s has the home or the mail of %s in it: %w", x.key, *x.path, u.Name, config.ErrAbove)
		}
	}
	return o, nil
}

// At is the tree of a user's own mail that lies at root, an absolute path. Where lists or
// indices lie elsewhere it must be that of a user whom the password file knows, for only
// the user's name tells where.
func At(c *config.Config, root string) (maildir.TreeOptions, error) {
	if c.Mail.Control == "" && c.Mail.Index == "" {
		return at(c, root), nil
	}
	users, err := Users(c)
	if err != nil {
		return maildir.TreeOptions{}, err
	}
	for _, u := range users {
		if o, err := Own(c, u); err == nil && o.Root == root {
			return o, nil
		}
	}
	return maildir.TreeOptions{}, fmt.Errorf("%s: [mail] control and index say by users' names where its lists are; name the user instead", root)
}

// at is what users' own trees have in common.
func at(c *config.Config, root string) maildir.TreeOptions {
	o := maildir.TreeOptions{
		Root: root, Layout: layout(c.Mail.Layout), Separator: c.Mail.Separator[0],
		Follow: c.Mail.Follow, DiskUTF8: c.Mail.UTF8,
	}
	for _, n := range c.Namespaces {
		o.Foreign = append(o.Foreign, n.Head()) // subscriptions to them are kept under their whole names
	}
	return o
}

// Open opens the tree of a user's own mail, its folders used as [special] says.
func Open(store *maildir.Store, c *config.Config, o maildir.TreeOptions) (*maildir.Tree, error) {
	uses, certain := chosenUses(&c.Special)
	if !certain { // the folders that are there decide
		plain, err := store.Tree(o)
		if err != nil {
			return nil, err
		}
		uses = specialUse(&c.Special, plain.Exists)
		if err := plain.Close(); err != nil {
			return nil, err
		}
	}
	o.SpecialUse = uses
	return store.Tree(o)
}

// Public is a namespace as one user has it.
func Public(c *config.Config, n config.Namespace, u User) (pubroot.Options, error) {
	root, err := config.Expand(n.Path, u.Name, u.home)
	if err != nil {
		return pubroot.Options{}, fmt.Errorf("path: %w", err)
	}
	return PublicAt(c, n, root), nil
}

// PublicAt is what a namespace is like whose root is an absolute path.
func PublicAt(c *config.Config, n config.Namespace, root string) pubroot.Options {
	separator := n.Separator
	if separator == "" {
		separator = c.Mail.Separator
	}
	return pubroot.Options{
		Root: root, Layout: layout(n.Layout), Separator: separator[0],
		Follow: c.Mail.Follow, DiskUTF8: c.Mail.UTF8, Quota: PublicQuota(c, n),
	}
}

// PublicQuota is what the folders of a namespace may hold together, as the configuration has it; nil where it has
// nothing, as they have no quota then.
func PublicQuota(c *config.Config, n config.Namespace) func() maildir.Quota {
	if !n.Storage.Set && !n.Messages.Set {
		return nil
	}
	q := maildir.Quota{
		Set: true, Storage: n.Storage.N, Messages: n.Messages.N,
		StorageKey: fmt.Sprintf("[namespace %q] storage", n.Name), MessagesKey: fmt.Sprintf("[namespace %q] messages", n.Name),
		Warn: c.Quota.Exceeded == config.ExceededWarn, Text: c.Quota.ExceededText,
	}
	return func() maildir.Quota { return q }
}

// AllPublic are the trees of a namespace: one, or as many as the users' names and homes make of its path. Users for
// whom it has none, for want of a domain or a home, are left out. Other users' mail is theirs: that has no tree here.
func AllPublic(c *config.Config, n config.Namespace, users []User) (all []pubroot.Options) {
	if n.Kind == config.KindOther {
		return nil
	}
	if !strings.ContainsAny(n.Path, "%~") {
		return []pubroot.Options{PublicAt(c, n, n.Path)}
	}
	seen := make(map[string]bool)
	for _, u := range users {
		if o, err := Public(c, n, u); err == nil && n.For(u.Name) && !seen[o.Root] {
			seen[o.Root] = true
			all = append(all, o)
		}
	}
	return all
}

func layout(l config.Layout) maildir.Layout {
	if l == config.FS {
		return maildir.FS
	}
	return maildir.MaildirPP
}
