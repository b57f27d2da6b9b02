//go:build interop

package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"maildir-imapd/contrib/interop/peer"
)

// quotaPair is our daemon and Dovecot, with the quota of one tree that both serve at the same time.
type quotaPair struct {
	mail          string
	fs            bool
	dovecotConfig string
	ours, dovecot *raw
	delivered     int
}

const quotaUser = "full"

// TestQuotaAgrees: all that changes how much mail there is, done by each server in turn and by a delivery agent
// that knows of maildirsize. Both always tell the same; in the end the file says what lies on the disk, and when
// Dovecot counts anew nothing changes.
func TestQuotaAgrees(t *testing.T) {
	need(t, "dovecot=dovecot-imapd", "doveadm=dovecot-core")
	for _, tc := range []struct {
		name, layout, ours, dovecot, first string
	}{
		{"configured", "maildir++", "\n[quota]\nstorage = 3M\nmessages = 2000\n", "plugin {\n  quota_rule = *:storage=3M:messages=2000\n}\n", ""},
		{"first line", "maildir++", "", "", "3145000S,2000C"},
		{"fs", "fs", "\n[quota]\nstorage = 3M\nmessages = 2000\n", "plugin {\n  quota_rule = *:storage=3M:messages=2000\n}\n", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p := startQuotaPair(t, tc.layout, tc.ours, tc.dovecot, tc.first)
			for station, k := range []*raw{p.ours, p.dovecot, p.ours, p.dovecot, p.ours} {
				p.work(t, k, station)
				p.same(t, fmt.Sprintf("after station %d", station))
			}
			p.brim(t)
			file := p.sum(t)
			command(t, nil, "doveadm", "-c", p.dovecotConfig, "quota", "recalc", "-u", quotaUser)
			if counted := p.sum(t); counted != file {
				t.Errorf("maildirsize said %v, Dovecot counts %v", file, counted)
			}
			if disk := p.disk(t); disk != file {
				t.Errorf("maildirsize says %v, on disk are %v", file, disk)
			}
			p.same(t, "after Dovecot has counted")
		})
	}
}

func startQuotaPair(t *testing.T, layout, ours, dovecot, first string) *quotaPair {
	t.Helper()
	dir := workDir(t)
	p := &quotaPair{mail: filepath.Join(dir, "dovecot", "mail", quotaUser), fs: layout == "fs", dovecotConfig: filepath.Join(dir, "dovecot", "dovecot.conf")}
	users := map[string]string{quotaUser: password}
	set := map[string]string{}
	if p.fs {
		set["mail_location"] = "maildir:DIR/mail/%u:LAYOUT=fs"
	}
	d, err := peer.StartDovecot(peer.Options{Dir: filepath.Join(dir, "dovecot"), Users: users, Set: set, Extra: peer.DovecotQuota + dovecot})
	if err != nil {
		t.Fatal(err)
	}
	o, err := peer.StartDaemon(peer.Options{Dir: filepath.Join(dir, "ours"), Users: users, As: peer.DovecotUID, Extra: ours, Set: map[string]string{
		"path": filepath.Join(dir, "dovecot", "mail", "%u"), "layout": layout,
	}})
	if err != nil {
		t.Fatal(err, d.Stop())
	}
	t.Cleanup(func() {
		for _, s := range []*peer.Server{o, d} {
			if err := quietly(s, "/maildirsize", "level=ERROR", "panic", "Error:", "Panic:"); err != nil {
				t.Error(err)
			}
			if t.Failed() {
				t.Logf("%s:\n%s", s.Name, s.Log())
			}
		}
	})
	p.ours = dialRaw(t, &world{o}, quotaUser)
	if first != "" {
		p.write(t, filepath.Join(p.mail, "maildirsize"), first+"\n0 0\n")
	}
	p.dovecot = dialRaw(t, &world{d}, quotaUser)
	for _, name := range []string{"Work", "Work/Deep", "Trash"} {
		p.ours.do(t, "CREATE "+name)
	}
	return p
}

// write makes a file of the servers' account, complete at once.
func (p *quotaPair) write(t *testing.T, path, text string) {
	t.Helper()
	tmp := filepath.Join(p.mail, "tmp", "mda")
	if err := os.WriteFile(tmp, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Lchown(tmp, peer.DovecotUID, peer.DovecotUID); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(tmp, path); err != nil {
		t.Fatal(err)
	}
}

func (p *quotaPair) dir(mailbox string) string {
	switch {
	case mailbox == "INBOX":
		return p.mail
	case p.fs:
		return filepath.Join(p.mail, mailbox)
	}
	return filepath.Join(p.mail, "."+strings.ReplaceAll(mailbox, "/", "."))
}

// deliver is a delivery agent, with or without the size in the name.
func (p *quotaPair) deliver(t *testing.T, mailbox string) {
	t.Helper()
	p.delivered++
	text := string(invented(5000 + p.delivered))
	name := fmt.Sprintf("17%08d.M%dP1.mda", p.delivered, p.delivered)
	if p.delivered%2 == 0 {
		name += fmt.Sprintf(",S=%d", len(text))
	}
	p.write(t, filepath.Join(p.dir(mailbox), "new", name), text)
	f, err := os.OpenFile(filepath.Join(p.mail, "maildirsize"), os.O_WRONLY|os.O_APPEND, 0)
	if os.IsNotExist(err) {
		return // counted by the next one to ask
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := fmt.Fprintf(f, "%d 1\n", len(text)); err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, k *raw, mailbox string, n int) {
	t.Helper()
	text := strings.ReplaceAll(string(invented(n)), "\n", "\r\n")
	k.do(t, fmt.Sprintf("APPEND %s {%d+}\r\n%s", mailbox, len(text), text))
}

// work is one server's turn.
func (p *quotaPair) work(t *testing.T, k *raw, station int) {
	t.Helper()
	for n := range 12 {
		put(t, k, []string{"INBOX", "Work", "Work/Deep", "Trash"}[n%4], 100*station+n)
		if n%3 == 0 {
			p.deliver(t, []string{"INBOX", "Work"}[n/3%2])
		}
	}
	k.do(t, "SELECT INBOX")
	k.do(t, "COPY 1:4 Work")
	k.do(t, "COPY 1,3 INBOX")
	p.same(t, "copied")
	k.do(t, "NOOP")
	k.do(t, "MOVE 2:3 Trash")
	p.same(t, "moved")
	k.do(t, `STORE 1:2 +FLAGS.SILENT (\Deleted)`)
	k.do(t, "EXPUNGE")
	p.same(t, "expunged")
	k.do(t, "SELECT Work")
	k.do(t, `STORE 1:3 +FLAGS.SILENT (\Deleted)`)
	k.do(t, "CLOSE")
	p.same(t, "closed")
	k.do(t, "CREATE Gone")
	put(t, k, "Gone", 7)
	put(t, k, "Gone", 8)
	p.same(t, "created")
	k.do(t, "DELETE Gone")
	p.same(t, "deleted")
	k.do(t, fmt.Sprintf("RENAME Work/Deep Work/Deep%d", station))
	k.do(t, fmt.Sprintf("RENAME Work/Deep%d Work/Deep", station))
}

// brim fills the tree through both servers until both refuse.
func (p *quotaPair) brim(t *testing.T) {
	t.Helper()
	const size = 40_000
	line := strings.Repeat("x", 78) + "\r\n"
	text := "Subject: large\r\n\r\n" + strings.Repeat(line, size/len(line))
	took := 0
	for _, k := range []*raw{p.ours, p.dovecot} {
		for refused := false; !refused; took++ {
			if took > 200 {
				t.Fatal("there is no end to it")
			}
			_, said := k.ask(t, fmt.Sprintf("APPEND Trash {%d+}\r\n%s", len(text), text))
			if refused = !strings.HasPrefix(said, "OK"); refused && !strings.HasPrefix(said, "NO [OVERQUOTA]") {
				t.Fatal(said)
			}
		}
		p.same(t, "full")
	}
}

// same compares what the servers say of the quota.
func (p *quotaPair) same(t *testing.T, when string) {
	t.Helper()
	const ask = `GETQUOTA "User quota"`
	if a, b := p.ours.do(t, ask), p.dovecot.do(t, ask); quotaLine(a) != quotaLine(b) || quotaLine(a) == "" {
		t.Errorf("%s: we say %q, Dovecot %q", when, a, b)
	}
}

func quotaLine(lines []string) string {
	for _, l := range lines {
		if strings.HasPrefix(l, "* QUOTA ") {
			return l
		}
	}
	return ""
}

// sum is what maildirsize says: bytes and messages.
func (p *quotaPair) sum(t *testing.T) (sum [2]int64) {
	t.Helper()
	p.same(t, "before it is read") // whoever asks writes it where it is not there
	b, err := os.ReadFile(filepath.Join(p.mail, "maildirsize"))
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range strings.Split(strings.TrimSpace(string(b)), "\n")[1:] {
		f := strings.Fields(l)
		if len(f) != 2 {
			t.Fatalf("maildirsize has %q", l)
		}
		for i := range sum {
			n, err := strconv.ParseInt(f[i], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			sum[i] += n
		}
	}
	return sum
}

// disk adds up all message files.
func (p *quotaPair) disk(t *testing.T) (sum [2]int64) {
	t.Helper()
	err := filepath.WalkDir(p.mail, func(path string, e os.DirEntry, err error) error {
		dir := filepath.Base(filepath.Dir(path))
		if err != nil || !e.Type().IsRegular() || dir != "cur" && dir != "new" {
			return err
		}
		st, err := e.Info()
		if err == nil {
			sum[0] += st.Size()
			sum[1]++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sum
}
