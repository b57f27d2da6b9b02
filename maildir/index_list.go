package maildir

import (
	"math"

	"github.com/emersion/go-imap/v2"
)

// Beyond messages the index tells two things that only spare work: how many
// messages and bytes of names follow, and what is known of dovecot-uidlist, so
// that nobody need parse that as long as it is the same file. Of the latter it
// has, at any place, all lines that have no message: a record that begins anew
// has them all, and from then on
//
//   - an expunge leaves its messages' lines behind (X),
//   - a message takes its line (M),
//   - every command after which the file is another one writes one more record,
//     with that file's identity and the lines found there beside.
//
// Where the identity of the last such record is not the one that the last D
// names, a program that does not know all this has written; the file is parsed.

func appendCount(b []byte, s *state) []byte {
	return appendRecord(b, recCount, func(b []byte) []byte {
		return le.AppendUint64(le.AppendUint64(b, uint64(s.list.len())), uint64(s.list.bytes))
	})
}

// count makes room for what is said to follow.
func (a *applier) count(b []byte) {
	if !a.whole || len(b) < 16 || a.s.list.len() > 0 {
		return
	}
	n, names := int64(le.Uint64(b)), int64(le.Uint64(b[8:]))
	if n < 0 || names < 0 || n > a.x.id.size/fixedMessage || names > a.x.id.size || names > math.MaxUint32 {
		return
	}
	a.s.list.expect(int(n), int(names))
}

const (
	fixedList = 24 + 1 + 4 + 2
	listAnew  = 1 // flag: what was told before is void
)

// appendList writes the lines without a message: all, or those that were found
// since the record before.
func (l *listFile) appendList(b []byte, id fileID) []byte {
	flags := byte(0)
	var news []string
	if l.told == (fileID{}) {
		flags = listAnew
		news = make([]string, 0, len(l.loose))
		for base := range l.loose {
			news = append(news, base)
		}
	} else {
		news = l.news
	}
	for first := true; first || len(news) > 0; first = false {
		b = appendRecord(b, recList, func(b []byte) []byte {
			b = le.AppendUint64(le.AppendUint64(le.AppendUint64(b, id.ino), uint64(id.size)), uint64(id.mtime))
			b = le.AppendUint32(append(b, flags), uint32(l.lines))
			b = append(le.AppendUint16(b, uint16(len(l.head))), l.head...)
			for start := len(b); len(news) > 0 && len(b)-start < indexBatch; news = news[1:] {
				// A longer name is no file's, and cannot come back.
				if uid, ok := l.loose[news[0]]; ok && len(news[0]) < 256 {
					b = append(le.AppendUint32(b, uint32(uid)), byte(len(news[0])))
					b = append(b, news[0]...)
				}
			}
			return b
		})
		flags = 0
	}
	return b
}

// tellable tells whether a record of the list may be written: memory knows it
// whole, and it is as it should be.
func (l *listFile) tellable(id fileID) bool {
	return l.parsed && !l.rewrite && id != (fileID{}) && len(l.head) < math.MaxUint16
}

// listed notes that the index has what is known now.
func (l *listFile) listed(id fileID) { l.told, l.news = id, nil }

// list takes over what is told of the uidlist, if nothing is known of it.
func (a *applier) list(b []byte) bool {
	if len(b) < fixedList {
		return false
	}
	id := fileID{le.Uint64(b), int64(le.Uint64(b[8:])), int64(le.Uint64(b[16:]))}
	flags, lines, head := b[24], le.Uint32(b[25:]), int(le.Uint16(b[29:]))
	if b = b[fixedList:]; len(b) < head {
		return false
	}
	l := &a.m.list
	take := a.whole && !l.parsed && (flags&listAnew != 0 || a.listing)
	if take && flags&listAnew != 0 {
		*l = listFile{loose: make(map[string]imap.UID)}
		a.listing = true
	}
	if take {
		l.head, l.lines, l.told = string(b[:head]), int(lines), id
	}
	for b = b[head:]; len(b) > 0; {
		if len(b) < 5 || len(b) < 5+int(b[4]) || b[4] == 0 {
			return false
		}
		if take {
			l.loose[string(b[5:5+int(b[4])])] = imap.UID(le.Uint32(b))
		}
		b = b[5+int(b[4]):]
	}
	return true
}

// finishList believes what was told of the uidlist if it is of the file that the
// last command left.
func (a *applier) finishList(whole bool) {
	if !a.listing {
		return
	}
	if l := &a.m.list; whole && a.last == recDisk && l.told == a.m.seen.list && l.told != (fileID{}) {
		l.parsed = true
	} else {
		*l = listFile{}
	}
}
