package maildir

import (
	"errors"
	"io"
	"io/fs"
	"os"

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
	damaged bool // and the file that is there put aside
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

// note lets readers see at what state of the file memory is.
func (x *indexFile) note() {
	x.m.mu.Lock()
	x.m.seen.index = x.id
	if !x.broken {
		x.m.state.written = x.m.state.modseq
	}
	x.m.mu.Unlock()
}

// failed has the file written anew after an error, and tells it once.
func (x *indexFile) failed(err error) error {
	if err == nil {
		return nil
	}
	x.broken = true
	if !errors.Is(err, fsx.ErrCrash) {
		x.m.store.indexErrors.Add(1)
		x.m.once("index", "cannot write the index; MODSEQs, sizes and keywords past the 26th are kept in memory only", "err", err)
	}
	return err
}

// sync makes what has been written durable, and the file's name if need be.
func (x *indexFile) sync() error {
	err := x.m.own.SyncData(x.f)
	if err == nil && !x.named {
		err = x.m.own.Sync()
		x.named = err == nil
	}
	return err
}

// write appends records to the file; the dotlock is held and the file caught up with.
func (x *indexFile) write(b []byte) error {
	d := x.m.own
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
	f, err := x.m.own.OpenFile(indexName, os.O_RDWR|os.O_APPEND, 0)
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
	x.m.mu.RUnlock()
	sync := x.m.lastingKeywords()
	if err := x.putAside(); err != nil {
		return err
	}
	var end indexEnd
	if err := x.m.own.Replace(indexName, 0, sync, func(w io.Writer) error {
		end.w = w
		return x.writeTo(&end)
	}); err != nil {
		return err
	}
	f, st, err := x.openAppend()
	if err != nil {
		return err
	}
	x.close()
	x.f, x.appends, x.id, x.named = f, true, idOf(st), sync
	x.end, x.last = end.size, end.last
	x.broken, x.boot = false, x.m.store.boot
	if x.m.list.tellable(x.m.seen.list) {
		x.m.list.listed(x.m.seen.list)
	}
	x.note()
	return nil
}

// indexEnd notes how long a file is that is being written, and its last bytes.
type indexEnd struct {
	w    io.Writer
	size int64
	last []byte
}

func (e *indexEnd) Write(b []byte) (int, error) {
	e.size += int64(len(b))
	e.last = append(e.last, b[max(0, len(b)-lastBytes):]...)
	e.last = append(e.last[:0], e.last[max(0, len(e.last)-lastBytes):]...)
	return e.w.Write(b)
}

// bloated tells that most of the file is history.
func (x *indexFile) bloated(s *state) bool {
	live := int64(s.list.len())*(fixedMessage+2) + int64(s.list.bytes) + 8*int64(len(s.history))
	return x.end > 3*live+64<<10
}

// putAside keeps a damaged file under another name: somebody may want to look at
// what memory could not take from it.
func (x *indexFile) putAside() error {
	if !x.damaged {
		return nil
	}
	aside, err := setAside(x.m.own, indexName, x.m.store.now())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	x.damaged = false
	x.m.store.log.Error("damaged index put aside; it is written anew without the expunge history, save dates and keywords past the 26th that stood behind the damage",
		"mailbox", x.m.own.Path(), "aside", aside, "bytes", x.id.size, "good", x.end)
	return nil
}
