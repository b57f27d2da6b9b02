package maildir

import (
	"encoding/hex"
	"path/filepath"
	"slices"
	"time"

	"maildir-imapd/maildir/fsx"
)

// # Whose marks
//
// Marks are of UIDs, so they belong to a life of a mailbox: its GUID and its UIDVALIDITY. That is enough where these are
// one mailbox's only. A copy that an administrator has made of a folder (cp -a, a snapshot that is mounted) has the
// same GUID, the same UIDVALIDITY and the same UIDs for, by and by, other messages; and whoever shares mail can write
// what he likes into the list of UIDs of his own folder. Each of such twins must have its own marks. What tells
// them apart is their place, the path of the directory; but a mailbox that is renamed, by us, by another program or by
// hand, takes its marks along, and so does one that was brought back from a backup or moved to another disk.
//
// So marks note the place where their mailbox was when they were last used, its path and the directory's inode, and
// who opens a mailbox of which no marks note just this place looks, then only, at the places that the marks of its GUID and
// UIDVALIDITY note:
//
//  1. Marks with our inode whose place has it no more: the mailbox was renamed, and these are its marks, with our
//     place from now on. Two twins that have changed their names are found like this, too.
//  2. A place that leads to our own directory, by a link or a mount: these are our marks.
//  3. Marks with our path: the directory was put there anew, from a backup. Ours, too.
//  4. Marks of whose mailbox there is nothing at their place, or another mailbox: we begin with a copy of them. They stay
//     for the one who may come back, whose disk is mounted late. (That its UIDs and a copy's are others by then
//     nobody can know.)
//  5. A twin is at each of the places, or one cannot tell: we begin with nothing read. A message that is shown
//     as unread twice does less harm than one that nobody is shown.
//
// Files from before there were places know none, and are read as in 4: each twin that shared the marks has all of them.
//
// Marks whose mailbox is gone stay in the file until it is sure. Before the file is written anew (countGone), the
// places of those that nobody has open are looked at, some hundreds at a time. Where the directory is missing, and what it lay in is
// there and not empty, as a place is where nothing is mounted; or where the list of UIDs is another life's: there
// the time is noted. When that is goneFor ago at another such look, they are dropped. Of the lives of
// one place that were over long ago or just now the latest livesMost are kept.

// goneFor is for how long a mailbox must be missing before its marks are dropped. It may be elsewhere, and its reader
// away.
const goneFor = 365 * 24 * time.Hour

// goneSurely is the time since when those are gone that the file need not have any more.
const goneSurely = 1

// livesMost is how many lives of one place that are over are remembered.
const livesMost = 16

// censusMost is how many places are looked at before the file is written anew; the others have their turn another time.
const censusMost = 512

const (
	censusNone = iota
	censusDue
	censusDone
)

// placeOf is where a handle's mailbox is.
func placeOf(h *Handle) markPlace {
	return markPlace{h.m.path(), h.m.dir.Identity().Ino}
}

// markSight is what was seen at the place that marks note.
type markSight struct {
	box   *markBox
	key   markKey
	place markPlace
	moved bool // the directory is not there
	here  bool // it is the one that was asked for
	gone  bool // the mailbox is not there
}

// family is the marks of a mailbox and its twins, to be looked at. mu is held.
func (k *Marks) family(key markKey) (list []markSight) {
	for b := range k.of(key) {
		list = append(list, markSight{box: b, key: key, place: b.place})
	}
	return list
}

// sights looks at places, under no lock. ours is the directory that was asked for.
func (k *Marks) sights(list []markSight, ours fsx.Stat) []markSight {
	for i := range list {
		s := &list[i]
		if s.place.dir == "" {
			s.moved, s.gone = true, true
			continue
		}
		st, err := k.store.fs.Stat(s.place.dir)
		switch {
		case isGone(err):
			s.moved, s.gone = true, true
			continue
		case err != nil:
			continue
		}
		s.moved, s.here = st.Ino != s.place.ino, st.SameFile(ours)
		if key, ok := k.livesAt(s.place.dir); ok && !s.here {
			s.gone = key != s.key
		}
	}
	return list
}

// livesAt tells which mailbox lies in a directory; not ok: its list of UIDs is not there, or does not say.
func (k *Marks) livesAt(dir string) (key markKey, ok bool) {
	d, err := k.store.fs.OpenDir(dir)
	if err != nil {
		return key, false
	}
	defer d.Close()
	f, err := d.OpenRead(uidlistFile)
	if err != nil {
		return key, false
	}
	defer f.Close()
	b := make([]byte, 4096)
	n, _ := f.Read(b)
	i := slices.Index(b[:n], '\n')
	var u uidlist
	if i < 0 || u.parseHeader(string(b[:i])) != nil || u.guid == "" {
		return key, false
	}
	hex.Decode(key.guid[:], []byte(u.guid))
	key.validity = u.validity
	return key, true
}

// claim finds or makes the marks of the mailbox at a place, as is told above. mu is held.
func (k *Marks) claim(key markKey, place markPlace, seen []markSight, now time.Time) *markBox {
	var put, left *markBox
	for b := range k.of(key) {
		i := slices.IndexFunc(seen, func(s markSight) bool { return s.box == b && s.place == b.place })
		if i < 0 {
			continue // it came meanwhile
		}
		switch s := &seen[i]; {
		case s.moved && b.place.ino == place.ino && b.place.dir != "":
			b.place, b.unsaid = place, true
			return b
		case s.here && b.place.dir != place.dir:
			return b
		case b.place.dir == place.dir:
			put = b
		case s.gone && (left == nil || left.steps.last().sum < b.steps.last().sum):
			left = b
		}
	}
	if put != nil {
		put.place, put.unsaid = place, true
		return put
	}
	b := &markBox{markKey: key, place: place, base: baseUnknown}
	if left != nil {
		b.base, b.steps, b.runs, b.shared = left.base, slices.Clone(left.steps), slices.Clone(left.runs), left.shared
	} else {
		b.steps = b.steps.restart(now)
	}
	k.put(b)
	return b
}

// countGone looks which of the mailboxes that nobody has open are gone, if the file is to be written anew soon.
func (k *Marks) countGone() {
	if !k.census.CompareAndSwap(censusDue, censusDone) {
		return
	}
	var list []markSight
	k.mu.RLock()
	for b := range k.all() {
		if len(b.views) == 0 && len(list) < censusMost {
			list = append(list, markSight{box: b, key: b.markKey, place: b.place})
		}
	}
	k.mu.RUnlock()
	for i := range k.sights(list, fsx.Stat{}) {
		if s := &list[i]; s.gone && !k.sure(s.place.dir) {
			s.gone = false
		}
	}
	now := uint32(k.store.now().Unix())
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range list {
		switch b := list[i].box; {
		case len(b.views) > 0 || b.place != list[i].place:
		case !list[i].gone:
			b.gone = 0
		case b.gone == 0:
			b.gone = now
		case time.Duration(now-b.gone)*time.Second > goneFor && now > b.gone:
			b.gone = goneSurely
		}
	}
}

// sure tells whether what a directory lay in is there: the next directory above it that exists has something in it.
func (k *Marks) sure(dir string) bool {
	for dir != "" && dir != "/" {
		d, err := k.store.fs.OpenDir(dir)
		if isGone(err) {
			dir = filepath.Dir(dir)
			continue
		}
		if err != nil {
			return false
		}
		defer d.Close()
		empty := true
		err = d.Each(func([]byte, fsx.Type) bool { empty = false; return false })
		return err == nil && !empty
	}
	return dir == ""
}

// forgetGone drops the marks of mailboxes of which countGone has said so. The caller holds writer.
func (k *Marks) forgetGone() {
	type life struct {
		guid [16]byte
		dir  string
	}
	over := make(map[life][]*markBox)
	k.mu.Lock()
	defer k.mu.Unlock()
	var dead []*markBox
	for b := range k.all() {
		if b.gone == 0 || len(b.views) > 0 {
			continue
		}
		if b.gone == goneSurely {
			dead = append(dead, b)
			continue
		}
		at := life{b.guid, b.place.dir}
		over[at] = append(over[at], b)
	}
	for _, list := range over {
		if len(list) > livesMost {
			slices.SortFunc(list, func(a, b *markBox) int { return int(a.number) - int(b.number) })
			dead = append(dead, list[:len(list)-livesMost]...)
		}
	}
	for _, b := range dead {
		k.drop(b)
	}
}
