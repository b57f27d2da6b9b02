package maildir

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"time"
	"unicode/utf8"

	"maildir-imapd/maildir/fsx"
)

const maxSubscriptions = 16 << 20

// Subscribe adds a name to the subscriptions; it need not exist (RFC 9051
// §6.3.7). Names beginning with one of TreeOptions.Foreign are kept as well.
func (t *Tree) Subscribe(ctx context.Context, name string) error {
	return opError("subscribe", name, t.subscribe(ctx, name, true))
}

// Unsubscribe removes a name; one that is not there is no error.
func (t *Tree) Unsubscribe(ctx context.Context, name string) error {
	return opError("unsubscribe", name, t.subscribe(ctx, name, false))
}

func (t *Tree) subscribe(ctx context.Context, name string, on bool) error {
	if t.o.ReadOnly {
		return ErrNoPermission
	}
	whole := false
	for _, prefix := range t.o.Foreign {
		whole = whole || strings.HasPrefix(name, prefix)
	}
	if !whole {
		name = t.names.clean(strings.TrimSuffix(name, string(t.names.sep)))
	}
	if on && (!utf8.ValidString(name) || len(name) > maxNameLen || !whole && !validComponents(name, t.names.sep)) {
		return badName("not a mailbox name")
	}
	d, err := t.openLists()
	if err != nil {
		return err
	}
	defer d.Close()
	lock, err := t.lockFile(ctx, d, subscriptionsFile)
	if err != nil {
		return err
	}
	err = t.rewriteSubscriptions(d, name, on, whole)
	if uerr := lock.Unlock(); err == nil {
		err = uerr
	}
	return err
}

// lockFile locks one of the tree's own small files, to rewrite it.
func (t *Tree) lockFile(ctx context.Context, d *fsx.Dir, name string) (*fsx.Lock, error) {
	return d.Lock(ctx, name, fsx.LockOptions{Wait: t.store.o.LockWait, Stale: 30 * time.Second})
}

func (t *Tree) rewriteSubscriptions(d *fsx.Dir, name string, on, whole bool) error {
	s, err := t.readSubscriptions(d)
	if errors.Is(err, ErrCorrupt) {
		aside, aerr := setAside(d, subscriptionsFile, t.store.now())
		if aerr != nil {
			return errors.Join(err, aerr)
		}
		t.store.log.Error("damaged file renamed aside, starting a new one", "path", d.Path()+"/"+aside, "err", err)
		s, err = &subscriptions{}, nil
	}
	if err != nil {
		return err
	}
	if !s.set(t.names, name, on, whole) {
		return nil
	}
	return d.WriteFile(subscriptionsFile, s.encode(nil), 0, true)
}

// readSubscriptions reads the file; where there is none yet, Courier's.
func (t *Tree) readSubscriptions(d *fsx.Dir) (*subscriptions, error) {
	b, _, err := d.ReadFile(subscriptionsFile, maxSubscriptions)
	if err == nil {
		return parseSubscriptions(b, t.names.layout)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if t.lists() != t.root {
		if d, err = t.open(); err != nil {
			return nil, err
		}
		defer d.Close()
	}
	if b, _, err = d.ReadFile("courierimapsubscribed", maxSubscriptions); err == nil {
		return parseCourierSubscriptions(b), nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return &subscriptions{}, err
}

// Subscriptions returns the subscribed names in the file's order.
func (t *Tree) Subscriptions(ctx context.Context) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	d, err := t.openLists()
	if err != nil {
		return nil, opError("read subscriptions", "", err)
	}
	defer d.Close()
	s, err := t.readSubscriptions(d)
	if err != nil {
		return nil, opError("read subscriptions", "", err)
	}
	return s.list(t.names), nil
}
