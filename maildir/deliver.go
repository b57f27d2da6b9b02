package maildir

import (
	"bytes"
	"context"
	"os"
	"time"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir/fsx"
)

// Delivery is a message on its way into a mailbox: a file in tmp/ until Commit.
// No lock is held while it is written and synced.
type Delivery struct {
	h    *Handle
	tmp  *fsx.Dir
	f    *os.File
	name string
	buf  []byte
	cr   bool  // the last byte given was a CR
	size int64 // bytes written
	bare int64 // line ends among them: what CRLF adds
	err  error
}

const deliveryBuffer = 64 << 10

// Deliver begins a delivery; what cannot be within the quota is refused here. A mailbox stores LF line ends, as every other
// program that reads it expects; CRLF comes back on the way out.
func (h *Handle) Deliver(ctx context.Context, sizeHint int64) (*Delivery, error) {
	d, err := h.deliver(ctx, sizeHint)
	return d, opError("append", h.loc.name, err)
}

func (h *Handle) deliver(ctx context.Context, sizeHint int64) (*Delivery, error) {
	if err := h.m.alive(); err != nil {
		return nil, err
	}
	if err := h.may(DeedInsert); err != nil {
		return nil, err
	}
	quota := h.loc.quota.look(ctx)
	defer quota.close()
	if _, err := quota.admit(ctx, amount{sizeHint, 1}); err != nil {
		return nil, err
	}
	tmp, err := openSub(h.m.dir, "tmp")
	if err != nil {
		return nil, err
	}
	d := &Delivery{h: h, tmp: tmp, name: newBaseName(h.store.now())}
	if d.f, err = tmp.OpenFile(d.name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0); err != nil {
		tmp.Close()
		return nil, err
	}
	d.buf = make([]byte, 0, min(max(sizeHint, 512)+64, deliveryBuffer))
	return d, nil
}

// Write takes the next bytes of the message.
func (d *Delivery) Write(b []byte) (int, error) {
	if d.err != nil {
		return 0, d.err
	}
	for rest := b; len(rest) > 0 && d.err == nil; {
		i := bytes.IndexByte(rest, '\n')
		if i < 0 {
			d.put(rest, false)
			break
		}
		d.put(rest[:i], true)
		rest = rest[i+1:]
	}
	if d.err != nil {
		return 0, d.err
	}
	return len(b), nil
}

// put takes a piece of a line, and its LF if it ends here. A CR right before
// the LF is left out; one that came at the end of the piece before was held back.
func (d *Delivery) put(piece []byte, ends bool) {
	if d.cr && (len(piece) > 0 || !ends) {
		d.raw("\r")
		d.cr = false
	}
	d.cr = false
	if n := len(piece); n > 0 && piece[n-1] == '\r' {
		piece, d.cr = piece[:n-1], !ends
	}
	if len(d.buf)+len(piece) > cap(d.buf) {
		d.flush()
	}
	if len(piece) > cap(d.buf) {
		d.write(piece)
	} else {
		d.buf = append(d.buf, piece...)
	}
	if ends {
		d.bare++
		d.raw("\n")
	}
}

func (d *Delivery) raw(s string) {
	if len(d.buf)+len(s) > cap(d.buf) {
		d.flush()
	}
	d.buf = append(d.buf, s...)
}

func (d *Delivery) flush() {
	d.write(d.buf)
	d.buf = d.buf[:0]
}

func (d *Delivery) write(b []byte) {
	if d.err != nil || len(b) == 0 {
		return
	}
	if err := d.tmp.WriteAll(d.f, b); err != nil {
		d.err = opError("append", d.h.loc.name, err)
		return
	}
	d.size += int64(len(b))
}

// Abort removes what has been written. It does nothing after Commit.
func (d *Delivery) Abort() {
	if d.tmp == nil {
		return
	}
	if d.f != nil {
		d.f.Close()
	}
	d.tmp.Remove(d.name)
	d.tmp.Close()
	d.f, d.tmp = nil, nil
}

// finish makes the file complete and durable in tmp/.
func (d *Delivery) finish(date time.Time) error {
	if d.cr {
		d.raw("\r")
		d.cr = false
	}
	d.flush()
	if d.err != nil {
		return d.err
	}
	err := d.tmp.Chtimes(d.name, date)
	if err == nil {
		err = d.tmp.SyncFile(d.f)
	}
	if cerr := d.f.Close(); err == nil {
		err = cerr
	}
	d.f = nil
	return err
}

// Commit puts the message into the mailbox: synced, renamed into cur/ with its
// flags, its UID written down and synced. On an error nothing of it is left.
// internalDate zero means now.
func (d *Delivery) Commit(ctx context.Context, flags []imap.Flag, internalDate time.Time) (imap.UID, error) {
	if d.tmp == nil {
		return 0, opError("append", d.h.loc.name, os.ErrClosed)
	}
	defer d.Abort()
	// The message may have been long on its way, and the right to put it here may be gone.
	if _, err := d.h.Recheck(ctx); err != nil {
		return 0, err
	}
	if err := d.h.may(DeedInsert); err != nil {
		return 0, opError("append", d.h.loc.name, err)
	}
	if internalDate.IsZero() {
		internalDate = d.h.store.now()
	}
	if err := d.finish(internalDate); err != nil {
		return 0, opError("append", d.h.loc.name, err)
	}
	quota := d.h.loc.quota.look(ctx) // it may have been long ago that it was asked first
	defer quota.close()
	mail := amount{d.size, 1}
	over, err := quota.admit(ctx, mail)
	if err != nil {
		return 0, opError("append", d.h.loc.name, err)
	}
	t, err := d.h.m.begin(ctx, d.h, true)
	if err != nil {
		return 0, opError("append", d.h.loc.name, err)
	}
	set := parseFlags(flags).permitted(d.h.loc.rights)
	uid, err := t.deliver(d, set, internalDate)
	t.end(err)
	if err == nil {
		quota.record(ctx, mail)
		d.h.over = over
		if d.h.apart && set.system&Seen != 0 {
			d.h.markArrived(ctx, uidRanges{{uid, uid}})
		}
	}
	return uid, opError("append", d.h.loc.name, err)
}

func (t *txn) deliver(d *Delivery, set flagSet, date time.Time) (imap.UID, error) {
	n := newcomer{tmp: d.tmp, old: d.name, base: appendSizes(d.name, d.size, d.size+d.bare), date: date.Unix(), size: d.size + d.bare, known: true}
	n.flags.System = set.system
	var err error
	if n.flags.Keywords, err = t.keywordBits(set.keywords, true); err != nil {
		return 0, err
	}
	n.flags = restrict(d.h.sharedRights(), Flags{}, n.flags)
	list := []newcomer{n}
	if err := t.admit(list); err != nil {
		return 0, err
	}
	return list[0].uid, nil
}
