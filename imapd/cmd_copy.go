package imapd

import (
	"context"
	"fmt"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/imapd/wire"
	"maildir-imapd/maildir"
)

// copyAction is COPY and MOVE, by number or UID (RFC 9051 §6.4.7, §6.4.8).
type copyAction struct {
	set     imap.NumSet
	mailbox string
	move    bool
}

func parseCopy(uid bool) func(*wire.Decoder, *session) (action[*session], error) {
	return parseCopyOrMove(uid, false)
}

func parseCopyOrMove(uid, move bool) func(*wire.Decoder, *session) (action[*session], error) {
	return func(d *wire.Decoder, _ *session) (action[*session], error) {
		a := &copyAction{move: move}
		d.SP()
		a.set = numSet(d, uid)
		d.SP()
		a.mailbox = d.Mailbox()
		d.CRLF()
		return a, nil
	}
}

func (a *copyAction) run(ctx context.Context, s *session, w *responder) error {
	if a.move {
		if err := s.writable(); err != nil {
			return err
		}
	}
	uids, err := s.uids(a.set)
	if err != nil {
		return err
	}
	dst, err := s.openTarget(ctx, a.mailbox)
	if err != nil {
		return err
	}
	defer dst.Close()
	if len(uids) == 0 {
		return nil
	}
	do := s.sel.Copy
	if a.move {
		do = s.sel.Move
	}
	result, err := do(ctx, uids, dst)
	if err != nil {
		return err
	}
	if len(result.Source) == 0 {
		return nil
	}
	warnOverQuota(w, dst)
	code := ""
	if dst.May(maildir.DeedOpen) == nil { // RFC 4315 §3, as of APPENDUID
		code = copyUID(result)
	}
	if !a.move {
		w.code = code
		return nil
	}
	// RFC 6851 §4.3: COPYUID in an untagged OK, before the EXPUNGEs that the loop sends.
	if code != "" {
		w.untaggedStatus("OK", code, "Moved")
	}
	return nil
}

func copyUID(r maildir.CopyResult) string {
	return fmt.Sprintf("COPYUID %d %s %s", r.UIDValidity, r.Source, r.Dest)
}
