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

// sweep is what a pass over the directories has seen.
type sweep struct {
	names []byte
	list  []sighting
	odd   []sighting // names that the uidlist could not hold
	other []string   // what is no file
}

func (l *sweep) base(s sighting) []byte { return l.names[s.off : s.off+uint32(s.baseLen)] }

func (l *sweep) info(s sighting) []byte {
	off := s.off + uint32(s.baseLen)
	return l.names[off : off+uint32(s.infoLen)]
}

func (l *sweep) name(s sighting) string {
	return string(l.names[s.off : s.off+uint32(s.baseLen)+uint32(s.infoLen)])
}

// arrivals turns sightings into arrivals. One copy of all names serves them:
// the first look at a mailbox brings every message.
func (l *sweep) arrivals(fresh []arrival, list []sighting) []arrival {
	if len(list) == 0 {
		return fresh
	}
	names := string(l.names)
	fresh = slices.Grow(fresh, len(list))
	for _, x := range list {
		base := x.off + uint32(x.baseLen)
		fresh = append(fresh, arrival{base: names[x.off:base], info: names[base : base+uint32(x.infoLen)], where: x.where})
	}
	return fresh
}

// read adds the names of one directory. No lock but the disk's is held.
func (l *sweep) read(d *fsx.Dir, where entryBits) error {
	return d.Each(func(name []byte, typ fsx.Type) bool {
		if len(name) == 0 || name[0] == '.' || len(name) > 255 {
			return true
		}
		if typ != fsx.IsFile && typ != fsx.Unknown {
			l.other = append(l.other, string(name))
			return true
		}
		s := sighting{off: uint32(len(l.names)), baseLen: uint8(len(name)), where: where}
		if i := bytes.IndexByte(name, ':'); i >= 0 {
			s.baseLen, s.infoLen = uint8(i), uint8(len(name)-i)
		}
		l.names = append(l.names, name...)
		if s.baseLen == 0 || bytes.ContainsAny(name, "\n\r") {
			l.odd = append(l.odd, s)
		} else {
			l.list = append(l.list, s)
		}
		return true
	})
}

// matches tells whether memory has the message as it was seen.
func (s *state) matches(e *entry, where entryBits, info []byte) bool {
	if e.bits&inNew != where {
		return false
	}
	if e.bits&oddInfo != 0 {
		return s.odd[e.uid] == string(info)
	}
	var buf [64]byte
	return bytes.Equal(appendCanonical(buf[:0], e), info)
}
