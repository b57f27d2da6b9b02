package gate

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"sync"
	"time"

	"maildir-imapd/imapd/config"
)

// limiter counts connections, in all and per address.
type limiter struct {
	mu       sync.Mutex
	total    int
	perIP    map[netip.Prefix]int
	refusing int
	full     quiet // max_connections
	crowded  quiet // per_ip
	refused  map[string]int64
}

// maxRefusals are told why at once; further ones are just closed.
const maxRefusals = 64

func (l *limiter) init() { l.perIP, l.refused = map[netip.Prefix]int{}, map[string]int64{} }

func (l *limiter) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.total
}

// enter counts a connection in. Either leave or the refusal is nil.
func (l *limiter) enter(remote net.Addr, lim config.Limits) (leave func(), r *refusal) {
	from, counted := source(remote)
	l.mu.Lock()
	defer l.mu.Unlock()
	if lim.MaxConnections > 0 && l.total >= lim.MaxConnections {
		return nil, &refusal{why: "Too many connections", key: "max_connections", limit: lim.MaxConnections, quiet: &l.full}
	}
	if counted && lim.PerIP > 0 && l.perIP[from] >= lim.PerIP {
		return nil, &refusal{why: "Too many connections from your address", key: "per_ip", limit: lim.PerIP, quiet: &l.crowded}
	}
	l.total++
	if counted {
		l.perIP[from]++
	}
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.total--
		if counted {
			if l.perIP[from]--; l.perIP[from] == 0 {
				delete(l.perIP, from)
			}
		}
	}, nil
}

// startRefusal counts a refusal, and tells whether the client can be told why.
func (l *limiter) startRefusal(why *refusal) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refused[why.key]++
	if l.refusing == maxRefusals {
		return false
	}
	l.refusing++
	return true
}

func (l *limiter) endRefusal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refusing--
}

// source is what counts as one address: an IPv4 address, or an IPv6 /64, which one customer has to herself.
// A unix socket has none.
func source(a net.Addr) (netip.Prefix, bool) {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}, false
	}
	ip := t.AddrPort().Addr().Unmap().WithZone("")
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	p, err := ip.Prefix(bits)
	return p, err == nil
}

// refusals is how many connections were refused, by key of [limits].
func (l *limiter) refusals() map[string]int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := map[string]int64{"max_connections": 0, "per_ip": 0, "memory": 0}
	maps.Copy(all, l.refused)
	return all
}

// refusal is a limit that was reached.
type refusal struct {
	why   string
	key   string // of [limits]
	limit any
	quiet *quiet // nil: the log has been told
}

// line is what the client reads: RFC 9051 §7.1.5, RFC 5530 §3.
func (r *refusal) line() string {
	return fmt.Sprintf("* BYE [UNAVAILABLE] %s, the limit is [limits] %s = %v\r\n", r.why, r.key, r.limit)
}

// log says whether this refusal gets a line, and how many it stands for.
func (r *refusal) log() (n int, ok bool) {
	if r.quiet == nil {
		return 0, false
	}
	return r.quiet.ask(time.Now())
}

// quiet lets one line a second into the log.
type quiet struct {
	mu      sync.Mutex
	last    time.Time
	pending int
}

func (q *quiet) ask(now time.Time) (int, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.pending++
	if now.Sub(q.last) < time.Second {
		return 0, false
	}
	n := q.pending
	q.last, q.pending = now, 0
	return n, true
}
