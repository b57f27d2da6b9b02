package maildir

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"

	"maildir-imapd/maildir/fsx"
)

// indexFile is the index as far as it is in memory. It belongs to the holder of
// Mailbox.writer.
//
// The file that was read stays open: its inode number is given to no other file
// before it is closed, so the name having that number means that it is still this
// file. Programs that restore a backup may write over it all the same, which the
// bytes before the end tell.
type indexFile struct {
	m       *Mailbox
	f       *os.File // what has been read or written
	appends bool     // f is open for writing too
	id      fileID   // f's
	end     int64    // up to here it has been read or written
	last    []byte   // the bytes before end
	ceiling uint64   // no greater MODSEQ is given before a greater ceiling is written
	boot    string
	broken  bool // must be written anew
	named   bool // f's name is on the disk
	cut     bool // what was read last does not end as a command's records do
}

// lastBytes is a record of the disk, with which every command's records end: its
// checksum, MODSEQ and times are no other command's.
const lastBytes = 9 + diskSize

// close gives the descriptor back, and with it all that is known of the file.
func (x *indexFile) close() {
	if x.f != nil {
		x.f.Close()
	}
	x.f, x.appends, x.id, x.end, x.last, x.named = nil, false, fileID{}, 0, nil, false
}

// catchUp reads what other processes have appended, or the whole file if it is
// another one. It needs no lock: records carry checksums, and what does not
// check is taken for not yet written.
func (x *indexFile) catchUp() error {
	id, err := idNow(x.m.dir, indexName)
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
		b, same, err := x.more(id.size)
		if err != nil {
			return err
		}
		if !same {
			return x.readAll()
		}
		x.take(b, false)
	}
	x.id = id
	x.note()
	return nil
}

// more reads what follows the end; not the same: what comes before it is no longer
// what it was.
func (x *indexFile) more(size int64) (b []byte, same bool, err error) {
	start := x.end - int64(len(x.last))
	if size-start > indexLimit {
		return nil, false, nil
	}
	b = make([]byte, size-start)
	n, err := x.f.ReadAt(b, start)
	if n > 0 || errors.Is(err, io.EOF) {
		err = nil
	}
	if !bytes.HasPrefix(b[:n], x.last) {
		return nil, false, err
	}
	return b[len(x.last):n], true, err
}

// readAll reads the file that has the name now.
func (x *indexFile) readAll() error {
	f, st, err := x.m.dir.OpenStat(indexName)
	if errors.Is(err, fs.ErrNotExist) {
		x.broken = true
		return nil
	}
	if err != nil {
		return err
	}
	var b []byte
	if st.Size <= indexLimit {
		b = make([]byte, st.Size)
		n, err := f.ReadAt(b, 0)
		if n == 0 && err != nil && !errors.Is(err, io.EOF) {
			f.Close()
			return err
		}
		b = b[:n]
	}
	x.close()
	x.f, x.id = f, idOf(st)
	x.take(b, true)
	x.note()
	if x.end < x.id.size || x.cut {
		// Its end is missing: every command's records end with the disk's. MODSEQs
		// that were given may be missing too, and so may be what that command did to a
		// directory within the tick of the clock in which it was looked at.
		x.boot, x.broken = "", true
		x.m.mu.Lock()
		x.m.seen.dirs = [2]dirLook{}
		x.m.mu.Unlock()
	}
	return nil
}

// take folds what was read into memory.
func (x *indexFile) take(b []byte, whole bool) {
	m := x.m
	m.mu.Lock()
	n, ok := x.apply(b, whole)
	m.log.seal()
	m.wake(nil)
	m.mu.Unlock()
	x.passed(b[:n])
	// What could not be written before is still missing there, whatever others have added.
	x.broken = x.broken || !ok
}

// passed moves the end behind b.
func (x *indexFile) passed(b []byte) {
	x.end += int64(len(b))
	x.last = append(x.last, b[max(0, len(b)-lastBytes):]...)
	x.last = append(x.last[:0], x.last[max(0, len(x.last)-lastBytes):]...)
}

// note lets readers see at what state of the file memory is.
func (x *indexFile) note() {
	x.m.mu.Lock()
	x.m.seen.index = x.id
	x.m.mu.Unlock()
}

// failed has the file written anew after an error, and tells it once.
func (x *indexFile) failed(err error) error {
	if err == nil {
		return nil
	}
	x.broken = true
	if !errors.Is(err, fsx.ErrCrash) {
		x.m.once("index", "cannot write the index; MODSEQs, sizes and keywords past the 26th are kept in memory only", "err", err)
	}
	return err
}

// sync makes what has been written durable, and the file's name if need be.
func (x *indexFile) sync() error {
	err := x.m.dir.SyncData(x.f)
	if err == nil && !x.named {
		err = x.m.dir.Sync()
		x.named = err == nil
	}
	return err
}

// write appends records to the file; the dotlock is held and the file caught up with.
func (x *indexFile) write(b []byte) error {
	d := x.m.dir
	if !x.appends {
		f, st, err := x.openAppend()
		if err != nil {
			return err
		}
		if x.f == nil || st.Ino != x.id.ino {
			f.Close()
			return fs.ErrNotExist
		}
		x.f.Close()
		x.f, x.appends = f, true
	}
	if x.id.size > x.end { // a torn record of a writer that died
		if err := d.Truncate(x.f, x.end); err != nil {
			return err
		}
	}
	if err := d.WriteAll(x.f, b); err != nil {
		return err
	}
	x.passed(b)
	x.id.size = x.end
	x.note()
	return nil
}

// openAppend opens the file that has the name now, to be read and appended to.
func (x *indexFile) openAppend() (*os.File, fsx.Stat, error) {
	f, err := x.m.dir.OpenFile(indexName, os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		return nil, fsx.Stat{}, err
	}
	st, err := fsx.FileStat(f)
	if err != nil {
		f.Close()
		return nil, fsx.Stat{}, err
	}
	return f, st, nil
}

// rewrite replaces the file by what memory says. It is synced if it holds keywords
// past the letters: those of the file before may be durable, and it is no more.
func (x *indexFile) rewrite() error {
	s := &x.m.state
	x.m.mu.RLock()
	if s.modseq+ceilingAhead/2 > x.ceiling {
		x.ceiling = s.modseq + ceilingAhead
	}
	sync := strings.Join(s.keys[maxLetters:], "") != ""
	b := x.encode(s, &x.m.seen)
	x.m.mu.RUnlock()
	if err := x.m.dir.WriteFile(indexName, b, 0, sync); err != nil {
		return err
	}
	f, st, err := x.openAppend()
	if err != nil {
		return err
	}
	x.close()
	x.f, x.appends, x.id, x.named = f, true, idOf(st), sync
	x.passed(b)
	x.broken, x.boot = false, x.m.store.boot
	x.note()
	return nil
}

// bloated tells that most of the file is history.
func (x *indexFile) bloated(s *state) bool {
	live := int64(len(s.list))*(fixedMessage+2) + int64(len(s.names)-s.waste) + 8*int64(len(s.history))
	return x.end > 3*live+64<<10
}
