package message

import (
	"bytes"
	"io"
	"maps"
	"math/bits"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unsafe"
)

// slabs is how many pieces of memory hold n things: the first has room for first, and
// each for twice as many as the one before it; one with room for the thing that made it
// necessary is at least half used together with the one before it.
func slabs(n, first int) int {
	if n == 0 {
		return 0
	}
	return 1 + bits.Len(uint(n/first))
}

// resultSize counts the pieces of memory that a message consists of, and their bytes.
func resultSize(m *Message) (objects int, size uintptr) {
	var texts, params, addrs int
	text := func(list ...[]byte) {
		for _, b := range list {
			texts += len(b)
		}
	}
	paramList := func(list []Param) {
		if len(list) == 0 || &list[0] == &defaultParams[0] {
			return
		}
		params += len(list) + 1
		for _, l := range list {
			if len(l.Name) == 0 || &l.Name[0] != &defaultCharset.Name[0] {
				text(l.Name, l.Value)
			}
		}
	}
	envelope := func(e *Envelope) {
		text(e.Date, e.Subject, e.InReplyTo, e.MessageID, e.References)
		for i, list := range [][]Address{e.From, e.Sender, e.ReplyTo, e.To, e.Cc, e.Bcc} {
			if len(e.From) > 0 && len(list) > 0 && &list[0] == &e.From[0] && i > 0 {
				continue // Sender and Reply-To that are From
			}
			addrs += len(list)
			for _, a := range list {
				text(a.Name, a.Route)
				if len(a.Mailbox) > 0 && &a.Mailbox[0] != &missingMailbox[0] {
					text(a.Mailbox)
				}
				if len(a.Host) > 0 && &a.Host[0] != &missingDomain[0] {
					text(a.Host)
				}
			}
		}
	}
	objects = 2 // the message and its parts
	size += unsafe.Sizeof(*m) + uintptr(len(m.Parts))*unsafe.Sizeof(Part{})
	envelope(&m.Envelope)
	for i := range m.Parts {
		p := &m.Parts[i]
		for _, w := range []string{p.Type, p.Subtype, p.Encoding} {
			if _, ok := known[w]; !ok {
				objects++
				size += uintptr(len(w))
			}
		}
		text(p.ID, p.Description, p.MD5, p.Location)
		if len(p.Disposition) > 0 && &p.Disposition[0] != &attachment[0] {
			text(p.Disposition)
		}
		paramList(p.Params)
		paramList(p.DispParams)
		if len(p.Language) > 0 {
			objects++
			size += uintptr(len(p.Language)) * unsafe.Sizeof([]byte{})
			text(p.Language...)
		}
		if p.Envelope != nil {
			objects++
			size += unsafe.Sizeof(Envelope{})
			envelope(p.Envelope)
		}
	}
	size += uintptr(texts) + uintptr(params)*unsafe.Sizeof(Param{}) + uintptr(addrs)*unsafe.Sizeof(Address{})
	return objects + slabs(texts, 512) + slabs(params, 8) + slabs(addrs, 4), size
}

var addressField = regexp.MustCompile(`(?mi)^(from|sender|reply-to|to|cc|bcc)[ \t]*:`)

// TestResultIsAllThatIsAllocated: once a Parser is warm, a message costs the memory that
// it consists of, and nothing a part.
func TestResultIsAllThatIsAllocated(t *testing.T) {
	var p Parser
	var r bytes.Reader
	for _, f := range corpusFiles(t) {
		var m *Message
		n := int(testing.AllocsPerRun(3, func() {
			r.Reset(f)
			m, _ = p.Parse(&r)
		}))
		objects, _ := resultSize(m)
		if len(m.Parts) > keepParts { // its buffers are not kept
			objects += 4 * bits.Len(uint(len(m.Parts)))
		}
		// A list that goes on in another field of the same name is moved.
		names := make(map[string]bool)
		for _, name := range addressField.FindAllSubmatch(f[:m.Parts[0].Header.End], -1) {
			k := strings.ToLower(string(name[1]))
			if names[k] {
				objects++
			}
			names[k] = true
		}
		if n > objects+instrumented {
			t.Errorf("%d allocations for %d parts in %d pieces: %.60q", n, len(m.Parts), objects, f)
		}
	}
}

// TestPartsCostNoAllocations: what is allocated does not grow with the parts but in
// doubling slabs.
func TestPartsCostNoAllocations(t *testing.T) {
	var p Parser
	var r strings.Reader
	cost := func(parts int) int {
		file := "Content-Type: multipart/mixed; boundary=b\n\n" +
			strings.Repeat("--b\nContent-Type: image/png; name=\"a picture.png\"\nContent-ID: <1@x>\nContent-Disposition: attachment; filename=a.png\n\nx\n", parts)
		return int(testing.AllocsPerRun(10, func() {
			r.Reset(file)
			if m, err := p.Parse(&r); err != nil || len(m.Parts) != parts+1 {
				t.Fatal(err)
			}
		}))
	}
	few, many := cost(2), cost(keepParts-2)
	if many-few > 2*bits.Len(keepParts) {
		t.Errorf("2 parts cost %d allocations, %d cost %d", few, keepParts-2, many)
	}
}

// hostile gives messages of about size bytes, made to cost much.
func hostile(size int64) map[string]func() io.Reader {
	fill := func(head, unit string) func() io.Reader {
		return func() io.Reader { return repeated(head, unit, size/int64(len(unit)), "") }
	}
	const mixed = "Content-Type: multipart/mixed; boundary=b\n\n"
	return map[string]func() io.Reader{
		"one line":            fill("\n", "x"),
		"one header line":     fill("Subject: ", "x"),
		"one line, no header": fill("x", "y"),
		"blank lines":         fill("\n", "\n"),
		"carriage returns":    fill("\n", "\r"),
		"boundaries":          fill(mixed, "--b\n"),
		"nearly boundaries":   fill(mixed, "--a\n"),
		"closing boundaries":  fill(mixed, "--b--\n"),
		"digest":              fill("Content-Type: multipart/digest; boundary=b\n\n", "--b\n\n"),
		"named parts":         fill(mixed, "--b\nContent-ID: <i@x>\nContent-Type: image/x-a; name=b\nContent-Language: de, en\n\n"),
		"header fields":       fill("", "X: y\n"),
		"subjects":            fill("", "Subject: a subject\n"),
		"long subjects":       fill("", "Subject: "+strings.Repeat("x", 1<<16)+"\n"),
		"content types":       fill("", "Content-Type: a/b; c=d; e*0=f; e*1=g\n"),
		"languages":           fill("", "Content-Language: de, en\n"),
		"recipients":          fill("", "To: a@b\n"),
		"addresses":           fill("To: ", "a@b, "),
		"comments":            fill("To: ", "(("),
		"parameters":          fill("Content-Type: a/b", "; a*0=b"),
		"folds":               fill("Subject: ", "\n x"),
		"references":          fill("References: ", "<a@b> "),
		"messages":            fill("", "Content-Type: message/rfc822\n\n"),
		"nested multiparts":   func() io.Reader { return &nest{left: size} },
	}
}

// nest opens a multipart in a multipart, with long boundaries that begin alike.
type nest struct {
	left, n int64
	line    []byte
	buf     [256]byte
}

const nestPrefix = "a boundary that is long and begins as the others do "

func (r *nest) Read(b []byte) (int, error) {
	if len(r.line) == 0 {
		if r.left <= 0 {
			return 0, io.EOF
		}
		r.n++
		r.line = append(r.buf[:0], "Content-Type: multipart/mixed; boundary=\""...)
		r.line = strconv.AppendInt(append(r.line, nestPrefix...), r.n, 10)
		r.line = append(r.line, "\"\n\n--"...)
		r.line = strconv.AppendInt(append(r.line, nestPrefix...), r.n, 10)
		r.line = append(r.line, '\n')
		r.left -= int64(len(r.line))
	}
	n := copy(b, r.line)
	r.line = r.line[n:]
	return n, nil
}

// heapWatch notes the largest live heap while a message is read.
type heapWatch struct {
	io.Reader
	read, next int64
	most       uint64
}

func (h *heapWatch) Read(b []byte) (int, error) {
	if h.read >= h.next {
		h.next += 20 << 20
		h.most = max(h.most, liveHeap())
	}
	n, err := h.Reader.Read(b)
	h.read += int64(n)
	return n, err
}

func liveHeap() uint64 {
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return s.HeapAlloc
}

// TestHostileMemory: however large and strange a message is, the memory that reading it
// takes is a window, some fields and the result.
func TestHostileMemory(t *testing.T) {
	large, small := hostile(200<<20), hostile(20<<20)
	for _, name := range []string{"one line", "boundaries", "header fields", "nested multiparts", "addresses"} {
		if !testing.Short() && instrumented == 0 {
			small[name] = large[name]
		}
	}
	var p Parser
	if _, err := p.Parse(strings.NewReader("")); err != nil {
		t.Fatal(err)
	}
	liveHeap() // what other tests left in pools goes in two rounds
	for name, open := range small {
		before := liveHeap()
		var s1, s2 runtime.MemStats
		w := &heapWatch{Reader: open()}
		runtime.ReadMemStats(&s1)
		m, err := p.Parse(w)
		if err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&s2)
		most := max(w.most, liveHeap()) - before
		objects, result := resultSize(m)
		t.Logf("%-20s %6d KiB live, result %6d KiB, %d parts; %d allocations, %d KiB", name, most>>10, result>>10, len(m.Parts),
			s2.Mallocs-s1.Mallocs, (s2.TotalAlloc-s1.TotalAlloc)>>10)
		if limit := uint64(4*MaxField) + 2*uint64(result); most > limit {
			t.Errorf("%s: %d bytes in memory, limit %d", name, most, limit)
		}
		if limit := uint64(4000 + objects); s2.Mallocs-s1.Mallocs > limit {
			t.Errorf("%s: %d allocations, limit %d", name, s2.Mallocs-s1.Mallocs, limit)
		}
	}
}

// BenchmarkHostile: the same time a byte whatever the size is work that is linear.
func BenchmarkHostile(b *testing.B) {
	small, large := hostile(1<<20), hostile(16<<20)
	for _, name := range slices.Sorted(maps.Keys(small)) {
		for size, open := range map[string]func() io.Reader{"1MiB": small[name], "16MiB": large[name]} {
			b.Run(strings.ReplaceAll(name, " ", "_")+"/"+size, func(b *testing.B) {
				var p Parser
				var m *Message
				for b.Loop() {
					var err error
					if m, err = p.Parse(open()); err != nil {
						b.Fatal(err)
					}
				}
				b.SetBytes(m.FileSize)
			})
		}
	}
}
