package maildir

import (
	"errors"
	"fmt"
	"syscall"
	"testing"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir/fsx"
)

// TestThirdCopyFaults crashes, or fails once, before every operation of a
// mailbox's first two messages: what was acknowledged is there under its UID,
// and once list and index are lost as well, its UID is no other message's.
func TestThirdCopyFaults(t *testing.T) {
	t.Parallel()
	for kind, plan := range map[string]func(n int64) func(op, path string) error{
		"crash": func(n int64) func(op, path string) error { return fsx.CrashAt(n, false) },
		"torn":  func(n int64) func(op, path string) error { return fsx.CrashAt(n, true) },
		"full":  func(n int64) func(op, path string) error { return fsx.FailAt(n, syscall.ENOSPC) },
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			for n := int64(0); !t.Failed(); n++ {
				what := fmt.Sprintf("%s before %d", kind, n)
				if !inRound(t, n, func(t *testing.T) bool { return thirdFault(t, what, plan(n)) }) {
					return
				}
			}
		})
	}
}

// thirdFault is one such life and two after it; false: the plan came to no fault.
func thirdFault(t *testing.T, what string, plan func(op, path string) error) (hit bool) {
	l := newLifeFS(t, unsynced(t), unsynced(t), fsx.FS{Fault: func(op, path string) error {
		err := plan(op, path)
		hit = hit || err != nil
		return err
	}})
	was := make(map[imap.UID]string)
	validity := uint32(0)
	h, err := l.store.open(t.Context(), l.loc, Select)
	if err == nil {
		for i := range 2 {
			text := fmt.Sprintf("Subject: %d\n\n", i)
			if uid, err := tryAppend(h, text); err == nil {
				was[uid], validity = text, h.UIDValidity()
			} else if !errors.Is(err, fsx.ErrCrash) && !errors.Is(err, ErrFull) {
				t.Errorf("%s: %v", what, err)
			}
		}
		h.Close()
	}
	l.store.Close()

	l = newLife(t, l.dir, l.state)
	h = l.open(Select)
	for uid, text := range was {
		if got := readAll(t, h, uid); got != text {
			t.Errorf("%s: message %d is %q", what, uid, got)
		}
	}
	if validity != 0 && h.UIDValidity() != validity {
		t.Errorf("%s: UIDVALIDITY %d, was %d", what, h.UIDValidity(), validity)
	}
	next := appendText(t, h, "Subject: later\n\n")
	validity = h.UIDValidity()
	h.Close()
	l.check()
	l.store.Close()

	l.remove(uidlistFile, indexName)
	l = newLife(t, l.dir, l.state)
	h = l.open(Select)
	if h.UIDValidity() != validity {
		t.Errorf("%s: UIDVALIDITY %d without list and index, was %d", what, h.UIDValidity(), validity)
	}
	for _, m := range h.Messages(nil, 0, maxUID, 10) {
		if m.UID <= next {
			t.Errorf("%s: UID %d given again, %d was the last", what, m.UID, next)
		}
	}
	h.Close()
	l.store.Close()
	return hit
}
