package maildir

import (
	"context"
	"errors"
	"hash/crc32"
	"io"
	"io/fs"
	"slices"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"golang.org/x/sys/unix"

	"maildir-imapd/maildir/fsx"
	"maildir-imapd/maildir/fulltext"
	"maildir-imapd/maildir/message"
)

// textFile is maildir-imapd.text: one filter a message, by which most messages
// that a search need not read are known. It may be deleted or damaged at any
// moment; what it says counts only if it checks.
type textFile struct {
	mu sync.Mutex
	// id is what the file was when its end was known to be sound. It is not kept open: a
	// record begun in this file's end and one of the same number, size and time would at
	// worst be of a message that has one.
	id fileID

	highest imap.UID  // of the mailbox when all of it had a record
	later   time.Time // not written before this: it could not be
}

const (
	textName   = "maildir-imapd.text"
	textMagic  = "MDIRIMT1"
	textHead   = 16        // magic, UIDVALIDITY, version of the text
	textRecord = 16        // length of what follows the checksum, checksum, UID, name
	textMost   = 64 << 10  // bytes of one filter
	textWindow = 256 << 10 // bytes read at once
	textShare  = 7         // the text may be this many times its filter: with all else, under 15 %
	textLeast  = 200       // messages of a mailbox that is worth it
)

var textWindows = sync.Pool{New: func() any { return new([textWindow]byte) }}

// Without tells for each needle, which is folded text (message.Fold), which
// messages of the mailbox certainly do not contain it: neither in the header nor
// in the body, which together are the text that message.SearchText hands out for
// message.ScopeText. What is proved for TEXT holds for BODY too. All others must be
// looked at; so must all messages for a needle of fewer than three bytes, whose set
// is empty. Sets are in ascending order. They are nil where there is no index; that
// and anything wrong with it are no errors, the only one is ctx's.
func (h *Handle) Without(ctx context.Context, needles [][]byte) ([]imap.UIDSet, error) {
	queries := make([]fulltext.Query, len(needles))
	asks := false
	for i, n := range needles {
		q, ok := fulltext.NewQuery(n)
		queries[i] = q
		asks = asks || ok
	}
	if !asks {
		return nil, nil
	}
	sets := make([]textSet, len(needles))
	owner := textOwner{m: h.m}
	end, err := h.m.scanText(ctx, func(r textEntry) {
		for i := range queries {
			if !queries[i].May(r.filter) && owner.has(r) {
				sets[i].add(r.uid)
			}
		}
	})
	if err != nil && ctx.Err() == nil {
		h.m.once("text read", "cannot read the text index: searches read the messages", "err", err)
		return nil, nil
	}
	if end == 0 || err != nil {
		return nil, err
	}
	out := make([]imap.UIDSet, len(needles))
	for i := range sets {
		out[i] = sets[i].set()
	}
	return out, nil
}

// textSet gathers UIDs that come in order, nearly always.
type textSet struct {
	ranges imap.UIDSet
	mixed  bool
}

func (s *textSet) add(uid imap.UID) {
	if n := len(s.ranges); n > 0 {
		last := &s.ranges[n-1]
		if last.Stop+1 == uid {
			last.Stop = uid
			return
		}
		s.mixed = s.mixed || uid <= last.Stop
	}
	s.ranges = append(s.ranges, imap.UIDRange{Start: uid, Stop: uid})
}

// set is in order, without doubles.
func (s *textSet) set() imap.UIDSet {
	if !s.mixed {
		return s.ranges
	}
	slices.SortFunc(s.ranges, func(a, b imap.UIDRange) int { return int(int64(a.Start) - int64(b.Start)) })
	out := s.ranges[:1]
	for _, r := range s.ranges[1:] {
		if last := &out[len(out)-1]; r.Start <= last.Stop || r.Start == last.Stop+1 {
			last.Stop = max(last.Stop, r.Stop)
		} else {
			out = append(out, r)
		}
	}
	s.ranges, s.mixed = out, false
	return out
}

// textEntry is one record. name is a checksum of the message's base name: where
// numbers have been given anew, after a restored backup for instance, the UID alone
// would make it another message's.
type textEntry struct {
	uid    imap.UID
	name   uint32
	filter []byte
}

// textOwner finds the messages of records, which come in order.
type textOwner struct {
	m    *Mailbox
	next int // index of the message that is probably the next record's
}

// has tells whether the record is of a message that is there.
func (o *textOwner) has(r textEntry) bool {
	o.m.mu.RLock()
	defer o.m.mu.RUnlock()
	s := &o.m.state
	i := o.next
	if i >= s.list.len() || s.list.at(i).uid != r.uid {
		i = s.pos(r.uid)
	}
	o.next = i + 1
	if i >= s.list.len() {
		return false
	}
	e := s.list.at(i)
	return e.uid == r.uid && textNameOf(s, e) == r.name
}

func textNameOf(s *state, e *entry) uint32 { return crc32.Checksum(s.base(e), castagnoli) }

// scanText reads the file front to back. It returns the end of what is sound, 0 if
// nothing is: there is no file, or it is another mailbox's life or another
// version's. Where not all of it is, IndexText has something to do. An error is none
// of the file's: that it cannot be read now is no reason to throw it away.
func (m *Mailbox) scanText(ctx context.Context, each func(r textEntry)) (end int64, err error) {
	size := int64(-1)
	defer func() {
		if x := &m.text; err == nil && (end == 0 || end < size) {
			x.mu.Lock()
			x.highest = 0
			x.mu.Unlock()
		}
	}()
	f, err := m.own.OpenRead(textName)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fsx.ErrNotRegular), errors.Is(err, unix.ELOOP):
		return 0, nil // what is no file is replaced by one
	case err != nil:
		return 0, err
	}
	defer f.Close()
	size = f.Stat().Size
	return scanText(ctx, &f, textHeader(m.validity()), each)
}

func textHeader(validity uint32) []byte {
	b := append(make([]byte, 0, textHead), textMagic...)
	b = le.AppendUint32(b, validity)
	return le.AppendUint32(b, message.TextVersion())
}

// scanText calls each for every record up to the first that does not check, and
// returns where that one begins.
func scanText(ctx context.Context, f io.ReaderAt, head []byte, each func(r textEntry)) (end int64, err error) {
	buf := textWindows.Get().(*[textWindow]byte)
	defer textWindows.Put(buf)
	for {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		n, err := f.ReadAt(buf[:], end)
		if err != nil && err != io.EOF {
			return 0, err
		}
		b := buf[:n]
		if end == 0 {
			if n < textHead || string(b[:textHead]) != string(head) {
				return 0, nil
			}
			b = b[textHead:]
		}
		for len(b) >= textRecord {
			size := int(le.Uint32(b)) + 8
			if size < textRecord || size > textRecord+textMost {
				return end + int64(n-len(b)), nil
			}
			if size > len(b) {
				break
			}
			if crc32.Checksum(b[8:size], castagnoli) != le.Uint32(b[4:]) {
				return end + int64(n-len(b)), nil
			}
			each(textEntry{imap.UID(le.Uint32(b[8:])), le.Uint32(b[12:]), b[textRecord:size]})
			b = b[size:]
		}
		end += int64(n - len(b))
		if n < len(buf) {
			return end, nil
		}
	}
}

// appendTextRecord appends one record.
func appendTextRecord(dst []byte, uid imap.UID, name uint32, filter func(dst []byte) []byte) []byte {
	start := len(dst)
	dst = append(dst, make([]byte, textRecord)...)
	dst = filter(dst)
	b := dst[start:]
	le.PutUint32(b, uint32(len(b)-8))
	le.PutUint32(b[8:], uint32(uid))
	le.PutUint32(b[12:], name)
	le.PutUint32(b[4:], crc32.Checksum(b[8:], castagnoli))
	return dst
}
