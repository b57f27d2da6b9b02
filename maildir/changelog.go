package maildir

import (
	"slices"

	"github.com/emersion/go-imap/v2"
)

// change is one line of the change log: UIDs that were expunged, or whose flags
// changed. Arrivals need no line: they are what lies above a session's highest
// UID. A range of flag changes may span UIDs that do not exist.
type change struct {
	lo, hi   imap.UID
	by       *Handle // whose session did it; nil: another process
	expunged bool
}

// changeLog is the one log of an open mailbox, guarded by Mailbox.state. Every
// handle has a cursor (view.at); what all have passed is dropped, and when
// the log gets long those behind fold their lag into ranges of their own.
type changeLog struct {
	first   uint64 // position of lines[0]
	lines   []change
	sealed  int // lines[:sealed] may have been passed by a cursor
	handles []*Handle
}

const maxLog = 1024

func (l *changeLog) end() uint64 { return l.first + uint64(len(l.lines)) }

// flags notes a flag change; adjacent tells that no message lies between this
// one and the one noted before.
func (l *changeLog) flags(uid imap.UID, by *Handle, adjacent bool) {
	if len(l.handles) == 0 {
		return
	}
	if n := len(l.lines); adjacent && n > l.sealed {
		if last := &l.lines[n-1]; !last.expunged && last.by == by && last.hi < uid && last.hi != 0 {
			last.hi = uid
			return
		}
	}
	l.lines = append(l.lines, change{uid, uid, by, false})
}

func (l *changeLog) expunged(uid imap.UID) {
	if len(l.handles) == 0 {
		return
	}
	if n := len(l.lines); n > l.sealed {
		if last := &l.lines[n-1]; last.expunged && last.hi+1 == uid {
			last.hi = uid
			return
		}
	}
	l.lines = append(l.lines, change{uid, uid, nil, true})
}

// seal keeps later changes from being joined to lines that a cursor may have
// passed, and bounds the log. It ends every publication.
func (l *changeLog) seal() {
	if len(l.lines) > maxLog {
		for _, h := range l.handles {
			h.view.pull(l, h)
		}
		l.first, l.lines = l.end(), l.lines[:0]
	}
	l.sealed = len(l.lines)
}

func (l *changeLog) attach(h *Handle) {
	h.view.at = l.end()
	l.handles = append(l.handles, h)
}

func (l *changeLog) detach(h *Handle) {
	if i := slices.Index(l.handles, h); i >= 0 {
		last := len(l.handles) - 1
		l.handles[i] = l.handles[last]
		l.handles[last] = nil
		l.handles = l.handles[:last]
	}
	if len(l.handles) == 0 {
		l.first, l.lines, l.sealed = l.end(), nil, 0
	}
}
