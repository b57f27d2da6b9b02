package main

import (
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// listening is a TCP socket that waits for clients.
type listening struct {
	at    netip.AddrPort
	inode string
}

// listeners are those of the machine, from /proc/net: a line each, in which the second field is the local address in
// hexadecimal words of the machine's order, the fourth the state and the tenth the inode.
func (h *host) listeners() (all []listening, err error) {
	const state, fields = "0A", 10
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		lines, err := h.lines(file)
		if err != nil && file == "/proc/net/tcp" {
			return nil, err
		}
		for _, line := range lines { // none of a machine without IPv6
			f := strings.Fields(line)
			if len(f) < fields || f[3] != state {
				continue
			}
			if at, ok := hexAddress(f[1]); ok {
				all = append(all, listening{at, f[9]})
			}
		}
	}
	return all, nil
}

func hexAddress(s string) (at netip.AddrPort, ok bool) {
	host, port, _ := strings.Cut(s, ":")
	b, err := hex.DecodeString(host)
	n, perr := strconv.ParseUint(port, 16, 16)
	if err != nil || perr != nil || len(b)%4 != 0 {
		return at, false
	}
	for word := range slices.Chunk(b, 4) {
		slices.Reverse(word) // every machine that this is built for has the low byte first
	}
	addr, ok := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(addr.Unmap(), uint16(n)), ok
}

// address is one on which the daemon, or systemd for it, is to listen.
type address struct {
	at   netip.AddrPort
	name string // the listener's name
	unit string // the socket unit; empty: the daemon opens it
	up   bool   // the unit listens, says systemd
}

// parseAddress reads an address as units and the configuration have it. ok is false of what is no TCP port, or a name.
func parseAddress(s string) (at netip.AddrPort, ok bool) {
	s, _, _ = strings.Cut(strings.TrimSpace(s), " ") // systemctl shows "[::]:143 (Stream)"
	if n, err := strconv.ParseUint(s, 10, 16); err == nil {
		return netip.AddrPortFrom(netip.IPv6Unspecified(), uint16(n)), true
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return at, false
	}
	n, err := net.LookupPort("tcp", port)
	if err != nil {
		return at, false
	}
	addr := netip.IPv6Unspecified()
	if host != "" && host != "*" {
		if addr, err = netip.ParseAddr(host); err != nil {
			return at, false
		}
	}
	return netip.AddrPortFrom(addr, uint16(n)), true
}

// clash tells whether two sockets cannot both listen.
func clash(a, b netip.AddrPort) bool {
	return a.Port() == b.Port() && (a.Addr() == b.Addr() || a.Addr().IsUnspecified() || b.Addr().IsUnspecified())
}

// occupied looks who listens on the daemon's addresses.
func (x *exam) occupied(wanted []address) {
	open, err := x.listeners()
	if err != nil {
		x.unseen(err)
		return
	}
	holders := make(map[string]process)
	for _, p := range x.processes() {
		for _, inode := range p.sockets() {
			if first, known := holders[inode]; !known || p.pid < first.pid { // a socket of systemd's is the service's as well
				holders[inode] = p
			}
		}
	}
	told := make(map[string]bool)
	for _, w := range wanted {
		free := true
		for _, l := range open {
			if !clash(w.at, l.at) {
				continue
			}
			free = false
			p, known := holders[l.inode]
			who := fmt.Sprintf("%v %d", w.at, p.pid) // who has it for both families is told once
			if !told[who] && !w.ours(p, known) {
				told[who] = true
				x.taken(w, p, known)
			}
		}
		if free && w.unit == "" {
			x.problem(w.String(), "nobody listens there: the daemon does not run", "# start it")
		}
	}
}

func (w *address) String() string {
	if w.at.Addr().IsUnspecified() {
		return fmt.Sprintf("port %d", w.at.Port())
	}
	return w.at.String()
}

// ours tells whether the one who listens is the daemon, or systemd for it.
func (w *address) ours(p process, known bool) bool {
	if !known {
		return w.up
	}
	return p.command() == daemonName || w.up && p.pid == 1
}

// taken tells who has an address that the daemon wants, as far as the caller can see it.
func (x *exam) taken(w address, p process, known bool) {
	what := fmt.Sprintf("is wanted for [listener %q], and taken by ", w.name)
	if !known {
		x.problem(w.String(), what+"a program that root can see", "# look again as root: maildir-imapctl doctor sockets")
		return
	}
	if p.pid == 1 {
		x.problem(w.String(), what+"systemd for another unit", "systemctl list-sockets    # tells which; then: systemctl disable --now THAT.socket")
		return
	}
	who := fmt.Sprintf("%s, process %d", p.command(), p.pid)
	if pkg := x.packageOf(p.program()); pkg != "" {
		who += " of package " + pkg
	}
	unit := p.unit()
	if unit == "" {
		x.problem(w.String(), what+who, fmt.Sprintf("kill %d    # and keep it from being started again", p.pid))
		return
	}
	units := unit
	if socket := strings.TrimSuffix(unit, ".service") + ".socket"; x.unitNamed(socket) != nil {
		units = socket + " " + unit
	}
	x.problem(w.String(), fmt.Sprintf("%s%s, which %s has started", what, who, unit), "systemctl disable --now "+shellQuotes(units))
}

func shellQuotes(words string) string {
	var all []string
	for _, w := range strings.Fields(words) {
		all = append(all, shellQuote(w))
	}
	return strings.Join(all, " ")
}

// packageOf is the package that a program came in, empty where nobody knows.
func (x *exam) packageOf(program string) string {
	if program == "" {
		return ""
	}
	if out, err := x.host.run(x.cmd.Context(), "dpkg-query", "-S", program); err == nil {
		pkg, _, _ := strings.Cut(out, ":")
		return pkg
	}
	out, err := x.host.run(x.cmd.Context(), "rpm", "-qf", "--qf", "%{NAME}", program)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(out)
}
