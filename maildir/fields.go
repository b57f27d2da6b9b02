package maildir

import (
	"context"
	"slices"
	"strings"

	"maildir-imapd/maildir/fsx"
	"maildir-imapd/maildir/message"
)

// listFields are the header fields that clients list mail by: what Thunderbird,
// Apple Mail, Outlook, K-9, FairEmail, mutt, Roundcube and Evolution ask for. They
// are kept in KindFields once somebody has asked for any of them. Received is not
// among them: it would be half of the section. The version of the section goes
// with the list.
var listFields = []string{
	"Bcc", "Cc", "Content-Transfer-Encoding", "Content-Type", "Date", "Disposition-Notification-To", "From", "Importance",
	"In-Reply-To", "Lines", "List-Id", "List-Post", "List-Unsubscribe", "Mail-Followup-To", "Mail-Reply-To", "Message-ID",
	"MIME-Version", "Newsgroups", "Priority", "References", "Reply-To", "Return-Receipt-To", "Sender", "Subject", "To",
	"User-Agent", "X-Draft-Info", "X-Label", "X-Mailer", "X-Priority",
}

const (
	fieldsVersion = 1
	fieldsTooLong = 0x81     // version of a section without fields: they are too many to be kept
	fieldsMost    = 32 << 10 // bytes of them
)

// ListField tells whether Fields has the header fields of this name.
func ListField(name string) bool {
	_, ok := slices.BinarySearchFunc(listFields, name, func(a, b string) int {
		return strings.Compare(strings.ToLower(a), strings.ToLower(b))
	})
	return ok
}

// Fields is the part of the message's header that clients list mail by (ListField),
// as message.HeaderFields gives it, without the blank line: from the cache, else
// from the file, and then remembered. nil: it is too long to be kept, or there is
// reason to read the file itself. The bytes are valid until the Reader's next call.
func (r *Reader) Fields(ctx context.Context, msg *Message) ([]byte, error) {
	b := r.Cached(msg, KindFields)
	if len(b) == 0 || b[0]&^0x80 != fieldsVersion {
		t := r.tools()
		if err := r.readHeader(ctx, msg.UID, setOf(KindFields)|setOf(KindEnvelope), &t.envelope); err != nil {
			return nil, opError("read", r.name, err)
		}
		b = t.text
	}
	if len(b) == 0 || b[0] != fieldsVersion {
		return nil, nil
	}
	return b[1:], nil
}

// header is a message's header while it is read: a reader of the file that keeps
// what comes first.
type header struct {
	f   *fsx.File
	b   []byte
	off int
}

// headerMost is how much of a header is looked through for its fields; where one is
// longer they are not kept.
const (
	headerFirst = 8 << 10
	headerMost  = 64 << 10
)

func (h *header) reset(f *fsx.File) {
	h.f, h.off = f, 0
	if cap(h.b) < headerFirst || cap(h.b) > headerMost {
		h.b = make([]byte, headerFirst)
	}
	n, _ := f.ReadAt(h.b[:headerFirst], 0) // an error comes again
	h.b = h.b[:n]
}

func (h *header) Read(b []byte) (n int, err error) {
	if h.off < len(h.b) {
		n = copy(b, h.b[h.off:])
	} else {
		n, err = h.f.ReadAt(b, int64(h.off))
	}
	h.off += n
	return n, err
}

// fields appends the section of KindFields, made from the header's n bytes.
func (h *header) fields(b []byte, n int64) ([]byte, error) {
	if n > headerMost {
		return append(b, fieldsTooLong), nil
	}
	if had := len(h.b); int64(had) < n {
		h.b = slices.Grow(h.b, int(n)-had)[:n]
		if k, err := h.f.ReadAt(h.b[had:], int64(had)); int64(had+k) < n {
			return b, err
		}
	}
	return appendFields(b, h.b[:n]), nil
}

// appendFields appends the section that Fields reads, made from a whole header.
func appendFields(b, header []byte) []byte {
	start := len(b)
	b = append(b, fieldsVersion)
	b = message.HeaderFields(b, header, listFields, false)
	if len(b)-start > fieldsMost {
		return append(b[:start], fieldsTooLong)
	}
	return b[:len(b)-2]
}
