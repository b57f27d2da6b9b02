package maildir

import (
	"context"
	"os"
	"slices"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"maildir-imapd/maildir/fsx"
)

// client is what a mail program believes from what it has been told.
type client struct {
	h     *Handle
	uids  []imap.UID // 0: told to exist, UID not asked yet
	flags map[imap.UID]Flags
}

// model is the mailbox told naively.
type model struct {
	uids  []imap.UID
	flags map[imap.UID]Flags
	next  imap.UID
}

// TestViews lets several sessions deliver, change flags, expunge and sync in
// any order, and compares each with what a client that was told of it believes.
func TestViews(t *testing.T) {
	t.Parallel()
	top := unsynced(t)
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(top, "views")
		if err != nil {
			rt.Fatal(err)
		}
		defer os.RemoveAll(dir)
		b := openSpot(t, dir, fsx.FS{})
		m := &model{flags: make(map[imap.UID]Flags), next: 1}
		var clients []*client
		for range 3 {
			h := b.open(Select)
			defer h.Close()
			clients = append(clients, &client{h: h, flags: make(map[imap.UID]Flags)})
		}
		ctx := context.Background()
		pick := func() *client { return clients[rapid.IntRange(0, len(clients)-1).Draw(rt, "client")] }
		someUID := func() imap.UID { return imap.UID(rapid.IntRange(1, max(1, int(m.next)-1)).Draw(rt, "uid")) }
		rt.Repeat(map[string]func(*rapid.T){
			"deliver": func(rt *rapid.T) {
				c := pick()
				for range rapid.IntRange(1, 3).Draw(rt, "n") {
					if uid := appendText(t, c.h, "x\n"); uid != m.next {
						rt.Fatalf("UID %d, want %d", uid, m.next)
					}
					m.uids = append(m.uids, m.next)
					m.flags[m.next] = Flags{}
					m.next++
				}
			},
			"flag": func(rt *rapid.T) {
				c := pick()
				lo, n := someUID(), rapid.IntRange(0, 3).Draw(rt, "n")
				flag := rapid.SampledFrom([]imap.Flag{imap.FlagSeen, imap.FlagDeleted, "key"}).Draw(rt, "flag")
				op := rapid.SampledFrom([]StoreOp{Add, Remove, Replace}).Draw(rt, "op")
				set := imap.UIDSet{imap.UIDRange{Start: lo, Stop: lo + imap.UID(n)}}
				seen := c.h.view.maxUID
				if _, err := c.h.Store(ctx, set, op, []imap.Flag{flag}, 0, func(msg Message) { c.flags[msg.UID] = msg.Flags }); err != nil {
					rt.Fatal(err)
				}
				arg := Flags{System: SystemFlag(flag)}
				if flag == "key" {
					arg.Keywords = 1
				}
				for _, uid := range m.uids {
					if uid >= lo && uid <= lo+imap.UID(n) && uid <= seen {
						m.flags[uid] = op.apply(m.flags[uid], arg)
					}
				}
			},
			"expunge": func(rt *rapid.T) {
				c := pick()
				seen := c.h.view.maxUID
				var set imap.UIDSet
				if rapid.Bool().Draw(rt, "some") {
					set = uidSet(someUID(), someUID())
				}
				if _, err := c.h.Expunge(ctx, set); err != nil {
					rt.Fatal(err)
				}
				m.uids = slices.DeleteFunc(m.uids, func(uid imap.UID) bool {
					return uid <= seen && m.flags[uid].System&Deleted != 0 && (set == nil || set.Contains(uid))
				})
			},
			"sync":      func(rt *rapid.T) { pick().sync(rt, true) },
			"sync some": func(rt *rapid.T) { pick().sync(rt, false) },
			"": func(rt *rapid.T) {
				for _, c := range clients {
					c.compare(rt, m)
				}
			},
		})
		for _, c := range clients {
			c.sync(rt, true)
			if diff := cmp.Diff(m.uids, c.uids); diff != "" && len(m.uids)+len(c.uids) > 0 {
				rt.Fatal(diff)
			}
			for _, uid := range m.uids {
				if c.flags[uid] != m.flags[uid] {
					rt.Fatalf("client has %v for %d, want %v", c.flags[uid], uid, m.flags[uid])
				}
			}
		}
		for _, err := range Check(dir) {
			rt.Error(err)
		}
	})
}

func (c *client) sync(rt *rapid.T, expunge bool) {
	var d Delta
	c.h.Sync(expunge, &d)
	if !expunge && len(d.Expunged) > 0 {
		rt.Fatal("expunges told where they must not be")
	}
	for i, seq := range d.Expunged {
		if c.uids[seq-1] != d.ExpungedUIDs[i] {
			rt.Fatalf("EXPUNGE %d is UID %d to the client, told as %d", seq, c.uids[seq-1], d.ExpungedUIDs[i])
		}
		c.uids = slices.Delete(c.uids, int(seq)-1, int(seq))
	}
	if int(d.Exists) < len(c.uids) {
		rt.Fatalf("EXISTS %d shrinks %d", d.Exists, len(c.uids))
	}
	if d.ExistsChanged != (int(d.Exists) > len(c.uids)) {
		rt.Fatalf("changed %v: %d to %d", d.ExistsChanged, len(c.uids), d.Exists)
	}
	for after := c.h.view.maxUID; len(c.uids) < int(d.Exists); {
		_ = after
		msgs := c.h.Messages(nil, 0, maxUID, 1<<20)
		for _, m := range msgs[len(c.uids):] {
			c.uids = append(c.uids, m.UID)
			c.flags[m.UID] = m.Flags
		}
	}
	for _, m := range d.Flags {
		if c.uids[m.Seq-1] != m.UID {
			rt.Fatalf("FETCH %d is UID %d to the client, told as %d", m.Seq, c.uids[m.Seq-1], m.UID)
		}
		c.flags[m.UID] = m.Flags
	}
}

// compare checks every way of asking for sequence numbers.
func (c *client) compare(rt *rapid.T, m *model) {
	if int(c.h.Count()) != len(c.uids) {
		rt.Fatalf("view has %d, client %d", c.h.Count(), len(c.uids))
	}
	var got []imap.UID
	for after := imap.UID(0); ; { // in small pieces
		msgs := c.h.Messages(nil, after, maxUID, 2)
		if len(msgs) == 0 {
			break
		}
		for _, msg := range msgs {
			got = append(got, msg.UID)
			if int(msg.Seq) != len(got) {
				rt.Fatalf("UID %d has number %d at %d", msg.UID, msg.Seq, len(got))
			}
			if msg.Gone == slices.Contains(m.uids, msg.UID) {
				rt.Fatalf("UID %d: gone %v", msg.UID, msg.Gone)
			}
		}
		after = msgs[len(msgs)-1].UID
	}
	if diff := cmp.Diff(c.uids, got); diff != "" && len(got)+len(c.uids) > 0 {
		rt.Fatal(diff)
	}
	for i, uid := range c.uids {
		if seq := c.h.SeqOf(uid); int(seq) != i+1 {
			rt.Fatalf("SeqOf(%d) = %d, want %d", uid, seq, i+1)
		}
		set, ok := c.h.UIDsOf(imap.SeqSetNum(uint32(i + 1)))
		if !ok || set.String() != uidSet(uid).String() {
			rt.Fatalf("UIDsOf(%d) = %v, want %d", i+1, set, uid)
		}
	}
	if n := len(c.uids); n > 0 && c.h.MaxUID() != c.uids[n-1] {
		rt.Fatalf("MaxUID %d", c.h.MaxUID())
	}
}
