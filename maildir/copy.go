package maildir

import (
	"cmp"
	"context"
	"errors"
	"io"
	"math/bits"
	"os"
	"syscall"
	"time"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir/fsx"
)

// CopyResult is COPYUID (RFC 4315 §3): the two sets correspond in order.
type CopyResult struct {
	UIDValidity  uint32
	Source, Dest imap.UIDSet
}

// Copy puts copies of messages into another mailbox (or this one), all or
// none, flags, keywords and dates kept. Nothing is locked here; the
// destination is, once. Messages that are expunged already are passed over.
func (h *Handle) Copy(ctx context.Context, uids imap.UIDSet, dst *Handle) (CopyResult, error) {
	r, _, err := h.copyTo(ctx, uids, dst, false)
	return r, opError("copy", h.loc.name, err)
}

// Move is Copy, then the removal of the originals: a crash in between leaves
// messages in both places. The two mailboxes are never locked together.
func (h *Handle) Move(ctx context.Context, uids imap.UIDSet, dst *Handle) (CopyResult, error) {
	if err := cmp.Or(h.m.alive(), h.may(DeedMove)); err != nil {
		return CopyResult{}, opError("move", h.loc.name, err)
	}
	// Within one quota nothing grows: there is nothing to refuse, and one line, if
	// any, for what could not be removed.
	quota, within := h.loc.quota.peek(), h.loc.sharesQuota(&dst.loc)
	defer quota.close()
	r, came, err := h.copyTo(ctx, uids, dst, within)
	if err != nil || came.count == 0 {
		return r, opError("move", h.loc.name, err)
	}
	var freed amount
	t, err := h.m.begin(ctx, h, true)
	if err == nil {
		if quota.counts() {
			t.freed = &freed
		}
		_, err = t.expunge(r.Source, true)
		t.end(err)
	}
	if within {
		quota.record(ctx, came.plus(freed.negative()))
	} else {
		quota.record(ctx, freed.negative())
	}
	return r, opError("move", h.loc.name, err)
}

// copyTo also tells how much mail that was. Within one quota nobody asks
// whether there is room.
func (h *Handle) copyTo(ctx context.Context, uids imap.UIDSet, dst *Handle, within bool) (r CopyResult, came amount, err error) {
	if err := errors.Join(h.m.alive(), dst.m.alive()); err != nil {
		return r, came, ErrNotExist
	}
	if err := dst.may(DeedInsert); err != nil {
		return r, came, err
	}
	c := &copying{src: h.m, dst: dst.m, own: h.own, apart: dst.apart}
	defer c.close()
	c.collect(uids, h.view.maxUID)
	if len(c.list) == 0 {
		return CopyResult{UIDValidity: dst.UIDValidity()}, came, nil
	}
	if !within {
		c.quota = dst.loc.quota.look(ctx)
	}
	if err = c.bring(ctx, dst); notLinkable(err) {
		c.noLinks = true // the file system refuses links: copy bytes
		err = c.bring(ctx, dst)
	}
	if err != nil {
		return r, came, err
	}
	r.UIDValidity = dst.UIDValidity()
	for i := range c.list {
		r.Source.AddNum(c.uids[i])
		r.Dest.AddNum(c.list[i].uid)
	}
	came = c.amount()
	c.quota.record(ctx, came)
	dst.over = c.over
	dst.markArrived(ctx, c.arrived())
	c.list = nil
	return r, came, nil
}

// bring makes the copies.
func (c *copying) bring(ctx context.Context, dst *Handle) error {
	if err := c.prepare(ctx); err != nil {
		return err
	}
	var err error
	if c.over, err = c.quota.admit(ctx, c.amount()); err != nil {
		return err
	}
	t, err := dst.m.begin(ctx, dst, true)
	if err != nil {
		return err
	}
	if !c.translated {
		err = c.translate(t, dst)
		c.translated = err == nil
	}
	if err == nil {
		err = t.admit(c.list)
	}
	t.end(err)
	return err
}

// copying is the work of one COPY.
type copying struct {
	src, dst *Mailbox
	own      *markView  // of the source; nil where the files' names tell of \Seen
	apart    bool       // they do not in the destination
	keys     [64]string // of the source
	uids     []imap.UID
	list     []newcomer
	tmp      *fsx.Dir
	// found is where the originals lie, once one of them was not in its place.
	found map[string]sighted

	noLinks, translated bool

	quota *quotaLook // of the destination
	over  *QuotaError
}

// amount is what the copies count for in a quota.
func (c *copying) amount() (sum amount) {
	for i := range c.list {
		n := &c.list[i]
		size := sizeField(n.base, ",S=")
		if size < 0 {
			size = n.fileSize
		}
		sum = sum.plus(amount{size, 1})
	}
	return sum
}

// collect notes what to copy, some messages at a time: the state lock is given back in
// between. It begins anew when the bits of keywords get another meaning meanwhile.
func (c *copying) collect(uids imap.UIDSet, most imap.UID) {
	todo := resolve(uids, most)
	for gen, left := -1, todo; len(left) > 0; {
		c.src.mu.RLock()
		s := &c.src.state
		if gen != s.keysGen {
			gen, left, c.keys = s.keysGen, todo, s.keys
			n := s.holds(todo)
			c.uids, c.list = make([]imap.UID, 0, n), make([]newcomer, 0, n)
		}
		left = c.gather(s, left)
		c.src.mu.RUnlock()
	}
}

// gather notes some messages and returns where there may be more. Their names are
// pieces of one string.
func (c *copying) gather(s *state, todo uidRanges) uidRanges {
	first := len(c.list)
	var names []byte
	todo = forSome(s, todo, storeSlice, func(e *entry) {
		c.uids = append(c.uids, e.uid)
		c.list = append(c.list, newcomer{tmp: c.src.sub(dirOf(e.bits)), flags: Flags{e.flags, e.keywords}, size: e.size, known: e.bits&verified != 0, date: e.date, by: c})
		names = s.appendFileName(names, e)
	})
	all := string(names)
	for i := range c.list[first:] {
		n, e := &c.list[first+i], s.find(c.uids[first+i])
		length := len(s.appendFileName(names[:0], e))
		n.old, n.base, all = all[:length], all[:e.nameLen], all[length:]
		if e.bits&oddInfo != 0 {
			_, _, n.rest = parseInfo(n.old[e.nameLen:])
		}
		if c.own != nil {
			n.flags.System = c.own.flags(e)
		}
	}
	return todo
}

// prepare decides for each message between a link and a copy of its bytes, and
// makes the latter, synced, in the destination's tmp/: before any lock.
func (c *copying) prepare(ctx context.Context) error {
	same := !c.noLinks && c.src.dir.Identity().Dev == c.dst.dir.Identity().Dev
	want := c.dst.curDir.Identity()
	for i := range c.list {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := &c.list[i]
		if n.tmp == c.tmp && c.tmp != nil {
			continue // copied already
		}
		var st fsx.Stat
		if err := n.reach(func() (err error) {
			st, err = n.tmp.StatName(n.old)
			return err
		}); err != nil {
			return err
		}
		n.fileSize, n.date = st.Size, st.Mtime/second
		// A link shares owner and mode with the original: it must have those
		// that a new file would get here (FORMATS §5.9, 8).
		n.link = same && st.IsRegular() && st.Uid == want.Uid && st.Gid == want.Gid && st.Mode&0o777 == want.Mode&0o666
		if n.link {
			continue
		}
		if err := c.bytes(n, st.Mtime); err != nil {
			return err
		}
	}
	return nil
}

// linkTo links the original into the destination, wherever it is by now.
func (n *newcomer) linkTo(cur *fsx.Dir) error {
	flags, rest := n.flags, n.rest // the copy has the flags of when it was asked for
	err := n.reach(func() error { return n.tmp.Link(n.old, cur, n.name) })
	n.flags, n.rest = flags, rest
	return err
}

// bytes copies a message into the destination's tmp/.
func (c *copying) bytes(n *newcomer, mtime int64) (err error) {
	if c.tmp == nil {
		if c.tmp, err = openSub(c.dst.dir, "tmp"); err != nil {
			return err
		}
	}
	var from *os.File
	if err := n.reach(func() (err error) {
		from, err = n.tmp.Open(n.old)
		return err
	}); err != nil {
		return err
	}
	defer from.Close()
	name := newBaseName(c.dst.store.now())
	to, err := c.tmp.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0)
	if err != nil {
		return err
	}
	_, err = io.CopyBuffer(writerOnly{c.tmp, to}, readerOnly{n.tmp, from}, make([]byte, 128<<10))
	if err == nil {
		err = c.tmp.Chtimes(name, time.Unix(0, mtime))
	}
	if err == nil {
		err = c.tmp.SyncFile(to)
	}
	if cerr := to.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		c.tmp.Remove(name)
		return err
	}
	n.tmp, n.old = c.tmp, name
	return nil
}

type writerOnly struct {
	d *fsx.Dir
	f *os.File
}

func (w writerOnly) Write(b []byte) (int, error) {
	if err := w.d.WriteAll(w.f, b); err != nil {
		return 0, err
	}
	return len(b), nil
}

type readerOnly struct {
	d *fsx.Dir
	f *os.File
}

func (r readerOnly) Read(b []byte) (int, error) { return r.d.Read(r.f, b) }

// translate turns the source's keyword bits into the destination's. A keyword
// for which there is no room is left behind; the message is not.
func (c *copying) translate(t *txn, dst *Handle) error {
	rights := dst.loc.rights
	var used uint64
	if allowed(rights, DeedFlag) {
		for i := range c.list {
			used |= c.list[i].flags.Keywords
		}
	}
	var to [64]uint64
	for bit := range c.keys {
		if used&(1<<bit) == 0 || c.keys[bit] == "" {
			continue
		}
		mask, err := t.keywordBits([]string{c.keys[bit]}, true)
		if err != nil && !errors.Is(err, ErrKeywordLimit) {
			return err
		}
		to[bit] = mask
	}
	for i := range c.list {
		n := &c.list[i]
		var now uint64
		for k := n.flags.Keywords; k != 0; k &= k - 1 {
			now |= to[bits.TrailingZeros64(k)]
		}
		n.flags.Keywords = now
		n.marked = c.apart && n.flags.System&Seen != 0
		n.flags = restrict(dst.sharedRights(), Flags{}, n.flags)
	}
	return nil
}

// arrived is the copies that are to be marked as seen.
func (c *copying) arrived() (r uidRanges) {
	for i := range c.list {
		if c.list[i].marked {
			r.add(c.list[i].uid)
		}
	}
	return r
}

// close removes what has not been moved into place.
func (c *copying) close() {
	c.quota.close()
	if c.tmp == nil {
		return
	}
	for i := range c.list {
		if n := &c.list[i]; n.tmp == c.tmp {
			c.tmp.Remove(n.old)
		}
	}
	c.tmp.Close()
}

// notLinkable tells that the file system refuses a link where a copy would do.
func notLinkable(err error) bool {
	return errors.Is(err, syscall.EXDEV) || errors.Is(err, syscall.EMLINK) || errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EOPNOTSUPP)
}
