package maildir

import (
	"context"
	"errors"
	"os"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir/fsx"
)

const (
	textWorth = 256 << 10       // bytes of dead records that are worth writing the file anew
	textAgain = 5 * time.Minute // after the file could not be written
)

// writeText appends records under the dotlock. have are the messages that have one
// as far as the writer knows; it is set to those that do when others have written.
func (m *Mailbox) writeText(ctx context.Context, records []byte, have *imap.UIDSet) error {
	t, err := m.begin(ctx, nil, false)
	if err != nil {
		return err
	}
	if t.lock == nil {
		err = os.ErrPermission
	} else {
		err = t.appendText(records, have)
	}
	if errors.Is(err, os.ErrPermission) {
		t.end(nil) // nothing was tried
		return err
	}
	t.end(err)
	return err
}

// appendText appends records to the file: made, or begun anew when it is not this
// mailbox's, and cut off where it is damaged. What another process of ours has
// added meanwhile is not added again, neither now nor later: from then on the file is
// known as it is, and only have tells what is in it.
func (t *txn) appendText(records []byte, have *imap.UIDSet) error {
	m := t.m
	x := &m.text
	x.mu.Lock()
	known := x.id
	x.mu.Unlock()
	now, err := idNow(m.own, textName)
	if err != nil {
		return err
	}
	if now == (fileID{}) || now != known {
		there, end, err := m.texted(t.ctx)
		if err != nil {
			return err
		}
		*have = there
		if end == 0 {
			head := textHeader(m.validity())
			if err := m.own.WriteFile(textName, append(head, records...), 0, false); err != nil {
				return err
			}
			return x.sound(m)
		}
		if end < now.size {
			if err := cutFile(m.own, textName, end); err != nil {
				return err
			}
		}
	}
	records = withoutRecords(records, *have)
	st, err := m.own.Append(textName, records, false)
	if err != nil {
		x.forget()
		return err
	}
	x.mu.Lock()
	x.id = idOf(st)
	x.mu.Unlock()
	return nil
}

// sound notes that the file's end is good.
func (x *textFile) sound(m *Mailbox) error {
	id, err := idNow(m.own, textName)
	x.mu.Lock()
	x.id = id
	x.mu.Unlock()
	return err
}

func (x *textFile) forget() {
	x.mu.Lock()
	x.id = fileID{}
	x.mu.Unlock()
}

func cutFile(d *fsx.Dir, name string, size int64) error {
	f, err := d.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return d.Truncate(f, size)
}

// withoutRecords leaves out those of the UIDs that are there.
func withoutRecords(records []byte, have imap.UIDSet) []byte {
	out := records[:0:0]
	for len(records) > 0 {
		size := int(le.Uint32(records)) + 8
		if !setHolds(have, imap.UID(le.Uint32(records[8:]))) {
			out = append(out, records[:size]...)
		}
		records = records[size:]
	}
	return out
}

func setHolds(set imap.UIDSet, uid imap.UID) bool {
	i, ok := slices.BinarySearchFunc(set, uid, func(r imap.UIDRange, uid imap.UID) int { return int(int64(r.Start) - int64(uid)) })
	return ok || i > 0 && set[i-1].Stop >= uid
}

// compactText writes the file anew with the records of messages that still exist,
// once.
func (m *Mailbox) compactText(ctx context.Context) error {
	t, err := m.begin(ctx, nil, false)
	if err != nil {
		return err
	}
	if t.lock != nil {
		err = t.compactText()
	}
	t.end(err)
	return err
}

func (t *txn) compactText() (err error) {
	m := t.m
	m.text.forget()
	tmp := textName + ".tmp"
	if err := m.own.Remove(tmp); err != nil && !isGone(err) {
		return err
	}
	f, err := m.own.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			m.own.Remove(tmp)
		}
	}()
	defer f.Close()
	b := textHeader(m.validity())
	var werr error
	var have textSet
	owner := textOwner{m: m}
	_, err = m.scanText(t.ctx, func(r textEntry) {
		if werr != nil || !owner.has(r) || setHolds(have.set(), r.uid) {
			return
		}
		have.add(r.uid)
		b = appendTextRecord(b, r.uid, r.name, func(dst []byte) []byte { return append(dst, r.filter...) })
		if len(b) >= textWindow {
			werr = m.own.WriteAll(f, b)
			b = b[:0]
		}
	})
	if err == nil {
		err = werr
	}
	if err == nil {
		err = m.own.WriteAll(f, b)
	}
	if err != nil {
		return err
	}
	return m.own.Rename(tmp, m.own, textName)
}

// texted are the messages that have a record, in a file that is sound up to end.
func (m *Mailbox) texted(ctx context.Context) (have imap.UIDSet, end int64, err error) {
	var set textSet
	owner := textOwner{m: m}
	end, err = m.scanText(ctx, func(r textEntry) {
		if owner.has(r) {
			set.add(r.uid)
		}
	})
	return set.set(), end, err
}
