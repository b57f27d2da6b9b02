package main

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// The rows beside the table, as -rows finds them.
const (
	loginRow   = "logins a second"
	mixedRow   = "20 clients, mixed commands"
	latencyRow = "IDLE: delivery to EXISTS"
	memoryRow  = "KiB an idle connection"
)

// logins counts connect, LOGIN, LOGOUT, so many at once for so long.
func logins(w way, users []string, atOnce int, long time.Duration) (perSecond float64, err error) {
	end := time.Now().Add(long)
	return together(atOnce, func(i int, done *atomic.Int64) error {
		for n := i; time.Now().Before(end); n += atOnce {
			k, err := w.login(users[n%len(users)])
			if err != nil {
				return err
			}
			k.close()
			done.Add(1)
		}
		return nil
	})
}

// together lets so many clients work and returns how much they have done a second.
func together(clients int, work func(i int, done *atomic.Int64) error) (perSecond float64, err error) {
	var done atomic.Int64
	var wg sync.WaitGroup
	failed := make(chan error, clients)
	begin := time.Now()
	for i := range clients {
		wg.Go(func() {
			if err := work(i, &done); err != nil {
				failed <- err
			}
		})
	}
	wg.Wait()
	select {
	case err := <-failed:
		return 0, err
	default:
		return float64(done.Load()) / time.Since(begin).Seconds(), nil
	}
}

func (c *contender) countLogins() error {
	if *loginFor == 0 || !wanted(loginRow) {
		return nil
	}
	users := make([]string, 64)
	for i := range users {
		users[i] = fmt.Sprintf("u%d", i)
	}
	for _, l := range []struct {
		name   string
		w      way
		atOnce int
	}{
		{", one at a time", way{addr: c.srv.Addr}, 1},
		{", 8 at once", way{addr: c.srv.Addr}, 8},
		{", TLS, 8 at once", way{addr: c.srv.TLSAddr, tls: true}, 8},
	} {
		n, err := logins(l.w, users, l.atOnce, *loginFor)
		if err != nil {
			return fmt.Errorf("%s: logins%s: %w", c.label, l.name, err)
		}
		c.note(loginRow+l.name, "%.0f", n)
	}
	return nil
}

// mixedClients is how many clients work at once, each in a mailbox of its own.
const mixedClients = 20

// mixed counts commands of whole short visits.
func (c *contender) mixed() error {
	if *mixedFor == 0 || !wanted(mixedRow) {
		return nil
	}
	users := make([]string, mixedClients)
	for i := range users {
		users[i] = fmt.Sprintf("u%d", 100+i)
		if err := c.furnish(users[i]); err != nil {
			return err
		}
	}
	if err := c.settle(); err != nil {
		return err
	}
	before, err := cpu(c.srv.PID())
	if err != nil {
		return err
	}
	end := time.Now().Add(*mixedFor)
	perSecond, err := together(mixedClients, func(i int, done *atomic.Int64) error {
		for n := 0; time.Now().Before(end); n++ {
			if err := c.visit(users[i], n, done); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("%s: mixed commands: %w", c.label, err)
	}
	after, err := cpu(c.srv.PID())
	c.note(mixedRow+" a second", "%.0f", perSecond)
	c.note(mixedRow+", CPU ms each", "%.3f", (after-before).Seconds()*1000/perSecond/mixedFor.Seconds())
	return err
}

// mixedMessages are in each INBOX of the mixed load, or as many as there are.
const mixedMessages = 1000

// furnish gives a user an INBOX and a folder for copies, once.
func (c *contender) furnish(user string) error {
	if c.furnished[user] {
		return nil
	}
	if err := c.lib.cloneSome(c.srv.MailDir(user), c.srv.UID, mixedMessages); err != nil {
		return err
	}
	k, err := login(c.srv.Addr, user)
	if err != nil {
		return err
	}
	defer k.close()
	c.furnished[user] = true
	return k.do("CREATE Copies")
}

// visit is a client that comes, looks about, changes something and goes. What it appends it removes.
func (c *contender) visit(user string, n int, done *atomic.Int64) error {
	k, err := login(c.srv.Addr, user)
	if err != nil {
		return err
	}
	defer k.drop()
	done.Add(1)
	at := 1 + n*7%(min(c.lib.messages, mixedMessages)-1)
	for _, command := range []string{
		`LIST "" "*"`, "STATUS INBOX (MESSAGES UNSEEN UIDNEXT UIDVALIDITY)", "SELECT INBOX",
		fmt.Sprintf("FETCH %d (UID FLAGS ENVELOPE BODY.PEEK[])", at),
		fmt.Sprintf("STORE %d +FLAGS (\\Flagged)", at), fmt.Sprintf("STORE %d -FLAGS (\\Flagged)", at),
		fmt.Sprintf("APPEND INBOX {%d+}\r\n%s", len(appended), appended), "NOOP", "COPY * Copies",
		`STORE * +FLAGS.SILENT (\Deleted)`, "EXPUNGE", "LOGOUT",
	} {
		if err := k.do(command); err != nil {
			return err
		}
		done.Add(1)
	}
	return nil
}

// deliveries are so many samples from each watching session.
const deliveries = 10

// latency measures from the rename into new/ until each session in IDLE has read its EXISTS. The mailbox has
// a thousand messages: how a server finds what is new in a large one has rows of its own.
func (c *contender) latency() error {
	if *watchers == 0 || !wanted(latencyRow) {
		return nil
	}
	const user = "u200"
	if err := c.lib.cloneSome(c.srv.MailDir(user), c.srv.UID, mixedMessages); err != nil {
		return err
	}
	var ks []*client
	defer func() {
		for _, k := range ks {
			k.drop()
		}
	}()
	for range *watchers {
		k, err := login(c.srv.Addr, user)
		if err != nil {
			return err
		}
		k.shrink(4096)
		ks = append(ks, k)
		if err := k.do("SELECT INBOX"); err != nil {
			return err
		}
		if _, err := k.c.Write([]byte("idle IDLE\r\n")); err != nil {
			return err
		}
		if err := k.until("+ "); err != nil {
			return err
		}
	}
	var all []time.Duration
	for range deliveries {
		time.Sleep(2 * time.Second)
		took, err := c.tell(ks, user)
		if err != nil {
			return fmt.Errorf("IDLE: %w", err)
		}
		all = append(all, took...)
	}
	name := fmt.Sprintf("%s, %d sessions, ms: ", latencyRow, *watchers)
	c.note(name+"median", "%.1f", float64(quantile(all, 0.5))/1e6)
	c.note(name+"99 of 100", "%.1f", float64(quantile(all, 0.99))/1e6)
	return nil
}

// tell delivers one message and waits for all.
func (c *contender) tell(ks []*client, user string) ([]time.Duration, error) {
	took := make([]time.Duration, len(ks))
	errs := make(chan error, len(ks))
	var began atomic.Int64 // set before anybody can have read something
	var wg sync.WaitGroup
	base := time.Now()
	for i, k := range ks {
		wg.Go(func() {
			_ = k.c.SetReadDeadline(time.Now().Add(2 * time.Minute))
			var got []byte
			for {
				n, err := k.c.Read(k.buf)
				if err != nil {
					errs <- err
					return
				}
				if got = append(got, k.buf[:n]...); bytes.Contains(got, []byte(" EXISTS\r\n")) {
					took[i] = time.Since(base) - time.Duration(began.Load())
					return
				}
			}
		})
	}
	time.Sleep(100 * time.Millisecond) // all are reading
	began.Store(int64(time.Since(base)))
	err := c.deliver(c.srv.MailDir(user))
	wg.Wait()
	select {
	case late := <-errs:
		return nil, late
	default:
		return took, err
	}
}

// quantile of unsorted samples.
func quantile(v []time.Duration, q float64) time.Duration {
	v = slices.Sorted(slices.Values(v))
	return v[min(len(v)-1, int(q*float64(len(v))+0.5))]
}
