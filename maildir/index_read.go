package maildir

import (
	"bytes"
	"errors"
	"hash/crc32"
	"io"
	"io/fs"
	"syscall"
)

const (
	indexPiece    = 1 << 20   // bytes read at a time
	longestRecord = 256 << 20 // of an index record; longer ones are none
	damageMost    = 4 << 20   // how far behind the last good record others are looked for
)

// catchUp reads what other processes have appended, or the whole file if it is
// another one. It needs no lock: records carry checksums, and what does not
// check is taken for not yet written.
func (x *indexFile) catchUp() error {
	id, err := idNow(x.m.own, indexName)
	if err != nil {
		return err
	}
	if id == (fileID{}) {
		x.close()
		x.broken = true
		x.note()
		return nil
	}
	if x.f == nil || id.ino != x.id.ino || id.size < x.end || x.end == 0 {
		return x.readAll()
	}
	if id.size > x.end {
		same, err := x.unchanged()
		if err != nil && !errors.Is(err, syscall.ESTALE) {
			return err
		}
		if !same { // or no more to be had by the descriptor
			return x.readAll()
		}
		a := applier{x: x, m: x.m, s: &x.m.state}
		// What could not be written before is still missing there, whatever others have added.
		ok, err := x.fold(&a, id.size)
		x.broken = x.broken || !ok
		if err != nil {
			return err
		}
	}
	x.id = id
	x.note()
	return nil
}

// unchanged tells whether what comes before the end is still what it was.
func (x *indexFile) unchanged() (bool, error) {
	b := make([]byte, len(x.last))
	n, err := x.m.own.ReadAt(x.f, b, x.end-int64(len(b)))
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return err == nil && bytes.Equal(b[:n], x.last), err
}

// readAll reads the file that has the name now. After an error what has been
// read of it is not believed to be all.
func (x *indexFile) readAll() error {
	f, st, err := x.m.own.OpenStat(indexName)
	if errors.Is(err, fs.ErrNotExist) {
		x.broken = true
		return nil
	}
	if err != nil {
		return err
	}
	x.close()
	x.f, x.id = f, idOf(st)
	a := applier{x: x, m: x.m, s: &x.m.state, whole: true}
	ok, err := x.fold(&a, st.Size)
	if err != nil {
		x.close()
		return err
	}
	x.broken = x.broken || !ok
	x.note()
	if x.end < x.id.size || x.cut {
		// Its end is missing: every command's records end with the disk's. MODSEQs
		// that were given may be missing too, and so may be what that command did to a
		// directory within the tick of the clock in which it was looked at.
		x.boot, x.broken = "", true
		x.m.mu.Lock()
		x.m.seen.dirs = [2]dirLook{}
		x.m.mu.Unlock()
		if !a.alien {
			x.damaged = x.recordsFollow()
		}
	}
	return nil
}

// fold takes the file from the end that is known up to size into memory, a piece
// at a time: mu is given back in between. ok as in apply.
func (x *indexFile) fold(a *applier, size int64) (ok bool, err error) {
	m := x.m
	off := x.end
	b := make([]byte, 0, min(size-off, indexPiece))
	ok = true
	for ok && err == nil && off < size {
		if len(b) == cap(b) { // one record is larger than what there is room for
			need := 8 + int64(le.Uint32(b))
			if need > size-x.end || need > longestRecord {
				break
			}
			b = append(make([]byte, 0, need), b...)
		}
		var n int
		n, err = x.m.own.ReadAt(x.f, b[len(b):min(int64(cap(b)), int64(len(b))+size-off)], off)
		ended := errors.Is(err, io.EOF)
		if ended {
			err = nil
		}
		b, off = b[:len(b)+n], off+int64(n)
		var used int
		m.mu.Lock()
		used, ok = a.eat(b)
		m.log.seal()
		m.mu.Unlock()
		x.passed(b[:used])
		b = b[:copy(b, b[used:])]
		if ended || a.stopped {
			break
		}
	}
	x.cut = a.last != 0 && a.last != recDisk
	m.mu.Lock()
	defer m.mu.Unlock()
	m.poke()
	if err != nil {
		a.finishList(false)
		return ok, err
	}
	if a.whole {
		a.finish()
		ok = ok && a.head
	}
	return ok, nil
}

// passed moves the end behind b.
func (x *indexFile) passed(b []byte) {
	x.end += int64(len(b))
	x.last = append(x.last, b[max(0, len(b)-lastBytes):]...)
	x.last = append(x.last[:0], x.last[max(0, len(x.last)-lastBytes):]...)
}

// recordsFollow tells damage from the torn end of a writer that died: behind the
// latter there are no records, and no file of ours begins otherwise than ours do.
func (x *indexFile) recordsFollow() bool {
	b := make([]byte, min(x.id.size-x.end, damageMost))
	n, err := x.m.own.ReadAt(x.f, b, x.end)
	if b = b[:n]; err != nil && !errors.Is(err, io.EOF) {
		return false
	}
	return recordsIn(b, x.end == 0)
}

// recordsIn looks at what follows the last good record, or at all of the file.
func recordsIn(b []byte, all bool) bool {
	if all {
		head := b[:min(len(b), len(indexMagic))]
		if len(bytes.Trim(head, "\x00")) > 0 && !bytes.HasPrefix([]byte(indexMagic), head) {
			return true
		}
	}
	for i := 1; len(b)-i >= 9; i++ {
		if r := b[i:]; bytes.IndexByte(recordKinds, r[8]) >= 0 && checks(r) > 0 {
			return true
		}
	}
	return false
}

// recordKinds is every kind that a file of ours may have.
var recordKinds = []byte{recHead, recMessage, recFlags, recFacts, recExpunge, recKeys, recDisk, recCount, recList}

// checks returns the length of the record that b begins with: 0, there is none
// whose checksum is right; -1, there is no saying before more is read.
func checks(b []byte) int {
	if len(b) < 9 {
		return -1
	}
	size := int64(le.Uint32(b))
	switch {
	case size < 1 || size > longestRecord:
		return 0
	case size > int64(len(b)-8):
		return -1
	case crc32.Checksum(b[8:8+size], castagnoli) != le.Uint32(b[4:]):
		return 0
	}
	return int(8 + size)
}
