package maildir

import (
	"context"
	"io"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir/fsx"
	"maildir-imapd/maildir/message"
)

// Reader reads the messages of one mailbox: what the cache has of them, and their
// files. One goroutine at a time may use it. A Handle is one; NewReader makes more
// for work that goes on side by side.
type Reader struct {
	m    *Mailbox
	name string // of the mailbox, for errors

	window []byte // of the cache file
	winAt  int64
	tool   *readTool

	// While a message is learnt: what nobody knows of it, and what has been found out,
	// which is remembered at once at the end.
	learning imap.UID
	unknown  kindSet
	learnt   sections
}

// readTool is what reading files takes, lent to a Reader while it has use for it.
type readTool struct {
	parser   message.Parser
	envelope message.Envelope
	parsed   message.Message
	file     fsx.File
	head     header
	text     []byte // the section made of head
	record   []byte
	slab     []byte // what keep hands out
}

const slabSize = 32 << 10

// keep copies b to where it can stay until it is on disk.
func (t *readTool) keep(b []byte) []byte {
	if len(b) > slabSize/4 {
		return append(make([]byte, 0, len(b)), b...)
	}
	if cap(t.slab)-len(t.slab) < len(b) {
		t.slab = make([]byte, 0, slabSize)
	}
	n := len(t.slab)
	t.slab = append(t.slab, b...)
	return t.slab[n:len(t.slab):len(t.slab)]
}

const windowMost = 64 << 10

// NewReader makes a Reader of the handle's mailbox. It must not be used once the
// handle is closed.
func (h *Handle) NewReader() *Reader { return &Reader{m: h.m, name: h.loc.name} }

// Release gives back what a walk over many messages has gathered. The Reader may be
// used again.
func (r *Reader) Release() {
	r.window = nil
	if r.tool != nil {
		if cap(r.tool.parsed.Parts) > 256 || cap(r.tool.record) > windowMost {
			r.tool.parsed, r.tool.envelope, r.tool.record = message.Message{}, message.Envelope{}, nil // of a huge one
		}
		r.m.store.tools.Put(r.tool)
		r.tool = nil
	}
}

func (r *Reader) tools() *readTool {
	if r.tool == nil {
		r.tool, _ = r.m.store.tools.Get().(*readTool)
		if r.tool == nil {
			r.tool = new(readTool)
		}
	}
	return r.tool
}

// Cached is a section of a message's cache record, nil when it is not there. The
// bytes are valid until the Reader's next call.
func (r *Reader) Cached(msg *Message, k Kind) []byte {
	if r.learning == msg.UID && (r.unknown | r.learnt.kinds).has(k) {
		return r.learnt.b[k]
	}
	m := r.m
	if m.cache.pending.Load() > 0 {
		if b := m.cache.waits(msg.UID, k); b != nil {
			return b
		}
	}
	if msg.place.kinds.has(k) {
		if b := cacheSection(r.record(msg.place), msg.UID, k); b != nil {
			return b
		}
	}
	// It may have moved since msg was copied.
	p := m.place(msg.UID)
	if !p.kinds.has(k) {
		return nil
	}
	for range 2 {
		r.window = r.window[:0]
		if b := cacheSection(r.record(p), msg.UID, k); b != nil {
			return b
		}
		if !m.cache.replaced() {
			break
		}
	}
	m.unplace(msg.UID, p, k)
	return nil
}

// sections adds those of a record that are wanted, copied, to s.
func (r *Reader) sections(uid imap.UID, p cachePlace, want kindSet, s *sections) {
	b := r.record(p)
	for k := range kindCount {
		if !want.has(k) {
			continue
		}
		if x := cacheSection(b, uid, k); x != nil {
			s.set(k, append([]byte{}, x...))
		}
	}
}

// record returns the bytes at a place. Records read in order come out of one window
// that grows as they keep coming: a FETCH of all envelopes is a read every 64 KiB.
func (r *Reader) record(p cachePlace) []byte {
	size := int(p.size)
	if i := p.off - r.winAt; i >= 0 && i+int64(size) <= int64(len(r.window)) {
		return r.window[i : i+int64(size)]
	}
	if size > recordMost {
		return nil
	}
	want := size
	if end := r.winAt + int64(len(r.window)); len(r.window) > 0 && p.off >= r.winAt && p.off <= end+windowMost {
		want = max(size, min(windowMost, 4*cap(r.window)))
	}
	if cap(r.window) < want {
		r.window = make([]byte, 0, want)
	}
	b := r.window[:want]
	n := 0
	if f := r.m.cache.reading(r.m.validity()); f != nil {
		n, _ = r.m.own.ReadAt(f, b, p.off) // n tells all
	}
	r.window, r.winAt = b[:n], p.off
	return b[:min(n, size)]
}

// validity is UIDVALIDITY, which a Mailbox has one of.
func (m *Mailbox) validity() uint32 {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.state.validity
}

// Remember keeps a copy of b as a section of the message's cache record. FlushCache
// puts it on disk.
func (r *Reader) Remember(uid imap.UID, k Kind, b []byte) {
	if k >= kindCount {
		return
	}
	var s sections
	s.set(k, r.tools().keep(b))
	r.remember(uid, &s)
}

func (r *Reader) remember(uid imap.UID, s *sections) {
	if r.learning == uid {
		r.learnt.add(s)
		return
	}
	r.m.cache.remember(uid, s)
}

// Envelope fills e from the cache, else from the message's header, which is then
// remembered. What e points to is valid until its next use.
func (r *Reader) Envelope(ctx context.Context, msg *Message, e *message.Envelope) error {
	if b := r.Cached(msg, KindEnvelope); b != nil && e.UnmarshalBinary(b) == nil {
		return nil
	}
	return opError("read", r.name, r.readHeader(ctx, msg.UID, setOf(KindEnvelope), e))
}

// Structure is what parsing the message yields: out of the cache, or by one pass
// over the file, whose result is then remembered. into, if not nil, is reused, so
// that a walk over many messages allocates for none. The message's own envelope is
// in it only when the file was read: see Envelope.
func (r *Reader) Structure(ctx context.Context, msg *Message, into *message.Message) (*message.Message, error) {
	if into == nil {
		into = new(message.Message)
	}
	if b := r.Cached(msg, KindStructure); b != nil && into.UnmarshalBinary(b) == nil {
		return into, nil
	}
	if err := r.parse(ctx, msg.UID, into); err != nil {
		return nil, opError("read", r.name, err)
	}
	return into, nil
}

// OpenMessage opens a message, following it where other programs have renamed
// it. ErrExpunged: it is really gone.
func (r *Reader) OpenMessage(ctx context.Context, uid imap.UID) (*File, error) {
	f := new(File)
	if err := r.m.openMessage(ctx, uid, &f.f); err != nil {
		return nil, opError("open message", r.name, err)
	}
	return f, nil
}

// Open is OpenMessage into a File that the caller has. Several goroutines may call it
// at once.
func (r *Reader) Open(ctx context.Context, uid imap.UID, f *File) error {
	return opError("open message", r.name, r.m.openMessage(ctx, uid, &f.f))
}

// parse reads the message in one pass and remembers what it finds.
func (r *Reader) parse(ctx context.Context, uid imap.UID, p *message.Message) error {
	t := r.tools()
	if err := r.m.openMessage(ctx, uid, &t.file); err != nil {
		return err
	}
	defer t.file.Close()
	if err := t.parser.ParseInto(&t.file, p); err != nil {
		return err
	}
	var s sections
	t.record = p.AppendBinary(t.record[:0])
	n := len(t.record)
	t.record = p.Envelope.AppendBinary(t.record)
	b := t.keep(t.record)
	s.set(KindStructure, b[:n:n])
	s.set(KindEnvelope, b[n:])
	r.remember(uid, &s)
	r.m.know(uid, p.Size, t.file.Stat().Mtime/second)
	return nil
}

// readHeader reads no more than the message's header, and remembers what was
// asked for: the envelope, which is left in e, and the fields, in r.tool.text.
func (r *Reader) readHeader(ctx context.Context, uid imap.UID, want kindSet, e *message.Envelope) error {
	t := r.tools()
	if err := r.m.openMessage(ctx, uid, &t.file); err != nil {
		return err
	}
	defer t.file.Close()
	src := io.Reader(&t.file)
	if want.has(KindFields) { // both from one read
		t.head.reset(&t.file)
		src = &t.head
	}
	n, err := t.parser.ParseHeader(src, e)
	if err != nil {
		return err
	}
	t.record = e.AppendBinary(t.record[:0])
	size := len(t.record)
	if want.has(KindFields) {
		if t.text, err = t.head.fields(t.text[:0], n); err != nil {
			return err
		}
		t.record = append(t.record, t.text...)
	}
	b := t.keep(t.record)
	var s sections
	s.set(KindEnvelope, b[:size:size])
	if want.has(KindFields) {
		s.set(KindFields, b[size:])
	}
	r.remember(uid, &s)
	r.m.know(uid, -1, t.file.Stat().Mtime/second)
	return nil
}
