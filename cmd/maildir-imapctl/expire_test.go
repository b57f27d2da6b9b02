package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"maildir-imapd/maildir"
)

// oldMail is: old DIR DAYS N, N messages that came into the mailbox at DIR so many days ago.
func oldMail(ts *testscript.TestScript, _ bool, args []string) {
	days, err := strconv.Atoi(args[1])
	ts.Check(err)
	n, err := strconv.Atoi(args[2])
	ts.Check(err)
	ctx := context.Background()
	then := time.Now().Add(-time.Duration(days) * 24 * time.Hour)
	ts.Check(os.MkdirAll(ts.MkAbs("state"), 0o750))
	store, err := maildir.NewStore(maildir.StoreOptions{State: ts.MkAbs("state"), Now: func() time.Time { return then }})
	ts.Check(err)
	tree, err := store.Tree(maildir.TreeOptions{Root: ts.MkAbs(args[0]), Create: true})
	ts.Check(err)
	h, err := tree.Open(ctx, "INBOX", maildir.Target)
	ts.Check(err)
	for range n {
		d, err := h.Deliver(ctx, 0)
		ts.Check(err)
		_, err = fmt.Fprint(d, "Subject: old\r\n\r\ntext\r\n")
		ts.Check(err)
		_, err = d.Commit(ctx, nil, time.Time{})
		ts.Check(err)
	}
	ts.Check(h.Close())
	ts.Check(store.Close())
}

// liveSession is a selection that stays open while other commands run.
type liveSession struct {
	store *maildir.Store
	h     *maildir.Handle
}

type liveKey struct{}

// openSession is: session DIR. It is what the daemon has for a client, in another process than maildir-imapctl.
func openSession(ts *testscript.TestScript, _ bool, args []string) {
	store, err := maildir.NewStore(maildir.StoreOptions{State: ts.MkAbs("state")})
	ts.Check(err)
	tree, err := store.Tree(maildir.TreeOptions{Root: ts.MkAbs(args[0])})
	ts.Check(err)
	h, err := tree.Open(context.Background(), "INBOX", maildir.Select)
	ts.Check(err)
	ts.Value(liveKey{}).(*liveSession).store, ts.Value(liveKey{}).(*liveSession).h = store, h
	ts.Defer(func() {
		h.Close()
		store.Close()
	})
}

// sessionTold is: told N LEFT, what the session's next command is told.
func sessionTold(ts *testscript.TestScript, _ bool, args []string) {
	h := ts.Value(liveKey{}).(*liveSession).h
	ts.Check(h.Refresh(context.Background()))
	var d maildir.Delta
	h.Sync(true, &d)
	if got := []string{fmt.Sprint(len(d.Expunged)), fmt.Sprint(h.Count())}; got[0] != args[0] || got[1] != args[1] {
		ts.Fatalf("the session is told of %s expunged messages, and has %s", got[0], got[1])
	}
}
