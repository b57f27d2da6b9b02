package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/rogpeppe/go-internal/testscript"

	"maildir-imapd/maildir"
)

// onMailbox opens a mail tree's INBOX as the daemon would, with the state directory "state".
func onMailbox(ts *testscript.TestScript, dir string, mode maildir.Mode, f func(ctx context.Context, h *maildir.Handle) error) {
	ctx := context.Background()
	ts.Check(os.MkdirAll(ts.MkAbs("state"), 0o750))
	store, err := maildir.NewStore(maildir.StoreOptions{State: ts.MkAbs("state")})
	ts.Check(err)
	tree, err := store.Tree(maildir.TreeOptions{Root: ts.MkAbs(dir), Create: true})
	ts.Check(err)
	h, err := tree.Open(ctx, "INBOX", mode)
	ts.Check(err)
	ts.Check(f(ctx, h))
	ts.Check(h.Close())
	ts.Check(store.Close())
}

// fillMailbox is: fill DIR, four messages, the second of which is expunged.
func fillMailbox(ts *testscript.TestScript, _ bool, args []string) {
	onMailbox(ts, args[0], maildir.Select, func(ctx context.Context, h *maildir.Handle) error {
		for i := range 4 {
			flags := []imap.Flag{"$Work"}
			if i == 1 {
				flags = append(flags, imap.FlagDeleted)
			}
			d, err := h.Deliver(ctx, 0)
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(d, "Subject: %d\r\n\r\ntext\r\n", i); err != nil {
				return err
			}
			if _, err := d.Commit(ctx, flags, time.Time{}); err != nil {
				return err
			}
		}
		if err := h.Refresh(ctx); err != nil {
			return err
		}
		h.Sync(true, new(maildir.Delta))
		if n, err := h.Expunge(ctx, nil); err != nil || n != 1 {
			return fmt.Errorf("%d expunged: %w", n, err)
		}
		return nil
	})
	rememberMailbox(ts, false, args)
}

// identityOf is what a client goes by.
func identityOf(ts *testscript.TestScript, dir string) (s string) {
	onMailbox(ts, dir, maildir.Examine, func(ctx context.Context, h *maildir.Handle) error {
		s = fmt.Sprintf("UIDVALIDITY %d %x", h.UIDValidity(), h.GUID())
		for _, m := range h.Messages(nil, 0, 1<<32-2, 100) {
			f, err := h.OpenMessage(ctx, m.UID)
			if err != nil {
				return err
			}
			b, err := io.ReadAll(f)
			if cerr := f.Close(); err == nil {
				err = cerr
			}
			if err != nil {
				return err
			}
			s += fmt.Sprintf("\n%d %v %q", m.UID, m.Flags, b)
		}
		return nil
	})
	return s
}

// rememberMailbox is: remember DIR.
func rememberMailbox(ts *testscript.TestScript, _ bool, args []string) {
	ts.Setenv("MAILBOX_"+filepath.Base(args[0]), identityOf(ts, args[0]))
}

// sameMailbox is: same DIR, UIDs, flags and messages are what fill or remember saw.
func sameMailbox(ts *testscript.TestScript, neg bool, args []string) {
	was, is := ts.Getenv("MAILBOX_"+filepath.Base(args[0])), identityOf(ts, args[0])
	if (was == is) == neg {
		ts.Fatalf("%s is\n%s\nand was\n%s", args[0], is, was)
	}
}

// deadLock is: deadlock FILE, the lock of a process that is gone.
func deadLock(ts *testscript.TestScript, _ bool, args []string) {
	cmd := exec.Command("true")
	ts.Check(cmd.Run())
	host, err := os.Hostname()
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), fmt.Appendf(nil, "%d:%s", cmd.Process.Pid, host), 0o600))
}

// replaceText is: replace FILE OLD NEW, in place; NEW may have \0, \n and \t.
func replaceText(ts *testscript.TestScript, _ bool, args []string) {
	text := ts.ReadFile(args[0])
	if !strings.Contains(text, args[1]) {
		ts.Fatalf("%s has no %q", args[0], args[1])
	}
	text = strings.Replace(text, args[1], strings.NewReplacer(`\0`, "\x00", `\n`, "\n", `\t`, "\t").Replace(args[2]), 1)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
}

// cutFile is: cut FILE, to two thirds.
func cutFile(ts *testscript.TestScript, _ bool, args []string) {
	text := ts.ReadFile(args[0])
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text[:len(text)*2/3]), 0o600))
}

// lengthen is: lengthen DIR, adds a line to the first message of DIR, whose size in the name and the index is wrong then.
func lengthen(ts *testscript.TestScript, _ bool, args []string) {
	files, err := filepath.Glob(ts.MkAbs(args[0]) + "/cur/*")
	ts.Check(err)
	b, err := os.ReadFile(files[0])
	ts.Check(err)
	ts.Check(os.WriteFile(files[0], append(b, "more\n"...), 0o600))
}
