package maildir

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// A message's file name is base + info. The base, up to the first ':', names
// the message for its whole life; the info, from that ':' on, holds its flags:
//
//	1276528487.M364837P9451.host,S=1355,W=1394 :2,FSab
//
// Anything may lie in cur/, and all of it is served: a name without info has
// no flags, an info that is not "2,..." is kept as it is, letters that mean
// nothing to us are kept, and so is what follows a second comma.

// infoVersion begins an info of flags.
const infoVersion = ":2,"

// splitName cuts a file name before its info, which keeps its colon and is
// empty when there is none.
func splitName(name string) (base, info string) {
	if i := strings.IndexByte(name, ':'); i >= 0 {
		return name[:i], name[i:]
	}
	return name, ""
}

// parseInfo reads an info as splitName gives it: system flags, keyword letters
// a-z as bits, and the rest that must be kept: unknown letters, or everything
// from a second comma on, or an info that holds no flags at all.
func parseInfo(info string) (flags SystemFlags, letters uint32, rest string) {
	if !strings.HasPrefix(info, infoVersion) {
		return 0, 0, info
	}
	s := info[len(infoVersion):]
	known := 0 // letters before i that are ours
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == ',' {
			if known == i {
				return flags, letters, s[i:]
			}
			return flags, letters, unknownLetters(s[:i]) + s[i:]
		}
		if c == ':' { // no letter: kept behind a comma, where it cannot be taken for one
			return flags, letters, unknownLetters(s[:i]) + "," + s[i:]
		}
		if c >= 'a' && c <= 'z' {
			letters |= 1 << (c - 'a')
			known++
		} else if f := letterFlag(c); f != 0 {
			flags |= f
			known++
		}
	}
	if known == len(s) {
		return flags, letters, ""
	}
	return flags, letters, unknownLetters(s)
}

func unknownLetters(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && letterFlag(c) == 0 {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// appendInfo appends the info for these flags and what parseInfo kept: letters
// in ASCII order as Maildir demands, then the rest after a second comma. An
// info of another kind (rest begins with ':') cannot hold flags and makes way
// only when there are any; what it said is then kept after a second comma.
func appendInfo(b []byte, flags SystemFlags, letters uint32, rest string) []byte {
	if strings.HasPrefix(rest, ":") {
		if flags == 0 && letters == 0 {
			return append(b, rest...)
		}
		rest = "," + rest[1:]
	}
	unknown, tail := rest, ""
	if i := strings.IndexByte(rest, ','); i >= 0 {
		unknown, tail = rest[:i], rest[i:]
	}
	b = append(b, infoVersion...)
	start := len(b)
	for i := range len(systemLetters) {
		if flags&(1<<i) != 0 {
			b = append(b, systemLetters[i])
		}
	}
	for i := range byte(26) {
		if letters&(1<<i) != 0 {
			b = append(b, 'a'+i)
		}
	}
	if unknown != "" {
		b = append(b, unknown...)
		sortBytes(b[start:])
	}
	return append(b, tail...)
}

// sortBytes is an insertion sort: a handful of letters, nearly in order.
func sortBytes(b []byte) {
	for i := 1; i < len(b); i++ {
		for j := i; j > 0 && b[j] < b[j-1]; j-- {
			b[j], b[j-1] = b[j-1], b[j]
		}
	}
}

// sizesInName reads ",S=<bytes>" and ",W=<bytes with CRLF>" of a base name;
// -1 for one that is absent or no number. ok: both are there.
func sizesInName(base string) (size, virtual int64, ok bool) {
	size, virtual = sizeField(base, ",S="), sizeField(base, ",W=")
	return size, virtual, size >= 0 && virtual >= 0
}

func sizeField(base, key string) int64 {
	i := strings.Index(base, key)
	if i < 0 {
		return -1
	}
	i += len(key)
	var n int64
	start := i
	for ; i < len(base) && base[i] >= '0' && base[i] <= '9'; i++ {
		if n = n*10 + int64(base[i]-'0'); n > 1<<50 {
			return -1
		}
	}
	if i == start || i < len(base) && base[i] != ',' && base[i] != ':' {
		return -1
	}
	return n
}

// nameTime reads "<seconds>.M<microseconds>..."; zeros where the name is of
// another shape.
func nameTime(name string) (sec, usec uint64) {
	sec, rest := leadingNumber(name)
	if strings.HasPrefix(rest, ".M") {
		usec, _ = leadingNumber(rest[2:])
	}
	return sec, usec
}

func leadingNumber(s string) (n uint64, rest string) {
	i := 0
	for ; i < len(s) && s[i] >= '0' && s[i] <= '9'; i++ {
		if n > 1<<59 {
			return 1 << 62, s[i:] // beyond any time: last
		}
		n = n*10 + uint64(s[i]-'0')
	}
	return n, s[i:]
}

var (
	nameCounter atomic.Uint64
	nameHost    = func() string {
		h, err := os.Hostname()
		if err != nil || h == "" {
			h = "localhost"
		}
		return strings.NewReplacer("/", `\057`, ":", `\072`, ",", `\054`).Replace(h)
	}()
	namePid = strconv.Itoa(os.Getpid())
)

// newBaseName makes a name that no other delivery has: time, microseconds,
// process, a counter of this process, and the host. Sizes are added by
// appendSizes once they are known.
func newBaseName(now time.Time) string {
	var buf [96]byte
	b := strconv.AppendInt(buf[:0], now.Unix(), 10)
	b = append(b, ".M"...)
	b = strconv.AppendInt(b, int64(now.Nanosecond()/1000), 10)
	b = append(b, 'P')
	b = append(b, namePid...)
	b = append(b, 'Q')
	b = strconv.AppendUint(b, nameCounter.Add(1), 10)
	b = append(b, '.')
	b = append(b, nameHost...)
	return string(b)
}

// appendSizes adds the size fields that later readers are spared to find out.
func appendSizes(base string, size, virtual int64) string {
	b := make([]byte, 0, len(base)+40)
	b = append(append(b, base...), ",S="...)
	b = strconv.AppendInt(b, size, 10)
	b = append(b, ",W="...)
	return string(strconv.AppendInt(b, virtual, 10))
}

// isMessageName tells whether a name in cur/ or new/ is a message's: all but
// hidden ones.
func isMessageName(name string) bool { return name != "" && name[0] != '.' }
