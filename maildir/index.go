package maildir

import (
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"io"
	"os"
	"strings"
	"sync"
)

// indexName is the index file; doc.go tells its format.
const (
	indexName    = "maildir-imapd.index"
	indexMagic   = "MDIRIMX1"
	indexBatch   = 32 << 10 // bytes after which a batch of messages is closed
	indexLimit   = 4 << 30  // bytes of an index that Check reads
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
	recCount   = 'N'
	recList    = 'L'
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// thisBoot changes when the machine starts: what was not synced may be gone.
var thisBoot = sync.OnceValue(func() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(b))
})

// appendRecord writes one record around what f appends.
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
	var info []byte
	if e.bits&oddInfo != 0 {
		info = s.list.odd(e)
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
	var info []byte
	if e.bits&oddInfo != 0 {
		info = s.list.odd(e)
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

// appendHistory writes the whole history.
func appendHistory(b []byte, history []gone) []byte {
	for i := 0; i < len(history); {
		j := i
		for j < len(history) && history[j].modseq == history[i].modseq {
			j++
		}
		b = appendExpunge(b, history[i].modseq, history[i:j])
		i = j
	}
	return b
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
		return append(b, x.m.store.boot...)
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

// writeTo writes a whole index file, some messages at a time: mu is given back in
// between. The caller holds writer.
func (x *indexFile) writeTo(w io.Writer) error {
	m := x.m
	s, l := &m.state, &m.list
	var b []byte
	m.mu.RLock()
	b = append(b, indexMagic...)
	b = x.appendHead(b, s)
	b = appendKeys(b, s)
	b = appendCount(b, s)
	m.mu.RUnlock()
	for at, n := 0, s.list.len(); at < n; at += storeSlice {
		m.mu.RLock()
		b = appendBatch(b, recMessage, min(n-at, storeSlice), func(b []byte, i int) []byte { return appendMessage(b, s, s.list.at(at+i)) })
		m.mu.RUnlock()
		if _, err := w.Write(b); err != nil {
			return err
		}
		b = b[:0]
	}
	m.mu.RLock()
	b = appendHistory(b, s.history)
	if l.tellable(m.seen.list) {
		l.told = fileID{}
		b = l.appendList(b, m.seen.list)
	}
	b = appendDisk(b, s, &m.seen)
	m.mu.RUnlock()
	_, err := w.Write(b)
	return err
}
