package maildir

import (
	"bytes"
	"slices"

	"maildir-imapd/maildir/fsx"
)

// sighting is one message file seen in new/ or cur/; its name lies in
// sweep.names.
type sighting struct {
	off     uint32
	baseLen uint8
	infoLen uint8
	where   entryBits // inNew or 0
}

// nameArena is an arena of file names.
type nameArena struct{ bytes []byte }

func (n *nameArena) base(s sighting) []byte { return n.bytes[s.off : s.off+uint32(s.baseLen)] }

func (n *nameArena) info(s sighting) []byte {
	off := s.off + uint32(s.baseLen)
	return n.bytes[off : off+uint32(s.infoLen)]
}

func (n *nameArena) name(s sighting) string {
	return string(n.bytes[s.off : s.off+uint32(s.baseLen)+uint32(s.infoLen)])
}

// keep takes over a name from another arena.
func (n *nameArena) keep(from *nameArena, s sighting) sighting {
	off := uint32(len(n.bytes))
	n.bytes = append(n.bytes, from.bytes[s.off:s.off+uint32(s.baseLen)+uint32(s.infoLen)]...)
	s.off = off
	return s
}

// sweep reads directories, some names at a time: a mailbox has more than memory
// should hold twice.
type sweep struct {
	nameArena
	list  []sighting
	odd   []sighting // names that the uidlist could not hold
	other []string   // what is no file; of all that was read
}

// sweepBatch is how many bytes of names are taken in at a time.
const sweepBatch = 64 << 10

// read reads one directory and calls take whenever there are some names, until
// that returns false. The names are forgotten after each call. No lock but the
// disk's is held.
func (l *sweep) read(d *fsx.Dir, dir int, take func() bool) error {
	where := entryBits(0)
	if dir == dirNew {
		where = inNew
	}
	l.clear()
	on := true
	err := d.Each(func(name []byte, typ fsx.Type) bool {
		if len(name) == 0 || name[0] == '.' || len(name) > 255 {
			return true
		}
		if typ != fsx.IsFile && typ != fsx.Unknown {
			l.other = append(l.other, string(name))
			return true
		}
		if len(l.bytes)+len(name) > sweepBatch {
			if on = take(); !on {
				return false
			}
			l.clear()
		}
		s := sighting{off: uint32(len(l.bytes)), baseLen: uint8(len(name)), where: where}
		if i := bytes.IndexByte(name, ':'); i >= 0 {
			s.baseLen, s.infoLen = uint8(i), uint8(len(name)-i)
		}
		l.bytes = append(l.bytes, name...)
		if s.baseLen == 0 || bytes.ContainsAny(name, "\n\r") {
			l.odd = append(l.odd, s)
		} else {
			l.list = append(l.list, s)
		}
		return true
	})
	if err == nil && on && len(l.bytes) > 0 {
		take()
	}
	return err
}

func (l *sweep) clear() { l.bytes, l.list, l.odd = l.bytes[:0], l.list[:0], l.odd[:0] }

// arrivals adds messages of these names, for which one copy of all names serves.
func (n *nameArena) arrivals(fresh []arrival, list []sighting) []arrival {
	if len(list) == 0 {
		return fresh
	}
	names := string(n.bytes)
	if len(fresh)+len(list) > cap(fresh) {
		fresh = slices.Grow(fresh, max(len(fresh), len(list))) // the first look brings all there are, some at a time
	}
	for _, x := range list {
		base := x.off + uint32(x.baseLen)
		fresh = append(fresh, arrival{base: names[x.off:base], info: names[base : base+uint32(x.infoLen)], where: x.where})
	}
	return fresh
}

// matches tells whether memory has the message as it was seen.
func (s *state) matches(e *entry, where entryBits, info []byte) bool {
	if e.bits&inNew != where {
		return false
	}
	if e.bits&oddInfo != 0 {
		return bytes.Equal(s.list.odd(e), info)
	}
	var buf [64]byte
	return bytes.Equal(appendCanonical(buf[:0], e), info)
}
