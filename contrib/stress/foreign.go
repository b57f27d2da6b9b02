package main

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/emersion/go-maildir"
	"golang.org/x/sys/unix"
)

// foreign are the programs that know nothing of us and take no lock.
type foreign struct {
	l    *ledger
	r    *rand.Rand
	root string // the Maildir
	uid  int    // who owns the mail; 0: we
	busy func() bool
	n    int
}

// dir is a mailbox's directory in the layout maildir++.
func dir(root, box string) string {
	if box == "INBOX" {
		return root
	}
	return filepath.Join(root, "."+strings.ReplaceAll(box, "/", "."))
}

// pause is some milliseconds; ok is false when it is time to end.
func (f *foreign) pause(most int) (ok bool) {
	time.Sleep(time.Duration(1+f.r.IntN(most)) * time.Millisecond)
	return f.busy()
}

// agent delivers as an MDA does, with a library that is not ours.
func (f *foreign) agent() {
	defer f.account()()
	for f.pause(60) {
		f.n++
		box := boxes[f.r.IntN(2)]
		id := fmt.Sprintf("mda-%d", f.n)
		f.l.born(f.l.validityOf(box), id)
		d, err := maildir.NewDelivery(dir(f.root, box))
		if err != nil {
			f.l.fail("delivery agent: %v", err)
			return
		}
		_, err = d.Write([]byte(f.letter(id)))
		if cerr := d.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			f.l.fail("delivery agent: %v", err)
			return
		}
		f.posted(box, id)
	}
}

// script delivers as people do who have read what a Maildir is: a shell, cat and mv.
func (f *foreign) script() {
	for f.pause(250) {
		f.n++
		box := boxes[f.r.IntN(2)]
		id := fmt.Sprintf("shell-%d", f.n)
		f.l.born(f.l.validityOf(box), id)
		cmd := exec.Command("sh", "-c", `umask 077; name="$(date +%s).P$$Q$1.$(uname -n)" && cat >"tmp/$name" && mv "tmp/$name" "new/$name"`, "sh", fmt.Sprint(f.n))
		cmd.Dir, cmd.Stdin = dir(f.root, box), strings.NewReader(f.letter(id))
		cmd.SysProcAttr = as(f.uid)
		if out, err := cmd.CombinedOutput(); err != nil {
			f.l.fail("delivering script: %v: %s", err, out)
			return
		}
		f.posted(box, id)
	}
}

// letter is a message with the line ends that programs on this side of the network use.
func (f *foreign) letter(id string) string {
	return strings.ReplaceAll(f.l.letter(id, f.r), "\r\n", "\n")
}

// account has this goroutine alone make its files as the owner of the mail, until done. Its thread lives on: a
// process that the thread may have started dies with it (as).
func (f *foreign) account() (done func()) {
	if f.uid == 0 {
		return func() {}
	}
	runtime.LockOSThread()
	be := func(uid int) {
		_, gerr := unix.SetfsgidRetGid(uid)
		_, uerr := unix.SetfsuidRetUid(uid)
		if err := errors.Join(gerr, uerr); err != nil {
			f.l.fail("the mail's owner: %v", err)
		}
	}
	be(f.uid)
	return func() {
		be(0)
		runtime.UnlockOSThread()
	}
}

func (f *foreign) posted(box, id string) {
	f.l.foreign.Add(1)
	f.l.trace.note("foreign", "delivered "+id+" to "+box)
	v := f.l.validityOf(box)
	f.l.mu.Lock()
	f.l.posted[id] = v
	f.l.mu.Unlock()
}

// synchroniser puts files right into cur/, as mbsync does, its own field in the name.
func (f *foreign) synchroniser() {
	for f.pause(150) {
		f.n++
		box := boxes[f.r.IntN(2)]
		d := dir(f.root, box)
		id := fmt.Sprintf("sync-%d", f.n)
		f.l.born(f.l.validityOf(box), id)
		base := fmt.Sprintf("%d.%d_%d.host,U=%d:2,", time.Now().Unix(), os.Getpid(), f.n, f.n)
		tmp := filepath.Join(d, "tmp", base)
		if err := os.WriteFile(tmp, []byte(f.letter(id)), 0o600); err != nil {
			f.l.fail("synchroniser: %v", err)
			return
		}
		if err := os.Rename(tmp, filepath.Join(d, "cur", base+[]string{"", "S", "FS"}[f.r.IntN(3)])); err != nil {
			f.l.fail("synchroniser: %v", err)
			return
		}
		f.posted(box, id)
	}
}

// reader moves new mail to cur/ and changes flags there by renaming, as mutt does.
func (f *foreign) reader() {
	for f.pause(20) {
		d := dir(f.root, boxes[f.r.IntN(2)])
		fresh, err := os.ReadDir(filepath.Join(d, "new"))
		if err == nil && f.r.IntN(3) == 0 {
			for _, e := range fresh {
				_ = os.Rename(filepath.Join(d, "new", e.Name()), filepath.Join(d, "cur", e.Name()+":2,"))
			}
		}
		cur := filepath.Join(d, "cur")
		list, err := os.ReadDir(cur)
		if err != nil || len(list) == 0 {
			continue
		}
		for range f.r.IntN(20) {
			name := list[f.r.IntN(len(list))].Name()
			if free(idOf(filepath.Join(cur, name))) {
				to := f.flagged(name)
				if os.Rename(filepath.Join(cur, name), filepath.Join(cur, to)) == nil {
					f.l.trace.note("foreign", "renamed "+name+" to "+to)
					f.l.foreign.Add(1)
				}
			}
		}
	}
}

// flagged is the name with another flag set or cleared; a T stays as it is.
func (f *foreign) flagged(name string) string {
	base, info, ok := strings.Cut(name, ":2,")
	if !ok {
		return name + ":2,S"
	}
	flag := []string{"F", "R", "S"}[f.r.IntN(3)]
	if strings.Contains(info, flag) {
		return base + ":2," + strings.Replace(info, flag, "", 1)
	}
	b := []byte(info + flag)
	upper := bytes.IndexFunc(b, func(r rune) bool { return r >= 'a' })
	if upper >= 0 { // flags go before keywords, in ASCII order
		b = append(append([]byte{}, info[:upper]...), flag...)
		b = append(b, info[upper:]...)
		upper++
	} else {
		upper = len(b)
	}
	head := b[:upper]
	for i := len(head) - 1; i > 0 && head[i-1] > head[i]; i-- {
		head[i-1], head[i] = head[i], head[i-1]
	}
	return base + ":2," + string(b)
}

// remover unlinks without a word.
func (f *foreign) remover() {
	for f.pause(200) {
		box := boxes[f.r.IntN(len(boxes))]
		v := f.l.validityOf(box)
		cur := filepath.Join(dir(f.root, box), "cur")
		list, err := os.ReadDir(cur)
		if err != nil || len(list) == 0 {
			continue
		}
		path := filepath.Join(cur, list[f.r.IntN(len(list))].Name())
		id := idOf(path)
		if !free(id) {
			continue
		}
		f.l.mu.Lock()
		f.l.unlinked[mail{v, id}] = true
		f.l.doomed[id] = true
		f.l.mu.Unlock()
		if os.Remove(path) == nil {
			f.l.trace.note("foreign", "removed "+id+", "+path)
			f.l.foreign.Add(1)
		}
	}
}

// idOf reads which message a file is; empty where it has gone.
func idOf(path string) string {
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer file.Close()
	b := make([]byte, 512)
	n, _ := file.Read(b)
	if m := idItem.FindSubmatch(b[:n]); m != nil {
		return string(m[1])
	}
	return ""
}
