package maildir

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"io/fs"
	"os"
	"strings"

	"maildir-imapd/maildir/fsx"
)

// indexName is the index file; doc.go tells its format.
const (
	indexName    = "maildir-imapd.index"
	indexMagic   = "MDIRIMX1"
	indexBatch   = 32 << 10 // bytes after which a batch of messages is closed
	indexLimit   = 4 << 30
	ceilingAhead = 1 << 16
	// A mailbox's MODSEQ begins at the clock, so that it does not go back even
	// when the index is deleted: nobody makes 64 changes a millisecond for long.
	clockShift = 6
)

// Kinds of index records.
const (
	recHead    = 'H' // validity, next, guid, MODSEQ, ceiling, boot
	recMessage = 'M'
	recFlags   = 'F'
	recFacts   = 'S'
	recExpunge = 'X'
	recKeys    = 'K'
	recDisk    = 'D'
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// bootID changes when the machine starts: what was not synced may be gone.
var bootID = func() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(b))
}()

// indexFile is the open index. It belongs to the holder of Mailbox.writer.
type indexFile struct {
	m       *Mailbox
	f       *os.File
	id      fileID
	end     int64  // up to here it has been read or written
	ceiling uint64 // no greater MODSEQ is given before a greater ceiling is written
	boot    string
	broken  bool // must be written anew
	cut     bool // what was read last does not end as a command's records do
}

// record writes one record around what f appends.
func appendRecord(b []byte, kind byte, f func([]byte) []byte) []byte {
	start := len(b)
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0, kind)
	b = f(b)
	body := b[start+8:]
	binary.LittleEndian.PutUint32(b[start:], uint32(len(body)))
	binary.LittleEndian.PutUint32(b[start+4:], crc32.Checksum(body, castagnoli))
	return b
}

var le = binary.LittleEndian

const fixedMessage = 56 // bytes of a message before its names

func appendMessage(b []byte, s *state, e *entry) []byte {
	info := ""
	if e.bits&oddInfo != 0 {
		info = s.odd[e.uid]
	}
	b = le.AppendUint32(b, uint32(e.uid))
	b = append(b, byte(e.flags), byte(e.bits), e.nameLen, byte(len(info)))
	b = le.AppendUint32(b, e.saved)
	b = le.AppendUint64(b, e.keywords)
	b = le.AppendUint64(b, e.modseq)
	b = le.AppendUint64(b, uint64(e.size))
	b = le.AppendUint64(b, uint64(e.date))
	b = le.AppendUint64(b, e.place().packed())
	b = le.AppendUint32(b, e.cacheLen)
	b = append(b, s.base(e)...)
	return append(b, info...)
}

const fixedFlags = 24

func appendFlags(b []byte, s *state, e *entry) []byte {
	info := ""
	if e.bits&oddInfo != 0 {
		info = s.odd[e.uid]
	}
	b = le.AppendUint32(b, uint32(e.uid))
	b = append(b, byte(e.flags), byte(e.bits), byte(len(info)), 0)
	b = le.AppendUint64(b, e.keywords)
	b = le.AppendUint64(b, e.modseq)
	return append(b, info...)
}

const fixedFacts = 36

func appendFacts(b []byte, e *entry) []byte {
	b = le.AppendUint32(b, uint32(e.uid))
	b = append(b, byte(e.bits), 0, 0, 0)
	b = le.AppendUint64(b, uint64(e.size))
	b = le.AppendUint64(b, uint64(e.date))
	b = le.AppendUint64(b, e.place().packed())
	return le.AppendUint32(b, e.cacheLen)
}

// appendBatch writes one kind of record about messages, in pieces.
func appendBatch(b []byte, kind byte, n int, f func(b []byte, i int) []byte) []byte {
	for i := 0; i < n; {
		b = appendRecord(b, kind, func(b []byte) []byte {
			for start := len(b); i < n && len(b)-start < indexBatch; i++ {
				b = f(b, i)
			}
			return b
		})
	}
	return b
}

func appendExpunge(b []byte, modseq uint64, ranges []gone) []byte {
	return appendRecord(b, recExpunge, func(b []byte) []byte {
		b = le.AppendUint64(b, modseq)
		for _, r := range ranges {
			b = le.AppendUint32(le.AppendUint32(b, uint32(r.lo)), uint32(r.hi))
		}
		return b
	})
}

func appendKeys(b []byte, s *state) []byte {
	return appendRecord(b, recKeys, func(b []byte) []byte {
		for i := maxLetters; i < len(s.keys); i++ {
			if k := s.keys[i]; k != "" && len(k) < 256 {
				b = append(append(b, byte(i), byte(len(k))), k...)
			}
		}
		return b
	})
}

func (x *indexFile) appendHead(b []byte, s *state) []byte {
	return appendRecord(b, recHead, func(b []byte) []byte {
		b = le.AppendUint32(b, s.validity)
		b = le.AppendUint32(b, uint32(s.next))
		b = le.AppendUint64(b, s.modseq)
		b = le.AppendUint64(b, x.ceiling)
		b = le.AppendUint64(b, s.historyOf)
		var guid [16]byte
		hex.Decode(guid[:], []byte(s.guid))
		b = append(b, guid[:]...)
		return append(b, bootID...)
	})
}

func appendDisk(b []byte, s *state, d *seen) []byte {
	return appendRecord(b, recDisk, func(b []byte) []byte {
		b = le.AppendUint32(b, uint32(s.next))
		b = le.AppendUint64(b, s.modseq)
		b = le.AppendUint32(b, uint32(s.top))
		for _, l := range d.dirs {
			own := byte(0)
			if l.own {
				own = 1
			}
			b = append(le.AppendUint64(le.AppendUint64(b, uint64(l.mtime)), uint64(l.at)), own)
		}
		for _, id := range [...]fileID{d.list, d.keys} {
			b = le.AppendUint64(le.AppendUint64(le.AppendUint64(b, id.ino), uint64(id.size)), uint64(id.mtime))
		}
		return b
	})
}

// encode is a whole index file.
func (x *indexFile) encode(s *state, d *seen) []byte {
	b := make([]byte, 0, len(indexMagic)+len(s.list)*fixedMessage+len(s.names)+512+len(s.list)/8)
	b = append(b, indexMagic...)
	b = x.appendHead(b, s)
	b = appendKeys(b, s)
	b = appendBatch(b, recMessage, len(s.list), func(b []byte, i int) []byte { return appendMessage(b, s, &s.list[i]) })
	for i := 0; i < len(s.history); {
		j := i
		for j < len(s.history) && s.history[j].modseq == s.history[i].modseq {
			j++
		}
		b = appendExpunge(b, s.history[i].modseq, s.history[i:j])
		i = j
	}
	return appendDisk(b, s, d)
}

// close gives the descriptor back.
func (x *indexFile) close() {
	if x.f != nil {
		x.f.Close()
		x.f = nil
	}
}

// catchUp reads what other processes have appended, or the whole file if it is
// another one. It needs no lock: records carry checksums, and what does not
// check is taken for not yet written.
func (x *indexFile) catchUp() error {
	id, err := idNow(x.m.dir, indexName)
	if err != nil {
		return err
	}
	if id.ino == x.id.ino && id.size == x.end && !x.broken {
		x.id = id
		x.note()
		return nil
	}
	if id == (fileID{}) {
		x.close()
		x.id, x.end, x.broken = fileID{}, 0, true
		x.note()
		return nil
	}
	start := x.end
	if id.ino != x.id.ino || id.size < x.end || x.end == 0 {
		start = 0
	}
	b, id, err := x.read(start)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			x.broken = true
			return nil
		}
		return err
	}
	m := x.m
	m.mu.Lock()
	n, ok := x.apply(b, start == 0)
	m.log.seal()
	m.wake(nil)
	m.mu.Unlock()
	if x.id.ino != id.ino {
		x.close()
	}
	// What could not be written before is still missing there, whatever others have added.
	x.id, x.end, x.broken = id, start+int64(n), x.broken || !ok
	x.note()
	if start == 0 && (x.end < id.size || x.cut) {
		// Its end is missing: every command's records end with the disk's. MODSEQs
		// that were given may be missing too.
		x.boot, x.broken = "", true
	}
	return nil
}

// note lets readers see at what state of the file memory is.
func (x *indexFile) note() {
	x.m.mu.Lock()
	x.m.seen.index = x.id
	x.m.mu.Unlock()
}

// read returns the file's bytes from start on.
func (x *indexFile) read(start int64) ([]byte, fileID, error) {
	f, st, err := x.m.dir.OpenStat(indexName)
	if err != nil {
		return nil, fileID{}, err
	}
	defer f.Close()
	if st.Size > indexLimit || st.Size < start {
		return nil, idOf(st), nil
	}
	b := make([]byte, st.Size-start)
	n, err := f.ReadAt(b, start)
	if n < len(b) && n > 0 {
		err = nil
	}
	if st.Size == start {
		err = nil
	}
	return b[:n], idOf(st), err
}

// append adds records to the file; the dotlock is held and the file caught up
// with. Failing is not an error of the command: the index is a second copy,
// and is written anew at the next opportunity.
func (x *indexFile) append(b []byte) {
	err := x.write(b)
	if err == nil {
		return
	}
	x.broken = true
	x.close()
	if !errors.Is(err, fsx.ErrCrash) {
		x.m.once("index", "cannot write the index; MODSEQs and sizes are kept in memory only", "err", err)
	}
}

func (x *indexFile) write(b []byte) (err error) {
	d := x.m.dir
	if x.f == nil {
		if x.f, err = d.OpenFile(indexName, os.O_RDWR|os.O_APPEND, 0); err != nil {
			return err
		}
		st, err := fsx.FileStat(x.f)
		if err != nil {
			return err
		}
		if st.Ino != x.id.ino {
			return fs.ErrNotExist
		}
	}
	if x.id.size > x.end { // a torn record of a writer that died
		if err := d.Truncate(x.f, x.end); err != nil {
			return err
		}
	}
	if err := d.WriteAll(x.f, b); err != nil {
		return err
	}
	x.end += int64(len(b))
	x.id.size = x.end
	x.note()
	return nil
}

// rewrite replaces the file by what memory says.
func (x *indexFile) rewrite() {
	s := &x.m.state
	x.m.mu.RLock()
	if s.modseq+ceilingAhead/2 > x.ceiling {
		x.ceiling = s.modseq + ceilingAhead
	}
	b := x.encode(s, &x.m.seen)
	x.m.mu.RUnlock()
	x.close()
	err := x.m.dir.WriteFile(indexName, b, 0, false)
	if err == nil {
		x.id, err = idNow(x.m.dir, indexName)
		x.end, x.broken, x.boot = int64(len(b)), false, bootID
		x.note()
	}
	if err != nil {
		x.broken = true
		if !errors.Is(err, fsx.ErrCrash) {
			x.m.once("index", "cannot write the index; MODSEQs and sizes are kept in memory only", "err", err)
		}
	}
}

// bloated tells that most of the file is history.
func (x *indexFile) bloated(s *state) bool {
	live := int64(len(s.list))*(fixedMessage+2) + int64(len(s.names)-s.waste) + 8*int64(len(s.history))
	return x.end > 3*live+64<<10
}
