package imapd

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// errHungUp is why a command was stopped whose client has gone.
var errHungUp = errors.New("the client hung up")

// patience is when a command counts as slow, and what happens then.
type patience struct {
	look      time.Duration // from a command's beginning until its client is watched
	lookEvery time.Duration
	tell      time.Duration // between two words of progress (RFC 9585 §4: 10 to 15 s)
}

var defaultPatience = patience{look: time.Second, lookEvery: 500 * time.Millisecond, tell: 10 * time.Second}

// slowness is what a peer knows of the command that runs.
type slowness struct {
	since, told time.Time
	// half is set by the watcher when the client has closed its sending side. Such a client may still read:
	// a word to it brings the answer that tells.
	half   atomic.Bool
	probed bool
	// past is what the command did before the step at hand, goal what it has to do in all its steps; 0: this is
	// the only one. several: how many steps there are is not known (mailboxes of an ESEARCH).
	past, goal uint32
	several    bool
}

// runWatched runs a command that is worth nothing to a client that has gone. A second goroutine looks at the
// socket, from a second on after the beginning, and ends the command's context; it is joined here. Quick
// commands have none.
func (p *peer) runWatched(ctx context.Context, run func(context.Context) error) error {
	raw := rawOf(p.c.nc)
	p.slow.since, p.slow.told, p.slow.probed = time.Now(), time.Time{}, false
	p.slow.past, p.slow.goal, p.slow.several = 0, 0, false
	p.slow.half.Store(false)
	if raw == nil {
		return run(ctx)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop, done := make(chan struct{}), make(chan struct{})
	timer := time.AfterFunc(p.srv.patience.look, func() {
		defer close(done)
		if watch(raw, &p.slow.half, p.srv.patience.lookEvery, stop) {
			cancel(errHungUp)
		}
	})
	err := func() error {
		defer func() { // also when run panics
			if !timer.Stop() {
				close(stop)
				<-done
			}
		}()
		return run(ctx)
	}()
	if errors.Is(context.Cause(ctx), errHungUp) {
		return errHungUp
	}
	return err
}

// watch looks at a socket until its client has gone (true) or stop is closed.
func watch(raw rawConn, half *atomic.Bool, every time.Duration, stop <-chan struct{}) bool {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		events, err := pollConn(raw)
		if err != nil || events&(unix.POLLHUP|unix.POLLERR) != 0 {
			return true
		}
		if events&unix.POLLRDHUP != 0 {
			half.Store(true)
		}
		select {
		case <-stop:
			return false
		case <-tick.C:
		}
	}
}

// pollConn asks the kernel for a socket's end, and takes no byte off it.
func pollConn(raw rawConn) (events int16, err error) {
	fds := []unix.PollFd{{Events: unix.POLLRDHUP}}
	cerr := raw.Control(func(fd uintptr) {
		fds[0].Fd = int32(fd)
		if _, err = unix.Poll(fds, 0); errors.Is(err, unix.EINTR) {
			err, fds[0].Revents = nil, 0
		}
	})
	return fds[0].Revents, errors.Join(cerr, err)
}

// rawConn is a socket's descriptor, for looking only.
type rawConn interface{ Control(func(fd uintptr)) error }

// rawOf is the socket under TLS and whatever else; nil when there is none.
func rawOf(c net.Conn) rawConn {
	for {
		switch under := c.(type) {
		case *net.TCPConn:
			if raw, err := under.SyscallConn(); err == nil {
				return raw
			}
			return nil
		case *net.UnixConn:
			if raw, err := under.SyscallConn(); err == nil {
				return raw
			}
			return nil
		case interface{ NetConn() net.Conn }: // *tls.Conn is one
			c = under.NetConn()
		default:
			return nil
		}
	}
}

// progress is for a slow command to call between two steps, however often: now and then it tells the client
// how far the command is. done and goal count whatever the command counts; a goal of 0 is not known.
func (p *peer) progress(done, goal uint32) error {
	if p.slow.since.IsZero() {
		return nil
	}
	probe := p.slow.half.Load() && !p.slow.probed
	now := time.Now()
	last := p.slow.told
	if last.IsZero() {
		last = p.slow.since
	}
	if !probe && now.Sub(last) < p.srv.patience.tell {
		return nil
	}
	p.slow.told, p.slow.probed = now, p.slow.probed || probe
	done += p.slow.past
	switch {
	case p.slow.several:
		goal = 0
	case p.slow.goal != 0:
		goal = p.slow.goal
	}
	if tell := p.srv.index.progress; tell != nil {
		tell(p.w, p.tag, done, goal)
	} else {
		p.w.untaggedStatus("OK", "", "Still at work")
	}
	return p.w.send()
}
