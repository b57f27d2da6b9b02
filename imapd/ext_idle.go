package imapd

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
)

// extIdle is RFC 2177.
var extIdle = extension{
	before:   []imap.Cap{imap.CapIdle},
	after:    []imap.Cap{imap.CapIdle},
	commands: []command[*session]{{name: "IDLE", in: anyState, does: readsMore, parse: noArgs(runIdle)}},
}

// keepalive is how often an idle client hears "* OK Still here", below the time-outs of home routers.
const keepalive = 4 * time.Minute

// runIdle pushes changes until the client says DONE. While it waits the session holds no buffer and no
// codec, and little stack, since the command is paused; a second goroutine waits for the client's next byte and is
// joined before the command goes on.
func runIdle(_ context.Context, s *session, w *responder) error {
	if err := w.continuation("idling"); err != nil {
		return err
	}
	input := make(chan error, 1)
	if s.c.buffered() {
		input <- nil
	} else {
		s.sleepForIdle()
		s.listen(input)
	}
	s.begun = false // what is waited for is a whole line again
	s.paused.wait = func(ctx context.Context) error { return s.idle(ctx, input) }
	s.paused.finish = s.endIdle
	return errPaused
}

// listen waits for input on another goroutine. There is no deadline: a client that takes our "Still here" is not idle,
// and one that does not take it runs into the write's.
func (s *session) listen(input chan<- error) {
	if err := s.c.beginWait(time.Time{}); err != nil {
		input <- err
		return
	}
	go func() { input <- s.c.awaitInput() }()
}

// endIdle is the client's DONE.
func (s *session) endIdle(err error) error {
	s.wake()
	s.dec.Reset(s.c.reader())
	if err != nil {
		return err
	}
	s.begun = true
	s.c.readUntil(time.Now().Add(commandTime))
	s.dec.Begin()
	word := s.dec.Atom()
	s.dec.CRLF()
	if err := s.dec.Err(); err != nil {
		return s.skipLine(err)
	}
	if !strings.EqualFold(word, "DONE") {
		return bad("Expected DONE")
	}
	return nil
}

// sleepForIdle gives back codec and buffers; input is not buffered.
func (s *session) sleepForIdle() {
	s.sleep()
	s.c.release()
}

// idle sends updates until input arrives or fails. It returns with the input goroutine ended.
func (s *session) idle(ctx context.Context, input chan error) error {
	var changed <-chan struct{}
	if s.sel != nil {
		changed = s.sel.Changed()
	}
	still := time.NewTicker(keepalive)
	defer still.Stop()
	err := s.idleUpdate(ctx, false)
	for err == nil {
		select {
		case err = <-input:
			if !errors.Is(err, errNudged) {
				return err
			}
			if err = s.nudged(); err != nil {
				return err // nobody waits for input now
			}
			s.sleepForIdle()
			s.listen(input)
		case <-changed:
			err = s.idleWoken(ctx)
		case <-still.C:
			err = s.idleUpdate(ctx, true)
		}
	}
	// The client is gone, or must go: end the wait for it.
	s.c.interrupt()
	if e := <-input; errors.Is(e, errDraining) {
		return e
	}
	return err
}

// idleWoken writes what changed, if anything did: most signals that come to a thousand sessions at once
// mean that another of them has looked already, and cost no buffer.
func (s *session) idleWoken(ctx context.Context) error {
	news, err := s.sel.Woken(ctx)
	if err == nil && !news {
		return nil
	}
	defer s.sleepForIdle()
	s.wake()
	return s.idleTell(ctx, err)
}

// idleTell writes what a look at the mailbox has brought. The rights are asked for after the look: what came when they
// had been taken away is not told.
func (s *session) idleTell(ctx context.Context, looked error) error {
	if err := s.lookedAt(s.w, looked); err != nil {
		return err
	}
	s.recheck(ctx, true)
	s.tell(s.w, true)
	return s.w.send()
}

// idleUpdate writes what changed, and gives the buffers back.
func (s *session) idleUpdate(ctx context.Context, still bool) error {
	defer s.sleepForIdle()
	s.wake()
	if still {
		s.w.untaggedStatus("OK", "", "Still here")
	}
	s.tellAlerts(s.w)
	if s.sel == nil {
		return s.w.send()
	}
	return s.idleTell(ctx, s.sel.Refresh(ctx))
}
