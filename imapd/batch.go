package imapd

import (
	"sync"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir"
)

// batchSize is how many messages are copied out of a mailbox's state at a time.
const batchSize = 512

// batches are pooled: a session that is not walking a mailbox holds none.
var batches = sync.Pool{New: func() any { b := make([]maildir.Message, 0, batchSize); return &b }}

// walk hands the messages of the view that lie in uids to do, a batch at a time, in ascending order. The
// batch is a copy: nothing is locked meanwhile.
func (s *session) walk(uids imap.UIDSet, do func(batch []maildir.Message) error) error {
	return s.sel.walk(uids, do)
}

// walk is the walk over any mailbox.
func (sel *selection) walk(uids imap.UIDSet, do func(batch []maildir.Message) error) error {
	pooled := batches.Get().(*[]maildir.Message)
	defer batches.Put(pooled)
	for _, r := range uids {
		after := r.Start - 1
		for after < r.Stop {
			batch := sel.Messages((*pooled)[:0], after, r.Stop, batchSize)
			if len(batch) == 0 {
				break
			}
			after = batch[len(batch)-1].UID
			if err := do(batch); err != nil {
				return err
			}
		}
	}
	return nil
}
