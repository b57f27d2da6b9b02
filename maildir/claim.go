package maildir

import (
	"errors"
	"io/fs"

	"github.com/emersion/go-imap/v2"
)

// claim moves the messages in new/ to cur/, as SELECT does: they are recent in
// this session and in no later one. A file that another program has moved
// meanwhile is left to the next look.
func (t *txn) claim(h *Handle) error {
	m := t.m
	m.mu.RLock()
	type move struct {
		uid       imap.UID
		old, name string
	}
	var moves []move
	s := &m.state
	for _, r := range s.freshAt {
		for e := range s.list.between(r.lo, r.hi) {
			old := string(s.appendFileName(nil, e))
			name := old
			if s.info(e) == "" {
				name += infoVersion
			}
			moves = append(moves, move{e.uid, old, name})
		}
	}
	m.mu.RUnlock()
	defer t.expectBulk(len(moves))()
	var done []imap.UID
	var failed error
	for i := 0; i < len(moves); i++ {
		mv := &moves[i]
		t.touch(dirNew)
		t.touch(dirCur)
		switch err := m.newDir.RenameNew(mv.old, m.curDir, mv.name); {
		case err == nil:
			done = append(done, mv.uid)
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrExist):
			t.lookAgain()
		case cannotWrite(err):
			m.once("claim", "cannot move new mail to cur", "err", err)
			m.frozen.Store(true)
			failed, i = nil, len(moves)
		default:
			failed, i = err, len(moves)
		}
	}
	if len(done) > 0 {
		t.publish(func(s *state, log *changeLog) {
			for _, uid := range done {
				if e := s.find(uid); e != nil {
					info := s.info(e)
					if info == "" {
						info = infoVersion
					}
					s.setInfo(e, 0, info)
					h.view.recent.add(uid)
				}
			}
			t.recordFlags(s, done)
		})
	}
	return failed
}

// lookAgain makes the next refresh read the directories: something has changed
// under our hands.
func (t *txn) lookAgain() { t.again = true }
