package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// mirror is somebody at another machine who works on a copy of the mail and has mbsync carry everything to and
// from one of the servers.
type mirror struct {
	f    *fight
	name string
	near string
	conf string
	r    *rand.Rand
	busy func() bool
	n    int
	runs int

	pending []mail // added since the last run that went well
	late    int    // messages that mbsync has passed over
}

// strict tells whether this mirror must be as the mailbox is. Through Dovecot it may lack messages: a file that is
// renamed while Dovecot reads the directory may not be seen until its next look, and mbsync never asks for a UID
// below the highest that it has seen; and where Dovecot answers NIL for what went away, mbsync ends and may upload
// again what it has just uploaded.
func (m *mirror) strict() bool { return m.name == "ours" }

// mirrors prepares one for each server.
func (f *fight) mirrors(addrs map[string]string) (out []*mirror, err error) {
	if _, err := exec.LookPath("mbsync"); err != nil {
		return nil, leftOut("beside, mbsync", "it is not installed (Debian: isync)")
	}
	for i, name := range slices.Sorted(maps.Keys(addrs)) {
		m := &mirror{f: f, name: name, near: filepath.Join(f.dir, "near-"+name), conf: filepath.Join(f.dir, name+".mbsyncrc"), r: f.o.random(uint64(1200 + i))}
		host, port, err := net.SplitHostPort(addrs[name])
		if err != nil {
			return nil, err
		}
		if err := os.Mkdir(m.near, 0o700); err != nil {
			return nil, err
		}
		text := strings.NewReplacer("HOST", host, "PORT", port, "USER", user, "PASSWORD", password, "NEAR", m.near).Replace(mbsyncrc)
		if err := os.WriteFile(m.conf, []byte(text), 0o600); err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

const mbsyncrc = `IMAPAccount a
Host HOST
Port PORT
User USER
Pass PASSWORD
SSLType None
AuthMechs LOGIN

IMAPStore far
Account a

MaildirStore near
Path NEAR/
Inbox NEAR/INBOX
SubFolders Verbatim

Channel c
Far :far:
Near :near:
Patterns INBOX A B C C/D
Create Near
Expunge Both
SyncState *
`

// run synchronises and works on the copy in turn. A run that fails because a message went away meanwhile is
// mbsync's way; the last ones, in reconcile, must not.
func (m *mirror) run() {
	for m.busy() {
		out, err := m.sync()
		if err != nil {
			m.f.l.refused("mbsync-"+m.name, lastLine(out))
			for _, again := range m.pending {
				if !m.strict() {
					m.f.l.born(again.validity, again.id)
				}
			}
		} else {
			m.pending = nil
		}
		for range m.r.IntN(6) {
			m.work(boxes[m.r.IntN(2)])
		}
	}
}

func (m *mirror) sync() ([]byte, error) {
	m.runs++
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "mbsync", "-q", "-c", m.conf, "-a")
	cmd.SysProcAttr = as(0)
	return cmd.CombinedOutput()
}

func lastLine(b []byte) string {
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return lines[len(lines)-1]
}

// work adds a message to the copy, or flags or throws away one that everybody may change.
func (m *mirror) work(box string) {
	l, cur := m.f.l, filepath.Join(m.near, filepath.FromSlash(box), "cur")
	if m.r.IntN(2) == 0 {
		m.add(box, cur)
		return
	}
	list, err := os.ReadDir(cur)
	if err != nil || len(list) == 0 {
		return
	}
	name := list[m.r.IntN(len(list))].Name()
	id := idOf(filepath.Join(cur, name))
	base, info, ok := strings.Cut(name, ":2,")
	if !free(id) || !ok {
		return
	}
	flag := "S"
	if m.r.IntN(3) == 0 {
		flag = "T"
		l.mu.Lock()
		l.unlinked[mail{l.fixedOf(box), id}] = true
		l.doomed[id] = true
		l.mu.Unlock()
	}
	if strings.Contains(info, flag) {
		return
	}
	b := []byte(info + flag)
	slices.Sort(b)
	if os.Rename(filepath.Join(cur, name), filepath.Join(cur, base+":2,"+string(b))) == nil {
		l.trace.note("mirror "+m.name, "flagged "+flag+" "+id)
		l.foreign.Add(1)
	}
}

func (m *mirror) add(box, cur string) {
	l := m.f.l
	if _, err := os.Stat(cur); err != nil { // before the first run
		return
	}
	m.n++
	id := fmt.Sprintf("sync-%s-%d", m.name, m.n)
	v := l.validityOf(box)
	l.born(v, id)
	text := strings.ReplaceAll(l.letter(id, m.r), "\r\n", "\n")
	name := fmt.Sprintf("%d.%d_%d.near:2,", time.Now().Unix(), os.Getpid(), m.n)
	tmp := filepath.Join(filepath.Dir(cur), "tmp", name)
	if err := os.WriteFile(tmp, []byte(text), 0o600); err != nil {
		l.fail("mirror: %v", err)
		return
	}
	if err := os.Rename(tmp, filepath.Join(cur, name)); err != nil {
		l.fail("mirror: %v", err)
		return
	}
	m.pending = append(m.pending, mail{v, id})
	l.foreign.Add(1)
	l.mu.Lock()
	l.posted[id] = v
	l.mu.Unlock()
}

// reconcile brings the copies and the mailboxes together, now that nobody else changes anything: each twice, for
// what the other has brought.
func (f *fight) reconcile(mirrors []*mirror) error {
	time.Sleep(1200 * time.Millisecond)
	for range 2 {
		for _, m := range mirrors {
			if out, err := m.sync(); err != nil {
				return fmt.Errorf("mbsync through %s, at rest: %w: %s", m.name, err, bytes.TrimSpace(out))
			}
		}
	}
	return nil
}

// mirrored compares the copies with the mailboxes.
func (f *fight) mirrored(mirrors []*mirror, at map[string]listing) {
	for _, m := range mirrors {
		for _, box := range boxes {
			var here []string
			for _, sub := range []string{"new", "cur"} {
				d := filepath.Join(m.near, filepath.FromSlash(box), sub)
				list, err := os.ReadDir(d)
				if err != nil {
					f.l.fail("mirror: %v", err)
				}
				for _, e := range list {
					here = append(here, f.l.file(filepath.Join(d, e.Name()), true))
				}
			}
			slices.Sort(here)
			there := slices.Sorted(maps.Values(at[box].ids))
			if !m.strict() && len(here) < len(there) {
				m.late += len(there) - len(here)
				there = slices.DeleteFunc(there, func(id string) bool { return !slices.Contains(here, id) })
			}
			if !slices.Equal(here, there) {
				f.l.fail("mbsync's copy of %s through %s has %d messages, the mailbox %d, and they are not the same", box, m.name, len(here), len(there))
			}
		}
	}
}
