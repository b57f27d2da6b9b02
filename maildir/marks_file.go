package maildir

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir/fsx"
)

// catchUp makes memory agree with the file. Without the lock what is not a whole record is taken
// for not yet written, and damage for errUnsure. The caller holds writer.
func (k *Marks) catchUp(d *fsx.Dir, locked bool) error {
	id, err := idNow(d, marksName)
	if err != nil {
		return err
	}
	k.mu.RLock()
	known := k.id
	k.mu.RUnlock()
	if id == known {
		return nil
	}
	if id == (fileID{}) {
		k.replace(newMarkImage(), id, "", 0)
		return nil
	}
	f, st, err := d.OpenStat(marksName)
	if errors.Is(err, fs.ErrNotExist) {
		k.replace(newMarkImage(), fileID{}, "", 0)
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	src := marksAt{d, f}
	head := make([]byte, marksHead)
	n, err := src.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if name := string(head[:n]); name != k.name || k.end == 0 || st.Size < k.end {
		return k.readAll(src, idOf(st), name, locked)
	}
	r := markReader{src: src, off: k.end}
	err = r.records(func(b []byte) (int, error) {
		k.mu.Lock()
		defer k.mu.Unlock()
		return k.fold(b, func(box *markBox, r uidRanges) { box.tell(r, nil) }), nil
	})
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.end = r.off; err == nil {
		k.id = idOf(st)
	}
	return err
}

// readAll reads another file than the one that memory is of.
func (k *Marks) readAll(src marksAt, id fileID, name string, locked bool) error {
	img, end, good, err := readMarks(src)
	switch {
	case err != nil:
		return &fs.PathError{Op: "read", Path: src.f.Name(), Err: err}
	case !good && !locked:
		return errUnsure
	}
	k.replace(img, id, name, end)
	if !good {
		k.damaged()
	}
	if k.boot != k.store.boot {
		k.newBoot()
	}
	return nil
}

// replace takes another file for the one that memory is of: written anew by another process, put back
// from a backup, or deleted.
func (k *Marks) replace(img markImage, id fileID, name string, end int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	old := k.markImage
	k.markImage, k.id, k.name, k.end, k.anew, k.aside = img, id, name, end, false, false
	k.need = int64(k.size())
	if id == (fileID{}) {
		k.boot = k.store.boot
	}
	for was := range old.all() {
		now := k.same(was)
		if now == nil {
			if len(was.views) == 0 {
				continue
			}
			now = &markBox{markKey: was.markKey, place: was.place, shared: was.shared}
			k.put(now)
			if was.number == 0 { // it has not been there before either
				now.steps, now.runs, now.base, now.unsaid = was.steps, was.runs, was.base, true
			}
		}
		now.takeViews(was)
		now.wakeOthers()
		k.compare(was, now)
	}
}

// compare tells the sessions of a mailbox what is new in a file that was read as a whole.
func (k *Marks) compare(was, now *markBox) {
	last := was.steps.last()
	if now.steps.last().sum < last.sum {
		// Changes are missing that somebody has been told of.
		if now.number == 0 && was.number != 0 {
			k.top++
			now.number = k.top
			k.numbers[now.number] = now
		}
		now.steps = was.steps
		now.lose(k.store.now())
		k.anew = true
		return
	}
	var news uidRanges
	for _, r := range now.runs {
		if r.modseq > last.at+last.sum {
			news.addRange(r.lo, r.hi)
		}
	}
	if len(news) > 0 {
		now.tell(news, nil)
	}
}

// damaged has everybody told of everything: which marks stood behind the damage nobody knows.
func (k *Marks) damaged() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for box := range k.all() {
		box.lose(k.store.now())
	}
	k.anew, k.aside = true, true
}

// newBoot goes on with the clock: the end of what was written before the machine stopped may be missing,
// MODSEQs that clients know included.
func (k *Marks) newBoot() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.boot = k.store.boot
	for _, box := range k.numbers {
		if l := box.steps.last(); len(box.steps) > 0 {
			box.steps = box.steps.add(markStep{l.at, box.steps.beyond(k.store.now())})
		}
	}
	k.anew = true
}

// append writes records and takes them into memory. by is the session that made the change.
func (w *marking) append(rec []byte, by *Handle) error {
	k := w.k
	if w.lock != nil {
		if err := w.put(rec); err != nil {
			return err
		}
	} else if k.root != "" {
		k.anew = true // once it can be
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.fold(rec, func(box *markBox, r uidRanges) { box.tell(r, by) })
	return nil
}

func (w *marking) put(rec []byte) error {
	k := w.k
	if len(rec) == 0 && !k.anew {
		return nil
	}
	size := k.end + int64(len(rec))
	if k.anew || k.id == (fileID{}) || size > 2*k.need+16<<10 {
		return w.rewrite(rec)
	}
	if size > k.need+k.need/2+8<<10 { // it will be soon
		k.census.CompareAndSwap(censusNone, censusDue)
	}
	if k.id.size > k.end { // a torn record of a writer that died
		if err := w.cut(); err != nil {
			return err
		}
	}
	st, err := w.dir.Append(marksName, rec, k.store.o.Fsync == FsyncAlways)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.id = idOf(st)
	if err != nil {
		k.id = fileID{size: -1} // whatever has become of it is looked at
		return err
	}
	k.end = st.Size
	return nil
}

func (w *marking) cut() error {
	f, err := w.dir.OpenFile(marksName, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return w.dir.Truncate(f, w.k.end)
}

// rewrite replaces the file by what memory says, followed by new records. It is durable before it takes
// the old one's name: the marks in that are in no other file. A user's first ones are worth no more than
// those that come after them.
func (w *marking) rewrite(rec []byte) error {
	k := w.k
	if k.aside {
		aside, err := setAside(w.dir, marksName, k.store.now())
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		k.aside = false
		k.store.log.Error("damaged read marks put aside; written anew from what was good", "root", k.root, "aside", aside)
	}
	k.thin()
	k.forgetGone()
	k.mu.RLock()
	b := append(k.encode(), rec...)
	sync := len(k.numbers) > 0 || k.store.o.Fsync == FsyncAlways
	k.mu.RUnlock()
	if err := w.dir.WriteFile(marksName, b, 0, sync); err != nil {
		return err
	}
	id, err := idNow(w.dir, marksName)
	if err != nil {
		id = fileID{size: -1}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.id, k.name, k.end, k.need, k.anew = id, string(b[:marksHead]), int64(len(b)), int64(len(b)), false
	k.census.Store(censusNone)
	for _, box := range k.numbers {
		box.unsaid = box.base == baseUnknown
	}
	return nil
}

// thin makes less of marks that are many, and drops those of messages that are no more.
func (k *Marks) thin() {
	k.mu.RLock()
	boxes := slices.Collect(maps.Values(k.numbers))
	k.mu.RUnlock()
	for _, box := range boxes { // runs and steps change under writer only
		k.mu.RLock()
		var m *Mailbox
		if len(box.views) > 0 {
			m = box.views[0].h.m
		}
		k.mu.RUnlock()
		live := func(imap.UID, imap.UID) bool { return true }
		if m != nil {
			m.mu.RLock()
			s := &m.state
			live = func(lo, hi imap.UID) bool { return hi > s.top || s.between(lo, hi) > 0 }
		}
		runs := box.runs.join(runsMost, live)
		if m != nil {
			m.mu.RUnlock()
		}
		k.mu.Lock()
		k.held -= box.weight()
		box.runs, box.steps = runs, box.steps.thin()
		k.held += box.weight()
		box.counted.known = false
		k.mu.Unlock()
	}
}

// room tells whether there is, for marks of some more ranges, and makes it where it can. The caller holds writer.
func (k *Marks) room(parts uidRanges) bool {
	fits := func() bool {
		k.mu.RLock()
		defer k.mu.RUnlock()
		return k.held+48*len(parts)+16 <= marksMost
	}
	if fits() {
		return true
	}
	k.thin()
	k.anew = true
	return fits()
}
