package imapd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/imapd/wire"
	"maildir-imapd/maildir"
)

// appendAction is APPEND (RFC 9051 §6.3.12), with literal8 where BINARY is in force (RFC 3516 §4.4).
type appendAction struct {
	mailbox string
	flags   []imap.Flag
	date    time.Time
	data    *appendData // nil: a plain literal
	literal wire.Literal
}

// appendData is a message in another form than a literal (RFC 4466 §2.4, append-data-ext): a name, and in
// parentheses a literal8.
type appendData struct {
	name  string
	check func(s *session) error // refuses it before the client sends the message
}

func parseAppend(d *wire.Decoder, s *session) (action[*session], error) {
	a := &appendAction{}
	d.SP()
	a.mailbox = d.Mailbox()
	d.SP()
	if d.Peek() == '(' {
		a.flags = d.FlagList()
		d.SP()
	}
	if d.Peek() == '"' {
		a.date = d.DateTime()
		d.SP()
	}
	if c := d.Peek(); c != '{' && c != '~' && d.Err() == nil {
		name := d.Keyword()
		if a.data = s.srv.index.appendData[name]; a.data == nil {
			d.Fail("expected a literal")
		}
		d.SP()
		d.Special('(')
	}
	a.literal = d.LiteralHeader()
	if a.data != nil && !a.literal.Binary {
		d.Fail("%s needs a literal8, ~{n}", a.data.name)
	}
	return a, nil
}

// end reads what follows the message.
func (a *appendAction) end(d *wire.Decoder) {
	if a.data != nil {
		d.Special(')')
	}
	d.CRLF()
}

func (a *appendAction) run(ctx context.Context, s *session, w *responder) error {
	delivery, h, err := a.begin(ctx, s)
	if err != nil {
		return a.refuse(s, err)
	}
	defer h.Close()
	if !a.literal.NonSync {
		if err := w.continuation("Ready for the message"); err != nil {
			delivery.Abort()
			return errBrokenAnswer
		}
	}
	if err := a.receive(s, delivery); err != nil {
		delivery.Abort()
		return err
	}
	uid, err := delivery.Commit(ctx, a.flags, a.date)
	if err != nil {
		return err
	}
	s.count.appended++
	s.srv.stats.appended.Add(1)
	warnOverQuota(w, h)
	if h.May(maildir.DeedOpen) == nil { // RFC 4315 §3: UIDs are for those who may read
		w.code = fmt.Sprintf("APPENDUID %d %d", h.UIDValidity(), uid)
	}
	return nil
}

// begin checks all that can be checked before the client sends the message.
func (a *appendAction) begin(ctx context.Context, s *session) (*maildir.Delivery, *maildir.Handle, error) {
	if err := checkFlags(a.flags); err != nil {
		return nil, nil, err
	}
	if a.data != nil {
		if err := a.data.check(s); err != nil {
			return nil, nil, err
		}
	}
	if limit := s.srv.opts().Limits.Append; limit > 0 && a.literal.Size > limit {
		return nil, nil, no(imap.ResponseCodeTooBig, "Message is larger than [limits] append_limit = %d", limit)
	}
	if a.literal.Size == 0 {
		return nil, nil, no("", "An empty message cannot be appended")
	}
	h, err := s.openTarget(ctx, a.mailbox)
	if err != nil {
		return nil, nil, err
	}
	delivery, err := h.Deliver(ctx, a.literal.Size)
	if err != nil {
		_ = h.Close()
		return nil, nil, err
	}
	return delivery, h, nil
}

// receive streams the literal into the mailbox's tmp. When the disk fails, the rest of the literal is
// still read, so that the next command is found.
func (a *appendAction) receive(s *session, delivery *maildir.Delivery) error {
	literal := a.literal
	literal.Binary = true // NUL too: mail that has one must be movable, and Dovecot takes it
	src := s.dec.LiteralReader(literal)
	sink := &literalSink{delivery: delivery, conn: s.c}
	buf := copyBuffers.Get().(*[]byte)
	_, err := io.CopyBuffer(onlyWriter{sink}, onlyReader{src}, *buf)
	copyBuffers.Put(buf)
	if err != nil {
		return fmt.Errorf("reading the message: %w", errors.Join(err, errBrokenAnswer))
	}
	a.end(s.dec)
	if err := s.dec.Err(); err != nil {
		return s.skipLine(err)
	}
	return sink.err
}

// literalSink takes every byte; the first failure to store one is kept for after the literal.
type literalSink struct {
	delivery *maildir.Delivery
	conn     *conn
	err      error
}

func (l *literalSink) Write(p []byte) (int, error) {
	l.conn.readUntil(time.Now().Add(commandTime)) // a slow line may take long, a dead one not
	if l.err == nil {
		_, l.err = l.delivery.Write(p)
	}
	return len(p), nil
}

// refuse answers an APPEND that cannot be: a literal that is on its way already is read and dropped.
func (a *appendAction) refuse(s *session, err error) error {
	if a.literal.NonSync {
		if e := s.dec.DiscardLiteral(a.literal); e != nil {
			return s.skipLine(e)
		}
		a.end(s.dec)
		if e := s.dec.Err(); e != nil {
			return s.skipLine(e)
		}
	}
	return err
}

// checkFlags refuses what no client can set: \Recent, and system flags that are not there.
func checkFlags(flags []imap.Flag) error {
	for _, f := range flags {
		if len(f) > 0 && f[0] == '\\' && maildir.SystemFlag(f) == 0 {
			return bad("Flag %s cannot be set", f)
		}
		if len(f) > maxKeyword {
			return no(imap.ResponseCodeLimit, "Keywords may be %d characters long", maxKeyword)
		}
	}
	return nil
}

// maxKeyword is Dovecot's limit: a longer one would be lost on the way back to it.
const maxKeyword = 50
