package imapd

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"maildir-imapd/maildir"
)

// TestRenew: namespaces come and go with a command, and a mailbox that is selected stays so wherever it lies.
func TestRenew(t *testing.T) {
	var stand atomic.Int32
	s := startServer(t, nil)
	if err := os.MkdirAll(filepath.Join(s.public, "news", "cur"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, sub := range []string{"new", "tmp"} {
		if err := os.Mkdir(filepath.Join(s.public, "news", sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	var opened atomic.Int32
	var open func(ctx context.Context, l *Login) (*Mail, error)
	open = func(ctx context.Context, l *Login) (*Mail, error) {
		at := stand.Load()
		if at == 3 {
			return nil, errors.New("broken")
		}
		opened.Add(1)
		m, err := s.openMail(ctx, l)
		if err != nil || at == 2 {
			return m, err
		}
		tree, err := s.store.Tree(maildir.TreeOptions{Root: s.public, Layout: maildir.FS, Separator: '/', ReadOnly: true, NoInbox: true})
		if err != nil {
			return nil, err
		}
		prefix := map[int32]string{0: "Old/", 1: "New/", 4: "Last/"}[at]
		m.Namespaces = append(m.Namespaces, Namespace{Kind: Shared, Prefix: prefix, Separator: '/', Tree: tree})
		m.Renew = func(ctx context.Context) (*Mail, error) {
			if stand.Load() == at {
				return nil, nil
			}
			return open(ctx, l)
		}
		return m, nil
	}
	s.options.Open = open
	s.server.Reload(s.options)
	c := s.client(t).login()
	namespaces := func(want string) {
		t.Helper()
		if got := c.whole("n NAMESPACE"); !strings.Contains(got, want) {
			t.Errorf("%q, want %s", got, want)
		}
	}
	namespaces(`(("Old/" "/"))`)
	c.do("s SELECT Old/news")
	stand.Store(1)
	if got := c.do("s EXAMINE New/news"); !strings.HasPrefix(got, "s OK") { // from one mailbox to another
		t.Error(got)
	}
	stand.Store(0)
	namespaces(`(("Old/" "/"))`) // while one is selected
	for _, cmd := range []string{"f NOOP", "f UID FETCH 1:* FLAGS", "f UNSELECT"} {
		if got := c.do(cmd); !strings.HasPrefix(got, "f OK") {
			t.Errorf("%s, in a mailbox of a namespace that is no more: %s", cmd, got)
		}
	}
	stand.Store(1)
	namespaces(`(("New/" "/"))`)
	stand.Store(3)
	namespaces(`(("New/" "/"))`) // what cannot be opened leaves what there is
	stand.Store(4)
	namespaces(`(("Last/" "/"))`)
	namespaces(`(("Last/" "/"))`)
	if opened.Load() != 5 {
		t.Errorf("opened %d times", opened.Load())
	}
	stand.Store(2)
	if got := c.whole("n NAMESPACE"); strings.Contains(got, "Last") {
		t.Errorf("still there: %q", got)
	}
}
