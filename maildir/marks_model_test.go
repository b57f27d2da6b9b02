package maildir

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/emersion/go-imap/v2"
	"pgregory.net/rapid"

	"maildir-imapd/maildir/acl"
	"maildir-imapd/maildir/fsx"
)

// public is a root that users look at, each with marks of their own, from several processes.
type public struct {
	t         testing.TB
	top, root string
}

func newPublic(t testing.TB, top string) *public {
	p := &public{t: t, top: top, root: filepath.Join(top, "public")}
	p.make("news")
	return p
}

func (p *public) make(name string) {
	for _, sub := range []string{"cur", "new", "tmp"} {
		if err := os.MkdirAll(filepath.Join(p.root, name, sub), 0o755); err != nil {
			p.t.Fatal(err)
		}
	}
}

func (p *public) home(user string) string {
	home := filepath.Join(p.top, user)
	if err := os.MkdirAll(home, 0o700); err != nil {
		p.t.Fatal(err)
	}
	return home
}

func (p *public) process(f fsx.FS) *Store {
	s, err := NewStore(StoreOptions{FS: alone(f)})
	if err != nil {
		p.t.Fatal(err)
	}
	return s
}

// reading is a user's tree of the public root, and the marks.
type reading struct {
	*Tree
	marks   *Marks
	private bool
	rights  Rights
}

func (r *reading) Close() {
	r.Tree.Close()
	if r.marks != nil {
		r.marks.Close()
	}
}

// read is a user in a process. Without one the marks last as long as the tree.
func (p *public) read(s *Store, user string) (r *reading, err error) {
	r = &reading{private: true, rights: acl.RightsAll}
	if user != "" {
		if r.marks, err = s.Marks(p.home(user)); err != nil {
			return nil, err
		}
	}
	r.Tree, err = s.Tree(TreeOptions{Root: p.root, Layout: FS, NoInbox: true, Access: &Access{
		Who:     func() acl.Who { return acl.Who{User: user} },
		Private: func() bool { return r.private },
		Marks:   r.marks,
		Default: func() *acl.List {
			return &acl.List{Entries: []acl.Entry{{ID: acl.ID{Kind: acl.Anyone}, Rights: r.rights}}}
		},
	}})
	return r, err
}

// mustRead is read in a process that ends with the test.
func (p *public) mustRead(s *Store, user string) *reading {
	p.t.Helper()
	r, err := p.read(s, user)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { r.Close() })
	return r
}

func (p *public) newProcess() *Store {
	s := p.process(fsx.FS{})
	p.t.Cleanup(func() { s.Close() })
	return s
}

func (r *reading) open(t testing.TB, name string, mode Mode) *Handle {
	t.Helper()
	h, err := r.Open(bg, name, mode)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

// markSession is one selection, and what its client was told.
type markSession struct {
	user, process int
	h             *Handle
	flags         map[imap.UID]SystemFlags
}

// offline is a user's client that keeps flags and asks for what has changed, now here, now there.
type offline struct {
	flags map[imap.UID]SystemFlags
	known uint64
}

// marksModel is all of it told naively.
type marksModel struct {
	rt       *rapid.T
	p        *public
	stores   []*Store
	trees    [][]*reading // by process and user
	sessions []*markSession
	clients  []*offline

	name    string
	uids    []imap.UID
	flagged map[imap.UID]bool
	deleted map[imap.UID]bool
	seen    []map[imap.UID]bool // by user
	shared  bool                // \Seen is everybody's now
	letter  map[imap.UID]bool   // and that is it
	turned  bool
}

const (
	modelUsers     = 3
	modelProcesses = 2
)

func newMarksModel(rt *rapid.T, t testing.TB, top string) *marksModel {
	m := &marksModel{rt: rt, p: newPublic(t, top), name: "news", flagged: make(map[imap.UID]bool), deleted: make(map[imap.UID]bool), letter: make(map[imap.UID]bool)}
	for range modelUsers {
		m.seen = append(m.seen, make(map[imap.UID]bool))
		m.clients = append(m.clients, &offline{flags: make(map[imap.UID]SystemFlags)})
	}
	for p := range modelProcesses {
		m.stores, m.trees = append(m.stores, nil), append(m.trees, nil)
		m.start(p)
	}
	for i := range 5 {
		m.sessions = append(m.sessions, &markSession{user: i % 2, process: i / 2 % modelProcesses})
	}
	m.sessions = append(m.sessions, &markSession{user: 2})
	for _, s := range m.sessions {
		m.reopen(s)
	}
	return m
}

func (m *marksModel) start(p int) {
	m.stores[p], m.trees[p] = m.p.process(fsx.FS{}), nil
	for u := range modelUsers {
		r, err := m.p.read(m.stores[p], fmt.Sprint("user", u))
		m.must(err)
		r.private = !m.shared
		m.trees[p] = append(m.trees[p], r)
	}
}

func (m *marksModel) stop(p int) {
	for _, r := range m.trees[p] {
		r.Close()
	}
	m.must(m.stores[p].Close())
}

func (m *marksModel) must(err error) {
	m.rt.Helper()
	if err != nil {
		m.rt.Fatal(err)
	}
}

func (m *marksModel) reopen(s *markSession) {
	if s.h != nil {
		m.must(s.h.Close())
	}
	h, err := m.trees[s.process][s.user].Open(bg, m.name, Select)
	m.must(err)
	s.h, s.flags = h, make(map[imap.UID]SystemFlags)
	for _, msg := range h.Messages(nil, 0, maxUID, 1<<20) {
		s.flags[msg.UID] = msg.Flags.System
	}
}

func (m *marksModel) close() {
	for _, s := range m.sessions {
		s.h.Close()
	}
	for p := range m.stores {
		m.stop(p)
	}
}

func (m *marksModel) session() *markSession {
	return m.sessions[rapid.IntRange(0, len(m.sessions)-1).Draw(m.rt, "session")]
}

// seenBy is where it is written who has seen what.
func (m *marksModel) seenBy(user int) map[imap.UID]bool {
	if m.shared {
		return m.letter
	}
	return m.seen[user]
}

func (m *marksModel) want(user int, uid imap.UID) (f SystemFlags) {
	if m.seenBy(user)[uid] {
		f |= Seen
	}
	if m.flagged[uid] {
		f |= Flagged
	}
	if m.deleted[uid] {
		f |= Deleted
	}
	return f
}

func (m *marksModel) some() imap.UIDSet {
	top := 1
	if n := len(m.uids); n > 0 {
		top = int(m.uids[n-1])
	}
	lo := rapid.IntRange(1, top).Draw(m.rt, "uid")
	set := imap.UIDSet{imap.UIDRange{Start: imap.UID(lo), Stop: imap.UID(lo + rapid.IntRange(0, 4).Draw(m.rt, "more"))}}
	if rapid.Bool().Draw(m.rt, "two") {
		set.AddNum(imap.UID(rapid.IntRange(1, top).Draw(m.rt, "uid")))
	}
	return set
}

// sync brings a session up to date and compares all that it can be asked.
func (m *marksModel) sync(s *markSession) {
	rt := m.rt
	d := refresh(m.p.t, s.h)
	for _, uid := range d.ExpungedUIDs {
		delete(s.flags, uid)
	}
	for _, msg := range d.Flags {
		s.flags[msg.UID] = msg.Flags.System
	}
	msgs := s.h.Messages(nil, 0, maxUID, 1<<20)
	if len(msgs) != len(m.uids) {
		rt.Fatalf("%d messages, want %d", len(msgs), len(m.uids))
	}
	unseen, first, high := uint32(0), uint32(0), s.h.HighestModSeq()
	for i, msg := range msgs {
		want := m.want(s.user, msg.UID)
		if msg.UID != m.uids[i] || msg.Flags.System != want {
			rt.Fatalf("user %d sees %d with %b, want %d with %b", s.user, msg.UID, msg.Flags.System, m.uids[i], want)
		}
		if told, ok := s.flags[msg.UID]; ok && told != want {
			rt.Fatalf("a session of user %d was told %b of %d, want %b", s.user, told, msg.UID, want)
		}
		s.flags[msg.UID] = want
		if msg.ModSeq > high {
			rt.Fatalf("UID %d has MODSEQ %d above %d", msg.UID, msg.ModSeq, high)
		}
		if want&Seen == 0 {
			if unseen++; first == 0 {
				first = msg.Seq
			}
		}
	}
	c, err := s.h.Counts(bg)
	m.must(err)
	if c.Unseen != unseen || s.h.FirstUnseen() != first {
		rt.Fatalf("user %d: %d unseen from %d on, want %d from %d", s.user, c.Unseen, s.h.FirstUnseen(), unseen, first)
	}
}

// ask has a client ask for what has changed.
func (m *marksModel) ask(s *markSession) {
	m.sync(s)
	c, high := m.clients[s.user], s.h.HighestModSeq()
	if high < c.known {
		m.rt.Fatalf("user %d: HIGHESTMODSEQ fell from %d to %d", s.user, c.known, high)
	}
	for _, msg := range s.h.Messages(nil, 0, maxUID, 1<<20) {
		if msg.ModSeq > c.known {
			c.flags[msg.UID] = msg.Flags.System
		}
	}
	past := s.h.own.box.steps.shared(c.known)
	for _, g := range s.h.m.state.history {
		if g.modseq > past {
			maps.DeleteFunc(c.flags, func(uid imap.UID, _ SystemFlags) bool { return uid >= g.lo && uid <= g.hi })
		}
	}
	c.known = high
	if len(c.flags) != len(m.uids) {
		m.rt.Fatalf("client of user %d has %v, want %v", s.user, c.flags, m.uids)
	}
	for _, uid := range m.uids {
		if f, ok := c.flags[uid]; !ok || f != m.want(s.user, uid) {
			m.rt.Fatalf("client of user %d has %b for %d (%v), want %b", s.user, f, uid, ok, m.want(s.user, uid))
		}
	}
}

func (m *marksModel) store(s *markSession) {
	rt := m.rt
	m.sync(s)
	op := rapid.SampledFrom([]StoreOp{Add, Remove, Replace}).Draw(rt, "op")
	flags := rapid.SampledFrom([][]imap.Flag{{imap.FlagSeen}, {imap.FlagFlagged}, {imap.FlagSeen, imap.FlagFlagged}, {imap.FlagDeleted}, {}}).Draw(rt, "flags")
	var since uint64
	msgs := s.h.Messages(nil, 0, maxUID, 1<<20)
	if len(msgs) > 0 && rapid.Bool().Draw(rt, "since") {
		since = msgs[rapid.IntRange(0, len(msgs)-1).Draw(rt, "of")].ModSeq
	}
	set, high := m.some(), s.h.HighestModSeq()
	was := make(map[imap.UID]Flags)
	modified, err := s.h.Store(bg, set, op, flags, since, func(msg Message) { s.flags[msg.UID] = msg.Flags.System })
	m.must(err)
	for _, msg := range msgs {
		if !set.Contains(msg.UID) {
			continue
		}
		if late := since != 0 && msg.ModSeq > since; late != modified.Contains(msg.UID) {
			rt.Fatalf("UID %d with %d, unchanged since %d: modified is %v", msg.UID, msg.ModSeq, since, modified)
		} else if late {
			continue
		}
		was[msg.UID] = msg.Flags
		now := op.apply(msg.Flags, Flags{System: parseFlags(flags).system}).System
		m.seenBy(s.user)[msg.UID], m.flagged[msg.UID], m.deleted[msg.UID] = now&Seen != 0, now&Flagged != 0, now&Deleted != 0
	}
	changed := false
	for _, msg := range s.h.Messages(nil, 0, maxUID, 1<<20) {
		if old, ok := was[msg.UID]; ok && old != msg.Flags {
			changed = true
			if msg.ModSeq <= high {
				rt.Fatalf("UID %d has changed at %d, HIGHESTMODSEQ was %d", msg.UID, msg.ModSeq, high)
			}
		}
	}
	if changed == (s.h.HighestModSeq() == high) {
		rt.Fatalf("changed %v: HIGHESTMODSEQ %d, was %d", changed, s.h.HighestModSeq(), high)
	}
}

func (m *marksModel) deliver(s *markSession) {
	m.sync(s)
	for range rapid.IntRange(1, 3).Draw(m.rt, "n") {
		var flags []imap.Flag
		if rapid.Bool().Draw(m.rt, "as seen") {
			flags = append(flags, imap.FlagSeen)
		}
		uid, err := tryAppend(s.h, "x\n", flags...)
		m.must(err)
		m.uids = append(m.uids, uid)
		m.seenBy(s.user)[uid] = len(flags) > 0
	}
}

func (m *marksModel) copy(s *markSession) {
	m.sync(s)
	r, err := s.h.Copy(bg, m.some(), s.h)
	m.must(err)
	from, _ := r.Source.Nums()
	to, _ := r.Dest.Nums()
	for i, uid := range to {
		m.uids = append(m.uids, uid)
		m.seenBy(s.user)[uid] = m.seenBy(s.user)[from[i]]
		m.flagged[uid], m.deleted[uid] = m.flagged[from[i]], m.deleted[from[i]]
	}
}

func (m *marksModel) rename() {
	for _, s := range m.sessions {
		m.must(s.h.Close())
		s.h = nil
	}
	to := "news"
	if m.name == to {
		to = "olds"
	}
	m.must(m.trees[0][0].Rename(bg, m.name, to))
	m.name = to
	for _, s := range m.sessions {
		m.reopen(s)
	}
}

// turn has \Seen be everybody's, or each user's own again.
func (m *marksModel) turn() {
	m.shared, m.turned = !m.shared, true
	for _, trees := range m.trees {
		for _, r := range trees {
			r.private = !m.shared
		}
	}
	if rapid.Bool().Draw(m.rt, "all select anew") {
		for _, s := range m.sessions {
			m.reopen(s)
		}
		return
	}
	for u := range modelUsers { // those who are there go along with the first who does
		for _, s := range m.sessions {
			if s.user == u {
				m.reopen(s)
				break
			}
		}
	}
}

// restart ends a process; its sessions select again in a new one.
func (m *marksModel) restart(p int) {
	for _, s := range m.sessions {
		if s.process == p {
			m.must(s.h.Close())
			s.h = nil
		}
	}
	m.stop(p)
	m.start(p)
	for _, s := range m.sessions {
		if s.process == p {
			m.reopen(s)
		}
	}
}

func (m *marksModel) compact(s *markSession) {
	w, err := s.h.own.k.write(bg)
	m.must(err)
	s.h.own.k.anew = true
	err = w.append(nil, nil)
	w.done()
	m.must(err)
}

// TestPrivateSeen lets users with several sessions in two processes read, change, bring and remove mail, and
// rename the mailbox. Every view is the model's; so is what a client knows that asks for changes.
func TestPrivateSeen(t *testing.T) {
	t.Parallel()
	base := unsynced(t)
	rapid.Check(t, func(rt *rapid.T) {
		top, err := os.MkdirTemp(base, "marks")
		if err != nil {
			rt.Fatal(err)
		}
		defer os.RemoveAll(top)
		m := newMarksModel(rt, t, top)
		defer m.close()
		rt.Repeat(map[string]func(*rapid.T){
			"store":   func(*rapid.T) { m.store(m.session()) },
			"again":   func(*rapid.T) { m.store(m.session()) },
			"deliver": func(*rapid.T) { m.deliver(m.session()) },
			"copy":    func(*rapid.T) { m.copy(m.session()) },
			"expunge": func(*rapid.T) {
				s := m.session()
				m.sync(s)
				_, err := s.h.Expunge(bg, nil)
				m.must(err)
				m.uids = slices.DeleteFunc(m.uids, func(uid imap.UID) bool { return m.deleted[uid] })
				m.sync(s)
			},
			"sync":    func(*rapid.T) { m.sync(m.session()) },
			"ask":     func(*rapid.T) { m.ask(m.session()) },
			"reopen":  func(*rapid.T) { m.reopen(m.session()) },
			"restart": func(*rapid.T) { m.restart(rapid.IntRange(0, modelProcesses-1).Draw(rt, "process")) },
			"rename":  func(*rapid.T) { m.rename() },
			"compact": func(*rapid.T) { m.compact(m.session()) },
			"turn":    func(*rapid.T) { m.turn() },
		})
		for _, s := range m.sessions {
			m.ask(s)
		}
		for _, err := range Check(m.p.root) {
			rt.Error(err)
		}
		if m.turned {
			return
		}
		// No file says that somebody has seen it.
		names, _ := filepath.Glob(filepath.Join(m.p.root, m.name, "cur", "*S*"))
		for _, n := range names {
			if _, info := splitName(filepath.Base(n)); info != "" {
				if f, _, _ := parseInfo(info); f&Seen != 0 {
					rt.Errorf("%s", n)
				}
			}
		}
	})
}
