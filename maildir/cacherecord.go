package maildir

import (
	"hash/crc32"
	"math/bits"

	"github.com/emersion/go-imap/v2"
)

// Kind is what a section of a message's cache record holds.
type Kind uint8

// The numbers stand in files. What a layer above puts into KindBody, KindFields
// and KindPreview is its own; it should begin with a version.
const (
	KindEnvelope  Kind = iota // message.Envelope.AppendBinary
	KindStructure             // message.Message.AppendBinary
	KindBody                  // BODYSTRUCTURE as it is sent
	KindFields                // header fields that clients list mail by
	KindPreview               // the first words of the text
	kindCount
)

// kindSet is a set of kinds, one bit each.
type kindSet uint8

func setOf(k Kind) kindSet { return 1 << k }

func (s kindSet) has(k Kind) bool { return s&setOf(k) != 0 }

// count is the number of sections, before that of those that come before k's.
func (s kindSet) count() int            { return bits.OnesCount8(uint8(s)) }
func (s kindSet) before(k Kind) kindSet { return s & (setOf(k) - 1) }

// cachePlace is where a message's cache record lies, and what it has.
type cachePlace struct {
	off   int64
	size  uint32
	kinds kindSet
}

const (
	recordFixed   = 16 // length, checksum, UID, kinds, zero
	recordSection = 8  // length and checksum of a section
	recordMost    = 64 << 20
	placeBits     = 56 // of an offset in the index; the kinds lie above them
)

// packed is a place's offset and kinds in eight bytes.
func (p cachePlace) packed() uint64 {
	return uint64(p.off)&(1<<placeBits-1) | uint64(p.kinds)<<placeBits
}

func unpackPlace(v uint64, size uint32) cachePlace {
	p := cachePlace{off: int64(v & (1<<placeBits - 1)), size: size, kinds: kindSet(v >> placeBits)}
	if p.kinds == 0 || p.off < cacheHead || size < recordFixed {
		return cachePlace{}
	}
	return p
}

// sections are what a record is made of. Their bytes are not changed once they are in.
type sections struct {
	kinds kindSet
	b     [kindCount][]byte
}

func (s *sections) set(k Kind, b []byte) {
	s.kinds |= setOf(k)
	s.b[k] = b
}

// add takes over what o has.
func (s *sections) add(o *sections) {
	for k := range kindCount {
		if o.kinds.has(k) {
			s.set(k, o.b[k])
		}
	}
}

// bytes is roughly what they cost in memory.
func (s *sections) bytes() int {
	n := 256
	for _, b := range s.b {
		n += len(b)
	}
	return n
}

// appendCacheRecord appends the record of a message: the length of all that
// follows the checksum; the checksum of UID and table; UID; kinds, as a set; then
// for each kind, in order, length and checksum of its section; then the sections.
// Each has a checksum of its own, so that who reads one reads no other.
func appendCacheRecord(b []byte, uid imap.UID, s *sections) []byte {
	start := len(b)
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0)
	b = le.AppendUint32(b, uint32(uid))
	b = append(b, byte(s.kinds), 0, 0, 0)
	for k := range kindCount {
		if s.kinds.has(k) {
			b = le.AppendUint32(b, uint32(len(s.b[k])))
			b = le.AppendUint32(b, crc32.Checksum(s.b[k], castagnoli))
		}
	}
	le.PutUint32(b[start+4:], crc32.Checksum(b[start+8:], castagnoli))
	for k := range kindCount {
		if s.kinds.has(k) {
			b = append(b, s.b[k]...)
		}
	}
	le.PutUint32(b[start:], uint32(len(b)-start-8))
	return b
}

// cacheTable checks a record without its sections; false: it is none of this
// message.
func cacheTable(b []byte, uid imap.UID) (kinds kindSet, ok bool) {
	if len(b) < recordFixed || le.Uint32(b[8:]) != uint32(uid) || int64(le.Uint32(b))+8 != int64(len(b)) {
		return 0, false
	}
	kinds = kindSet(b[12])
	end := recordFixed + recordSection*kinds.count()
	if end > len(b) || crc32.Checksum(b[8:end], castagnoli) != le.Uint32(b[4:]) {
		return 0, false
	}
	return kinds, true
}

// cacheSection finds a section in a record; nil: it is not there, or not as it was
// written.
func cacheSection(b []byte, uid imap.UID, k Kind) []byte {
	kinds, ok := cacheTable(b, uid)
	if !ok || !kinds.has(k) {
		return nil
	}
	table := b[recordFixed:]
	at := recordFixed + recordSection*kinds.count()
	for range kinds.before(k).count() {
		at += int(le.Uint32(table))
		table = table[recordSection:]
		if at > len(b) {
			return nil
		}
	}
	n := int(le.Uint32(table))
	if n > len(b)-at {
		return nil
	}
	s := b[at : at+n : at+n]
	if crc32.Checksum(s, castagnoli) != le.Uint32(table[4:]) {
		return nil
	}
	return s
}
