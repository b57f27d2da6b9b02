package maildir

import (
	"context"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"
)

// compactIndex writes the index anew without its history, if it is bloated or in any case.
//
// Where the file ended when memory was last known to agree with it, the new one
// begins: with every message that was there then, as it is when its turn comes, and
// the expunge history of then. What commands append to the old file meanwhile is
// copied behind that. It may say of a message again what the new file has already,
// or what was true before: records name states and not differences, and the last
// one of a message is in the copy. A message that is gone before its turn comes is
// in neither, and its line of the uidlist neither; so those are told at the end.
func (m *Mailbox) compactIndex(ctx context.Context, always bool) error {
	c := &indexCompaction{beside: beside{m: m, name: indexName}, always: always}
	return c.run(ctx, c)
}

type indexCompaction struct {
	beside
	old     fileID // of the file in use
	from    int64  // where it ended
	top     imap.UID
	history []gone
	always  bool
}

func (c *indexCompaction) begin(*txn) (bool, error) {
	m := c.m
	x := &m.index
	if x.broken || !c.always && !x.bloated(&m.state) {
		return false, nil
	}
	c.old, c.from = x.id, x.end
	m.mu.RLock()
	defer m.mu.RUnlock()
	c.top, c.history = m.state.top, slices.Clone(m.state.history)
	c.buf = append(c.buf, indexMagic...)
	c.buf = x.appendHead(c.buf, &m.state)
	c.buf = appendKeys(c.buf, &m.state)
	c.buf = appendCount(c.buf, &m.state)
	return true, nil
}

// copy writes the messages, some at a time, and the history.
func (c *indexCompaction) copy(ctx context.Context) error {
	m := c.m
	for after, more := imap.UID(0), true; more; {
		if err := ctx.Err(); err != nil {
			return err
		}
		m.mu.RLock()
		s := &m.state
		i := s.pos(after + 1)
		n := min(storeSlice, s.pos(c.top+1)-i)
		if more = n > 0; more {
			c.buf = appendBatch(c.buf, recMessage, n, func(b []byte, k int) []byte { return appendMessage(b, s, s.list.at(i+k)) })
			after = s.list.at(i + n - 1).uid
		}
		m.mu.RUnlock()
		if err := c.write(); err != nil {
			return err
		}
	}
	c.buf = appendHistory(c.buf, c.history)
	if err := c.write(); err != nil {
		return err
	}
	if m.lastingKeywords() {
		return m.own.SyncData(c.f)
	}
	return nil
}

// lastingKeywords tells that the index has what no other file has and commands have
// promised to keep.
func (m *Mailbox) lastingKeywords() bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return strings.Join(m.state.keys[maxLetters:], "") != ""
}

// finish adds what the old file has got meanwhile.
func (c *indexCompaction) finish(*txn) (err error) {
	m := c.m
	x := &m.index
	if x.broken || x.id.ino != c.old.ino || x.end < c.from {
		return nil
	}
	if err = c.tail(); err != nil {
		return err
	}
	ceiling := x.ceiling
	defer func() {
		if !c.done {
			x.ceiling = ceiling // as the file in use has it
		}
	}()
	last := c.last()
	c.buf = append(c.buf, last...)
	if err = c.write(); err != nil {
		return err
	}
	sync := m.lastingKeywords()
	if sync {
		err = m.own.SyncData(c.f)
	}
	if err == nil {
		err = c.replace()
	}
	if err != nil {
		return err
	}
	return c.use(last, sync)
}

// tail copies what has been appended to the old file.
func (c *indexCompaction) tail() error {
	x := &c.m.index
	b := make([]byte, min(x.end-c.from, indexPiece))
	for at := c.from; at < x.end; {
		piece := b[:min(int64(len(b)), x.end-at)]
		if _, err := c.m.own.ReadAt(x.f, piece, at); err != nil {
			return err
		}
		c.buf = append(c.buf[:0], piece...)
		if err := c.write(); err != nil {
			return err
		}
		at += int64(len(piece))
	}
	return nil
}

// last is the end of the new file: what is known of the uidlist, or that nothing of
// what was copied is to be believed, and the disk.
func (c *indexCompaction) last() (b []byte) {
	m := c.m
	x, l := &m.index, &m.list
	m.mu.RLock()
	defer m.mu.RUnlock()
	s := &m.state
	x.ceiling = max(x.ceiling, s.modseq+ceilingAhead)
	b = x.appendHead(b, s)
	l.told, l.news = fileID{}, nil
	if l.tellable(m.seen.list) {
		b = l.appendList(b, m.seen.list)
	} else {
		b = (&listFile{}).appendList(b, fileID{})
	}
	return appendDisk(b, s, &m.seen)
}

// use goes on with the new file.
func (c *indexCompaction) use(last []byte, sync bool) error {
	m := c.m
	x := &m.index
	x.close()
	f, st, err := x.openAppend()
	if err != nil {
		return err // catchUp reads it as a whole
	}
	x.f, x.appends, x.id = f, true, idOf(st)
	x.end = c.size - int64(len(last))
	x.passed(last)
	if m.list.tellable(m.seen.list) {
		m.list.listed(m.seen.list)
	}
	x.note()
	if sync {
		err = m.own.Sync()
		x.named = err == nil
	}
	return err
}
