package imapd

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"maildir-imapd/imapd/wire"
)

// peer is what both sides of a login share: the connection, its codec and its log.
type peer struct {
	srv  *Server
	c    *conn
	info ConnInfo
	id   uint64
	log  *slog.Logger

	dec *wire.Decoder // nil while idle
	w   *responder    // nil while idle

	limits   wire.Limits
	utf8     bool // names and strings may be UTF-8 in both directions (RFC 6855, RFC 9755)
	bad      int  // commands answered BAD since the last OK
	badLimit int
	clientID map[string]string

	tag   string // of the command that runs
	begun bool   // a command is being read or run
	slow  slowness
	// then runs once the tagged line of the present command has been sent: layer switches, hang-ups.
	then func() error
	// paused is what a command that returned errPaused waits for.
	paused pause
}

// errPaused is what a command returns that may wait for hours in the middle: its frames are left meanwhile.
var errPaused = errors.New("paused")

// pause is such a wait, and the rest of the command.
type pause struct {
	wait   func(ctx context.Context) error
	finish func(err error) error                      // what the command does and returns then
	settle func(ctx context.Context, err error) error // what the loop does after that
}

// codecs pools decoder and encoder: an idle connection holds neither.
var codecs = sync.Pool{New: func() any { return &codec{wire.NewDecoder(wire.PreLogin), wire.NewEncoder()} }}

type codec struct {
	dec *wire.Decoder
	enc *wire.Encoder
}

// wake fetches the codec for a command that is arriving.
func (p *peer) wake() {
	if p.dec != nil {
		return
	}
	k := codecs.Get().(*codec)
	p.dec, p.w = k.dec, &responder{Encoder: k.enc, c: p.c}
	p.dec.SetLimits(p.limits)
	p.dec.SetUTF8(p.utf8)
	p.dec.SetContinue(func() error { return p.w.continuation("Ready for literal data") })
	p.w.SetUTF8(p.utf8)
	p.w.Reset(p.c.writer())
}

// speakUTF8 makes names and strings plain UTF-8 from the present command's answer on.
func (p *peer) speakUTF8() {
	p.utf8 = true
	p.dec.SetUTF8(true)
	p.w.SetUTF8(true)
}

// sleep gives the codec back.
func (p *peer) sleep() {
	if p.dec == nil {
		return
	}
	p.dec.SetContinue(nil)
	p.dec.Reset(nil)
	p.w.Reset(nil)
	codecs.Put(&codec{p.dec, p.w.Encoder})
	p.dec, p.w = nil, nil
}

// side is what the loop asks of *front and *session.
type side[S any] interface {
	base() *peer
	rows() map[string]*command[S]
	// deadline is when the wait for the next command ends.
	deadline() time.Time
	// screen looks at the first word of a line and may end the connection.
	screen(tag string) error
	// unknown is the answer to a command that has no row on this side of the login.
	unknown(name string) error
	// admit refuses a command in the wrong state.
	admit(ctx context.Context, row *command[S]) error
	// settle is called before the tagged line of a command that did not fail with BYE: it writes what the
	// client must learn of the mailbox.
	settle(ctx context.Context, row *command[S], w *responder) error
	// nudged is called when there may be something to say while no command runs.
	nudged() error
}

// errDone ends a loop in good order.
var errDone = errors.New("done")

// commandTime bounds how long a client may take over the rest of a command it has begun.
const commandTime = 5 * time.Minute

// loop reads, runs and answers commands until the connection ends; it returns why. It is the only writer
// of tagged lines.
func loop[S side[S]](ctx context.Context, s S) error {
	p := s.base()
	for {
		if !p.c.buffered() {
			err := p.rest(s.deadline())
			if err == nil {
				err = p.c.awaitInput()
			}
			if errors.Is(err, errNudged) {
				if err = s.nudged(); err == nil {
					continue
				}
			}
			if err != nil {
				return err
			}
		}
		err := step(ctx, s, p)
		if errors.Is(err, errPaused) {
			err = p.resume(ctx, p.paused.wait(ctx))
		}
		if err != nil {
			return err
		}
	}
}

// resume ends a command that was paused.
//
//go:noinline
func (p *peer) resume(ctx context.Context, err error) error {
	rest := p.paused
	p.paused = pause{}
	if err := rest.settle(ctx, rest.finish(err)); err != nil {
		return err
	}
	p.begun = false
	return p.afterCommand()
}

// rest gives everything back before a wait.
//
// In a server that shuts down nothing is sent before the last look for a command: the end of the last answer and BYE
// travel together, so that a client that waits for the one has no time to send its next command before the other.
// Commands that it had sent ahead are run all the same.
func (p *peer) rest(deadline time.Time) error {
	if p.c.leaving() {
		return p.c.beginWait(deadline)
	}
	if err := p.c.flush(); err != nil {
		return err
	}
	p.sleep()
	return p.c.rest(deadline)
}

// step reads, runs and answers a command. It is no part of loop's frame, which an idle connection keeps.
//
//go:noinline
func step[S side[S]](ctx context.Context, s S, p *peer) error {
	p.wake()
	p.c.readUntil(earlier(time.Now().Add(commandTime), s.deadline()))
	p.dec.Reset(p.c.reader())
	p.begun = true
	if err := one(ctx, s, p); err != nil {
		return err
	}
	p.begun = false
	return p.afterCommand()
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// afterCommand runs what waited for the tagged line, and notices a client that no longer reads.
func (p *peer) afterCommand() error {
	if err := p.w.Err(); err != nil {
		return err
	}
	if p.then == nil {
		return nil
	}
	then := p.then
	p.then = nil
	if err := p.w.send(); err != nil {
		return err
	}
	return then()
}

// part is what follows a last tagged line.
func (p *peer) part() error {
	p.c.hangUp()
	return errDone
}

// bye says why the server ends the connection.
func (p *peer) bye(text string) {
	p.wake()
	p.w.untaggedStatus("BYE", "", text)
	_ = p.w.send()
}

// one reads one command and answers it. A nil error means that the loop may go on.
func one[S side[S]](ctx context.Context, s S, p *peer) error {
	d := p.dec
	d.Begin()
	tag := d.Tag()
	if err := s.screen(tag); err != nil {
		return p.refuse(tag, mapError(err), nil)
	}
	d.SP()
	name := d.Command()
	if name == "UID" {
		d.SP()
		name = "UID " + d.Command()
	}
	if d.Err() != nil {
		return p.refuseSyntax(tag)
	}
	row := s.rows()[name]
	if row == nil {
		if err := d.DiscardLine(); err != nil {
			return p.refuse(tag, mapSyntax(err), err)
		}
		return p.refuse(tag, mapError(s.unknown(name)), nil)
	}
	act, err := row.parse(d, s)
	if d.Err() != nil {
		return p.refuseSyntax(tag)
	}
	p.srv.stats.commands[name].Add(1)
	if err == nil {
		err = s.admit(ctx, row)
		if err != nil && row.does&readsMore != 0 {
			if e := d.DiscardLine(); e != nil {
				return p.refuse(tag, mapSyntax(e), e)
			}
		}
	}
	p.tag, p.w.code, p.w.text = tag, "", ""
	start := time.Now()
	switch {
	case err != nil:
	case row.does&onlyAnswers != 0:
		err = p.runWatched(ctx, func(ctx context.Context) error { return act.run(ctx, s, p.w) })
	default:
		err = act.run(ctx, s, p.w)
	}
	if errors.Is(err, errPaused) {
		p.paused.settle = func(ctx context.Context, err error) error { return conclude(ctx, s, p, row, name, start, err) }
		return err
	}
	return conclude(ctx, s, p, row, name, start, err)
}

// conclude tells what the client must learn after a command, and answers it.
func conclude[S side[S]](ctx context.Context, s S, p *peer, row *command[S], name string, start time.Time, err error) error {
	if err != nil && (errors.Is(err, errDone) || errors.Is(err, errBrokenAnswer) || isNetwork(err)) {
		return err
	}
	if se := settleError(s.settle(ctx, row, p.w)); se != nil {
		return p.refuse(p.tag, se, nil)
	}
	if p.log.Enabled(ctx, slog.LevelDebug) { // the arguments alone would cost every command
		p.log.Debug("command", "cmd", name, "took", time.Since(start), "err", err)
	}
	return p.answer(p.tag, name, err)
}

// settleError lets only an end of the connection through: a look at the disk that failed is logged where
// it happened and does not change a command's answer.
func settleError(err error) *statusError {
	var se *statusError
	if errors.As(err, &se) && se.status == statusBYE {
		return se
	}
	return nil
}

// answer writes the tagged line.
func (p *peer) answer(tag, name string, err error) error {
	if err == nil {
		p.bad = 0
		text := p.w.text
		if text == "" {
			text = name + " completed"
		}
		p.w.Raw(tag).Raw(" OK")
		p.w.statusTail(p.w.code, text)
		return nil
	}
	se := mapError(err)
	if se.cause != nil {
		p.logRefusal(name, se)
	}
	return p.refuse(tag, se, nil)
}

// logRefusal tells the log what the client is not told.
func (p *peer) logRefusal(name string, se *statusError) {
	level := slog.LevelInfo
	if se.code == "SERVERBUG" || se.code == "CORRUPTION" || se.code == "UNAVAILABLE" {
		level = slog.LevelError
	}
	p.log.Log(context.Background(), level, "command refused", "cmd", name, "answer", se.text, "err", se.cause)
}

// refuseSyntax answers a command that did not parse, and brings the stream to the next one.
func (p *peer) refuseSyntax(tag string) error {
	err := p.dec.Err()
	se := mapSyntax(err)
	if se == nil || se.status == statusBYE {
		return p.refuse(tag, se, err)
	}
	if e := p.dec.DiscardLine(); e != nil {
		return p.refuse(tag, mapSyntax(e), e)
	}
	return p.refuse(tag, se, nil)
}

// skipLine is for actions that read on: it leaves the stream at the next command and returns what to answer
// for the decoder's error.
func (p *peer) skipLine(err error) error {
	se := mapSyntax(err)
	if se == nil {
		return err
	}
	if e := p.dec.DiscardLine(); e != nil {
		if se = mapSyntax(e); se == nil {
			return e
		}
	}
	return se
}

// refuse writes NO or BAD, or BYE and ends the loop; with no status it ends the loop with err.
func (p *peer) refuse(tag string, se *statusError, err error) error {
	if se == nil {
		return err
	}
	if se.status == statusBAD {
		if p.bad++; p.badLimit > 0 && p.bad >= p.badLimit {
			p.writeStatus(tag, se)
			se = bye("", "Too many invalid commands")
		}
	}
	if se.status == statusBYE {
		p.w.untaggedStatus("BYE", se.code, se.text)
		_ = p.w.send()
		p.log.Info("connection ended by the server", "why", se.text)
		return p.part()
	}
	p.writeStatus(tag, se)
	return nil
}

func (p *peer) writeStatus(tag string, se *statusError) {
	if tag == "" {
		tag = "*"
	}
	p.w.Raw(tag).SP().Raw(string(se.status))
	p.w.statusTail(se.code, se.text)
}

// isNetwork tells a lost connection from a failed command.
func isNetwork(err error) bool {
	var op *net.OpError
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, errDraining) || errors.Is(err, errHungUp) ||
		errors.Is(err, errNotRead) || errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &op)
}
