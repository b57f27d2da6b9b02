package imapd

import (
	"context"
	"slices"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/imapd/order"
	"maildir-imapd/imapd/wire"
)

// extThread is RFC 5256's THREAD, and REFS of draft-ietf-morg-inthread.
var extThread = extension{
	after: []imap.Cap{"THREAD=ORDEREDSUBJECT", "THREAD=REFERENCES", "THREAD=REFS"},
	commands: []command[*session]{
		{name: "THREAD", in: selected, does: holdsExpunge | onlyAnswers, parse: parseThread(false)},
		{name: "UID THREAD", in: selected, does: onlyAnswers, parse: parseThread(true)},
	},
}

// threadAlgorithm is how threads are made, and of what.
type threadAlgorithm struct {
	name string
	need keySet
	make func(*order.Threader, *order.Threads) *order.Forest
}

var threadAlgorithms = []threadAlgorithm{
	{"ORDEREDSUBJECT", setOfKeys(keySent, keySubject), (*order.Threader).OrderedSubject},
	{"REFERENCES", setOfKeys(keySent, keySubject, keyThread), (*order.Threader).References},
	{"REFS", setOfKeys(keySent, keyThread), (*order.Threader).Refs},
}

type threadAction struct {
	uid       bool
	algorithm *threadAlgorithm
	program   program
}

// THREAD algorithm charset keys
func parseThread(uid bool) func(*wire.Decoder, *session) (action[*session], error) {
	return func(d *wire.Decoder, s *session) (action[*session], error) {
		a := &threadAction{uid: uid}
		d.SP()
		name := d.Keyword()
		i := slices.IndexFunc(threadAlgorithms, func(t threadAlgorithm) bool { return t.name == name })
		if i < 0 {
			d.Fail("unknown threading algorithm %s", name)
			i = 0
		}
		a.algorithm = &threadAlgorithms[i]
		a.program = parseCharsetProgram(d, s)
		d.CRLF()
		return a, nil
	}
}

func (a *threadAction) run(ctx context.Context, s *session, w *responder) error {
	g := sortings.Get().(*sorting)
	defer g.release()
	t, err := g.find(ctx, s, a.program, a.algorithm.need)
	if err != nil {
		return err
	}
	f := a.algorithm.make(&g.threader, t.threads(g, a.algorithm.need))
	w.untagged().Raw("THREAD")
	if f.First >= 0 {
		w.SP()
	}
	g.writeThreads(w, f, a.uid)
	w.CRLF()
	return nil
}

// writeThreads writes a forest (RFC 5256 §5, thread-list). A chain of only children stands in one list, the
// children of a node that has several in a list each. The stack holds what comes after such a list, on the
// heap: nothing here is as deep as somebody's mail.
func (g *sorting) writeThreads(w *responder, f *order.Forest, uid bool) {
	g.stack = g.stack[:0]
	for node := f.First; node >= 0; {
		w.Special('(')
		g.stack = append(g.stack, node)
		node = g.writeChain(w, f, node, uid)
		for node < 0 && len(g.stack) > 0 { // lists end where nothing comes below
			w.Special(')')
			node = f.Next[g.stack[len(g.stack)-1]]
			g.stack = g.stack[:len(g.stack)-1]
		}
	}
}

// writeChain writes a node and its only children, and returns the first of several children, -1 for none.
func (g *sorting) writeChain(w *responder, f *order.Forest, node int32, uid bool) int32 {
	if !f.Dummy(node) {
		w.Number(g.number(uid, uint32(node)))
	}
	for {
		child := f.Child[node]
		if child < 0 {
			return -1
		}
		if !f.Dummy(node) {
			w.SP()
		}
		if f.Next[child] >= 0 {
			return child
		}
		w.Number(g.number(uid, uint32(child)))
		node = child
	}
}
