package maildir

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// ErrQuota: what was asked for would take more than the user is allowed. The
// error is a *QuotaError, which says of what; a full disk is ErrFull.
var ErrQuota = errors.New("over quota")

// Quota says how much mail a tree may hold.
type Quota struct {
	Storage  int64 // bytes of all message files, 0 = no limit
	Messages int64 // 0 = no limit
	// Set tells that the limits are these, even where they are none: a maildirsize
	// with others is written anew. Without it the first line of maildirsize rules,
	// and a tree that has no such file has no quota.
	Set bool
	// What sets the limits: whoever is refused is told to look there.
	StorageKey, MessagesKey string
	Warn                    bool   // what goes beyond a limit is taken, and told (Handle.QuotaExceeded)
	Text                    string // the administrator's words to those who are over quota
}

// QuotaError is a limit that would be exceeded, or has been.
type QuotaError struct {
	Resource    string // "storage" or "messages"
	Key         string // what sets the limit
	Limit, Used int64  // Used counts what was refused
	Text        string // the administrator's
}

// Error names the key and its value; it holds no path and may be shown to the client.
func (e *QuotaError) Error() string {
	limit, used := strconv.FormatInt(e.Limit, 10), strconv.FormatInt(e.Used, 10)
	if e.Resource == "storage" {
		limit, used = sizeText(e.Limit), used+" bytes"
	}
	return fmt.Sprintf("over quota: %s = %s, and this makes it %s", e.Key, limit, used)
}

// Is makes it an ErrQuota.
func (e *QuotaError) Is(target error) bool { return target == ErrQuota }

// sizeText writes a size as the configuration does, and exactly.
func sizeText(n int64) string {
	unit := ""
	for i := 0; i < 4 && n != 0 && n%1024 == 0; i++ {
		n, unit = n/1024, "KMGT"[i:i+1]
	}
	return strconv.FormatInt(n, 10) + unit
}

// exceeds tells which limit a sum is beyond, nil for none.
func (q *Quota) exceeds(sum amount) *QuotaError {
	switch {
	case q.Storage > 0 && sum.bytes > q.Storage:
		return &QuotaError{Resource: "storage", Key: q.StorageKey, Limit: q.Storage, Used: sum.bytes, Text: q.Text}
	case q.Messages > 0 && sum.count > q.Messages:
		return &QuotaError{Resource: "messages", Key: q.MessagesKey, Limit: q.Messages, Used: sum.count, Text: q.Text}
	}
	return nil
}

// amount is some mail: bytes of its files, and their number.
type amount struct{ bytes, count int64 }

func (a amount) plus(b amount) amount { return amount{a.bytes + b.bytes, a.count + b.count} }

func (a amount) negative() amount { return amount{-a.bytes, -a.count} }

// maildirsize, in the root of the tree, is Maildir++'s:
//
//	10000000S,1000C     the limits: bytes and messages; one may be missing
//	1234567 89          what was there when it was written
//	      -4096 -1      and what was added and removed since, a line each
//
// The sum of the lines is what the mailboxes hold. Every program that adds or
// removes mail appends its line, in one write and without a lock.
const (
	quotaName = "maildirsize"
	// A file of this size is counted anew by whoever meets it: it need not be read
	// to the end by anybody.
	quotaFull = 5120
	// Lines are padded to this: where O_APPEND is not one step (NFS) and a line ends
	// up in the place of another, it then mostly leaves nothing of that.
	quotaLine = 14
)

// quotaFile is a maildirsize as it was read.
type quotaFile struct {
	limits Quota // of the first line; only the two numbers
	sum    amount
	lines  int // after the first
	bad    bool
	// unknown: its first line cannot be understood. Where the limits stand nowhere
	// else it must not be overwritten.
	unknown bool
}

// parseQuota reads a maildirsize; bad tells that its sum is not to be believed.
// A last line without its LF is being written, or was torn: it is left out. The
// first one may lack it: people write limits by hand.
func parseQuota(b []byte) (f quotaFile) {
	f.bad = len(b) >= quotaFull || bytes.IndexByte(b, 0) >= 0
	head, rest, ok := bytes.Cut(b, []byte{'\n'})
	f.limits.Storage, f.limits.Messages, f.unknown = parseQuotaLimits(string(head), ok)
	for !f.bad && len(rest) > 0 {
		line, after, whole := bytes.Cut(rest, []byte{'\n'})
		if !whole {
			break
		}
		rest = after
		delta, err := parseQuotaLine(string(line))
		sum := f.sum.plus(delta)
		if err != nil || overflows(f.sum, delta) {
			f.bad = true
			break
		}
		f.sum = sum
		f.lines++
	}
	// Without a line after the first somebody has set limits and counted nothing.
	if f.lines == 0 || f.sum.bytes < 0 || f.sum.count < 0 {
		f.bad = true
	}
	return f
}

// parseQuotaLimits reads "10000000S,1000C". What is not understood is no limit;
// unknown is a line of which nothing is understood. An empty line is Courier's
// for no limit, if it is whole; a part of one that is not may be torn.
func parseQuotaLimits(s string, whole bool) (storage, messages int64, unknown bool) {
	if s = strings.TrimSpace(s); strings.IndexByte(s, 0) >= 0 {
		return 0, 0, true
	}
	good, odd := 0, 0
	for part := range strings.SplitSeq(s, ",") {
		if part == "" {
			continue
		}
		n, err := strconv.ParseUint(part[:len(part)-1], 10, 64)
		limit := int64(min(n, math.MaxInt64))
		switch unit := part[len(part)-1]; {
		case err == nil && unit == 'S':
			storage = limit
		case err == nil && unit == 'C':
			messages = limit
		default:
			odd++
			continue
		}
		good++
	}
	return storage, messages, good == 0 && (odd > 0 || !whole) || odd > 0 && !whole
}

func parseQuotaLine(s string) (amount, error) {
	fields := strings.Fields(s)
	if len(fields) != 2 {
		return amount{}, errors.New("not two numbers")
	}
	size, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		return amount{}, err
	}
	count, err := strconv.ParseInt(fields[1], 10, 64)
	return amount{size, count}, err
}

func overflows(a, b amount) bool {
	over := func(a, b int64) bool { c := a + b; return b > 0 && c < a || b < 0 && c > a }
	return over(a.bytes, b.bytes) || over(a.count, b.count)
}

// appendQuotaLine writes one line. Blanks stand before the numbers, one at
// least: every reader skips them, and a torn line before this one cannot be
// taken for the beginning of its first number.
func appendQuotaLine(b []byte, a amount) []byte {
	return fmt.Appendf(b, "%*s\n", quotaLine-1, fmt.Sprintf(" %d %d", a.bytes, a.count))
}

// newQuotaFile is the content of a file just counted. Where there is no limit
// the first line says "0S", as Dovecot writes it.
func newQuotaFile(q Quota, sum amount) []byte {
	var b []byte
	if q.Storage != 0 || q.Messages == 0 {
		b = fmt.Appendf(b, "%dS", q.Storage)
	}
	if q.Messages != 0 {
		if len(b) > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, "%dC", q.Messages)
	}
	return fmt.Appendf(append(b, '\n'), "%d %d\n", sum.bytes, sum.count)
}
