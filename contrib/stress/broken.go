package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"maildir-imapd/contrib/interop/peer"
)

// broken lets the system refuse what the daemon asks for, in the midst of work: descriptors, rights, the disk,
// changes of any kind. Each refusal must reach the client as a NO with a code, nothing that was answered OK may be
// lost, and when the system gives way everything goes on.
func broken(o *options) error {
	for _, part := range []struct {
		name string
		do   func(*options) error
	}{{"descriptors", descriptors}, {"rights", rights}, {"disk", disk}, {"readonly", readonly}} {
		if err := part.do(o); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return nil
}

// breaks opens a scenario whose daemon may complain in its log.
func (o *options) breaks(name string, uid int) (*fight, error) {
	f, err := o.open(filepath.Join("broken", name), uid, 1)
	if err == nil {
		f.bad = []string{"panic", "fatal error", "goroutine ", "put aside"}
	}
	return f, err
}

// settled compares everything after the trouble; anew: the daemon cannot get rid of it, a new process can; tidy: it
// could always remove what it had begun.
func (f *fight) settled(name string, anew, tidy bool) error {
	d := f.daemons[0]
	if anew {
		d.end(syscall.SIGTERM)
		d.wrap = nil
		if err := d.start(); err != nil {
			return err
		}
		f.drop() // the process has gone
	}
	acks := f.l.acks.Load()
	_, err := f.rest(nil, "")
	f.report("broken, "+name, "")
	if err == nil && acks < 20 {
		err = fmt.Errorf("no more than %d commands were answered OK", acks)
	}
	if tidy {
		err = errors.Join(err, leftovers(f.root))
	}
	return errors.Join(err, f.l.err())
}

// crowded is how many files the daemon may have open.
const crowded = 64

// descriptors: more sessions and mailboxes than the daemon may have files open.
func descriptors(o *options) error {
	f, err := o.breaks("descriptors", 0)
	if err != nil {
		return err
	}
	defer f.close()
	k, err := dial(f.daemons[0].Addr, "setup", f.l)
	if err != nil {
		return err
	}
	for i := range 30 {
		if a, err := k.do(fmt.Sprintf("CREATE X%d", i)); err != nil || !a.ok {
			return errors.Join(err, errors.New(a.text))
		}
	}
	k.logout()
	d := f.daemons[0]
	d.end(syscall.SIGTERM)
	d.wrap = []string{"sh", "-c", fmt.Sprintf(`ulimit -n %d; exec "$@"`, crowded), "sh"}
	if err := d.start(); err != nil {
		return err
	}
	busy := o.share(40, 3*time.Second)
	var wg sync.WaitGroup
	f.engage(&wg, 6, 5000, "e", busy)
	for i := range 40 {
		wg.Go(func() { f.visits(o.random(uint64(5100+i)), busy) })
	}
	wg.Wait()
	if err := f.refuses(d); err != nil {
		return err
	}
	return f.settled("descriptors", false, true)
}

// visits opens one mailbox after the other, and stays a while.
func (f *fight) visits(r *rand.Rand, busy func() bool) {
	for busy() {
		k, err := f.coded(r, "visitor")
		if err != nil {
			time.Sleep(10 * time.Millisecond)
			continue
		}
		for range 3 {
			if _, err = k.do(fmt.Sprintf("SELECT X%d", r.IntN(30))); err != nil {
				break
			}
			time.Sleep(time.Duration(r.IntN(60)) * time.Millisecond)
			if _, err = k.do(fmt.Sprintf("STATUS X%d (MESSAGES UNSEEN)", r.IntN(30))); err != nil {
				break
			}
		}
		k.rw.Close()
	}
}

// refuses holds more connections than the daemon can accept: it must not spin meanwhile, and serve again when
// they have gone.
func (f *fight) refuses(d *daemon) error {
	for _, a := range f.actors {
		if a.k != nil {
			a.k.logout()
			a.k = nil
		}
	}
	var held []net.Conn
	for range crowded + 20 {
		c, err := net.DialTimeout("tcp", d.Addr, 2*time.Second)
		if err != nil {
			break
		}
		held = append(held, c)
	}
	time.Sleep(300 * time.Millisecond)
	before := d.cpu()
	time.Sleep(time.Second)
	if used := d.cpu() - before; used > 300*time.Millisecond {
		f.l.fail("%s used %v of processor time in a second without a file to open, with nothing to do", d.name, used)
	}
	if n := d.descriptors(); n < crowded-8 {
		f.l.fail("%s has %d descriptors open of %d: it did not get to the limit", d.name, n, crowded)
	}
	for _, c := range held {
		c.Close()
	}
	began := time.Now()
	k, err := dial(d.Addr, "recovery", f.l)
	if err != nil {
		return fmt.Errorf("after the crowd had gone: %w", err)
	}
	k.logout()
	if took := time.Since(began); took > 5*time.Second {
		f.l.fail("%s served again %v after the crowd had gone", d.name, took)
	}
	return nil
}

// rights: somebody takes the daemon's rights to directories away and gives them back.
func rights(o *options) error {
	if os.Getuid() != 0 {
		return leftOut("broken, rights", "it needs root")
	}
	f, err := o.breaks("rights", peer.DovecotUID)
	if err != nil {
		return err
	}
	defer f.close()
	busy, r := o.share(40, 3*time.Second), o.random(5300)
	var wg sync.WaitGroup
	f.engage(&wg, 6, 5200, "r", busy)
	wg.Go(func() {
		for busy() {
			path := filepath.Join(dir(f.root, boxes[r.IntN(len(boxes))]), []string{"cur", "cur", "new", "tmp", "."}[r.IntN(5)])
			f.mode(path, []os.FileMode{0o500, 0o500, 0o100}[r.IntN(3)])
			time.Sleep(time.Duration(10+r.IntN(120)) * time.Millisecond)
			f.mode(path, 0o700)
			time.Sleep(time.Duration(10+r.IntN(60)) * time.Millisecond)
		}
	})
	wg.Wait()
	return f.settled("rights", false, false)
}

func (f *fight) mode(path string, mode os.FileMode) {
	f.l.trace.note("rights", fmt.Sprintf("%s %v", path, mode))
	if err := os.Chmod(path, mode); err != nil {
		f.l.fail("rights: %v", err)
	}
}

// injections fail system calls of the daemon now and then, each thread's count of its own. Not write(2): sockets
// and the Go runtime's own descriptors know no such errors.
var injections = []struct{ name, calls, how string }{
	{"EIO", "fsync,fdatasync,renameat,renameat2,linkat,unlinkat,ftruncate,pwrite64,mkdirat,getdents64", ":error=EIO:when=40+23"},
	{"EROFS", "renameat,renameat2,linkat,unlinkat,mkdirat", ":error=EROFS:when=30+5"},
}

// disk: changes and readings of the disk fail now and then.
func disk(o *options) error {
	if _, err := exec.LookPath("strace"); err != nil {
		return leftOut("broken, disk", "strace is not installed")
	}
	for i, in := range injections {
		if err := o.injects(in.name, in.calls, in.how, uint64(5400+100*i)); err != nil {
			return fmt.Errorf("%s: %w", in.name, err)
		}
	}
	return nil
}

func (o *options) injects(name, calls, how string, seed uint64) error {
	f, err := o.breaks(name, 0)
	if err != nil {
		return err
	}
	defer f.close()
	d := f.daemons[0]
	d.end(syscall.SIGTERM)
	// -D: the daemon is our child, strace its.
	d.wrap = []string{"strace", "-D", "-f", "-qqq", "-o", os.DevNull, "-e", "trace=" + calls, "-e", "inject=" + calls + how, "--"}
	if err := d.start(); err != nil {
		return fmt.Errorf("strace: %w", err)
	}
	busy := o.share(40, 3*time.Second)
	var wg sync.WaitGroup
	f.engage(&wg, 6, seed, "d", busy)
	g := &foreign{l: f.l, r: o.random(seed + 50), root: f.root, busy: busy}
	wg.Go(g.agent)
	wg.Wait()
	if !f.l.refusedAny() {
		f.l.fail("no command was refused: strace did not inject anything")
	}
	return f.settled(name, true, false)
}

func readonly(o *options) error {
	if err := os.MkdirAll(filepath.Join(o.dir, "broken"), 0o755); err != nil {
		return err
	}
	sub := *o
	sub.dir = filepath.Join(o.dir, "broken")
	return apart(&sub, "readonly")
}

// readonlyHere stops the daemon, mounts the mail read-only, has clients work with a new daemon nevertheless, and
// goes back. A file system cannot be remounted while files on it are open for writing, so not in the midst of work:
// that is what EROFS above is for.
func readonlyHere(o *options) error {
	if err := mounting(o); err != nil {
		return err
	}
	o.mount = "size=64m"
	f, err := o.breaks("mounted", 0)
	if err != nil {
		return err
	}
	defer f.close()
	var wg sync.WaitGroup
	for phase, flags := range []uintptr{0, syscall.MS_RDONLY, 0} {
		f.drop()
		f.daemons[0].end(syscall.SIGTERM)
		if err := syscall.Mount("", filepath.Dir(f.root), "", syscall.MS_REMOUNT|flags, o.mount); err != nil {
			return err
		}
		if err := f.daemons[0].start(); err != nil {
			return err
		}
		if flags != 0 {
			if err := f.readsOnly(); err != nil {
				return err
			}
		}
		f.actors = nil
		f.engage(&wg, 6, uint64(5500+10*phase), fmt.Sprintf("m%d-", phase), o.share(120, time.Second))
		wg.Wait()
	}
	return f.settled("readonly", false, true)
}

// drop ends the connections of all who acted.
func (f *fight) drop() {
	for _, a := range f.actors {
		if a.k != nil {
			a.k.rw.Close()
			a.k = nil
		}
	}
}

// readsOnly: what is there can be read, and nothing changed.
func (f *fight) readsOnly() error {
	d := f.daemons[0]
	if _, err := f.listings(d.Addr, "read-only"); err != nil {
		return err
	}
	k, err := dial(d.Addr, "read-only", f.l)
	if err != nil {
		return err
	}
	defer k.logout()
	k.coded = true
	for _, box := range []string{"INBOX", "B"} {
		if ok, err := k.selects("SELECT", box); err != nil || !ok {
			return fmt.Errorf("cannot select %s where nothing can be written: %w", box, err)
		}
	}
	for _, command := range []string{"APPEND A {3+}\r\nx\r\n", "CREATE no", `STORE 1 FLAGS (\Seen odd)`, "COPY 1 A"} {
		a, err := k.do(command)
		if err != nil {
			return err
		}
		if a.ok {
			f.l.fail("%s: %s, where nothing can be written", command, a.text)
		}
	}
	return nil
}
