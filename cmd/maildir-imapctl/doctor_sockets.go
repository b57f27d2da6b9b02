package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"maildir-imapd/imapd/config"
)

// checkSockets looks whether clients can connect: whether the units listen, under names that the configuration knows,
// and whether somebody else has the ports.
func checkSockets(x *exam) {
	x.serviceState()
	var wanted []address
	passed := make(map[string]bool) // the names of sockets that systemd has for the daemon
	units := x.socketUnits()
	for _, u := range units {
		passed[u.as] = true
		wanted = append(wanted, x.addresses(&u)...)
	}
	for _, l := range x.c.Listeners {
		if l.Enabled && !passed[l.Name] {
			wanted = append(wanted, x.ownListener(&l, len(passed) > 0)...)
		}
	}
	x.protocols(wanted)
	x.occupied(wanted) // before a unit is told to listen there
	for _, u := range units {
		x.socketState(&u)
	}
}

// socketUnit is a unit that listens for the daemon.
type socketUnit struct {
	name, as string // of the unit, and of the socket that it hands over
	facts    unitFacts
	listener *config.Listener // nil: none has the name
}

func (x *exam) socketUnits() (all []socketUnit) {
	if x.unit == "" {
		return nil
	}
	for _, name := range x.sockets() {
		facts := x.unitNamed(name)
		if facts == nil {
			continue
		}
		u := socketUnit{name: name, as: orElse(facts.word("FileDescriptorName"), name), facts: facts}
		if i := slices.IndexFunc(x.c.Listeners, func(l config.Listener) bool { return l.Name == u.as }); i >= 0 {
			u.listener = &x.c.Listeners[i]
		}
		all = append(all, u)
	}
	return all
}

func (u *socketUnit) up() bool { return u.facts.word("ActiveState") == "active" }

// off tells that nobody wants it.
func (u *socketUnit) off() bool { return u.listener != nil && !u.listener.Enabled }

// addresses are where a unit listens, or should.
func (x *exam) addresses(u *socketUnit) (wanted []address) {
	if u.off() {
		return nil
	}
	for _, key := range []string{"Listen", "ListenStream"} {
		for _, s := range u.facts[key] {
			if at, ok := parseAddress(s); ok {
				wanted = append(wanted, address{at: at, name: u.as, unit: u.name, up: u.up() && x.systemd()})
			}
		}
	}
	return wanted
}

// serviceState is about the daemon's unit.
func (x *exam) serviceState() {
	if x.unit == "" || !x.systemd() {
		return
	}
	quoted := shellQuote(x.unit)
	if x.service.word("NeedDaemonReload") == "yes" {
		x.problem(x.unit, "its files have changed since systemd read them", "systemctl daemon-reload")
	}
	switch {
	case x.service.word("LoadState") == "masked":
		x.problem(x.unit, "is masked: systemd does not start it", "systemctl unmask "+quoted)
	case x.service.word("ActiveState") == "failed":
		x.problem(x.unit, fmt.Sprintf("has failed (%s)", orElse(x.service.word("Result"), "no result")),
			"journalctl -n 50 -u "+quoted+"    # tells why", "systemctl reset-failed "+quoted+"    # then; the next client starts it")
	}
}

// socketState looks whether a unit listens, and goes on to, under a name that the configuration has.
func (x *exam) socketState(u *socketUnit) {
	quoted := shellQuote(u.name)
	if u.listener == nil {
		x.problem(u.name, fmt.Sprintf("hands over its socket as %q, and there is no section [listener %q]: the daemon closes it", u.as, u.as),
			fmt.Sprintf("# add the section to %s, or: systemctl edit %s    # FileDescriptorName= one of %s", visible(x.file), quoted, listenerNames(x.c)))
		return
	}
	notWanted := fmt.Sprintf("# or, if nobody needs it, in %s: [listener %q] enabled = no", visible(x.file), u.as)
	switch {
	case !x.systemd():
		// its state is nobody's to tell
	case u.off() && u.up():
		x.problem(u.name, fmt.Sprintf("listens, although [listener %q] has enabled = no", u.as), "systemctl disable --now "+quoted)
	case u.off():
		// as it should be
	case u.facts.word("LoadState") == "masked":
		x.problem(u.name, "is masked: nobody listens for the daemon", "systemctl unmask "+quoted+" && systemctl enable --now "+quoted, notWanted)
	case u.facts.word("ActiveState") == "failed":
		x.problem(u.name, fmt.Sprintf("has failed (%s): nobody listens for the daemon", orElse(u.facts.word("Result"), "no result")),
			"journalctl -n 20 -u "+quoted+"    # tells why", "systemctl restart "+quoted+"    # when what is told here is mended")
	case !u.up():
		x.problem(u.name, "is not started: nobody listens for the daemon", "systemctl enable --now "+quoted, notWanted)
	case u.facts.word("UnitFileState") == "disabled":
		x.problem(u.name, "listens now, and will not after the next boot", "systemctl enable "+quoted)
	}
}

// ownListener is a listener for which systemd has no socket.
func (x *exam) ownListener(l *config.Listener, activated bool) (wanted []address) {
	listen := l.Listen
	if len(listen) == 0 && activated {
		x.problem(fmt.Sprintf("[listener %q]", l.Name), "systemd has no socket of this name for the daemon, and there is no listen =: nobody can connect there",
			fmt.Sprintf("# name a socket so (FileDescriptorName=), or in %s: enabled = no", visible(x.file)))
	}
	if len(listen) == 0 && !activated {
		listen = []string{":143"}
		if l.TLS == config.Implicit {
			listen = []string{":993"}
		}
	}
	for _, s := range listen {
		if at, ok := parseAddress(s); ok {
			wanted = append(wanted, address{at: at, name: l.Name})
		}
	}
	return wanted
}

func listenerNames(c *config.Config) string {
	var all []string
	for _, l := range c.Listeners {
		all = append(all, l.Name)
	}
	return strings.Join(all, ", ")
}

// protocols looks whether addresses can be had on this machine's networks.
func (x *exam) protocols(wanted []address) {
	lines, err := x.lines("/proc/net/if_inet6")
	none := err != nil || len(lines) == 0 || lines[0] == ""
	only := x.kernelSays("net.ipv6.bindv6only")
	for _, w := range wanted {
		a := w.at.Addr()
		switch {
		case none && a.Is6() && !a.IsUnspecified():
			mend := fmt.Sprintf("# take the address out of %s", visible(orElse(w.unit, x.file)))
			if x.kernelSays("net.ipv6.conf.all.disable_ipv6") {
				mend = "sysctl -w net.ipv6.conf.all.disable_ipv6=0    # and look in /etc/sysctl.d, which switches it off at boot"
			}
			x.problem(w.String(), fmt.Sprintf("[listener %q] is to listen on an address of IPv6, and this machine has none", w.name), mend)
		case only && w.unit != "" && a == netip.IPv6Unspecified():
			x.problem(w.unit, "with net.ipv6.bindv6only = 1 it takes only clients that come by IPv6",
				fmt.Sprintf("mkdir -p /etc/systemd/system/%s.d && printf '[Socket]\\nBindIPv6Only=both\\n' >/etc/systemd/system/%[1]s.d/ipv4.conf && systemctl daemon-reload && systemctl restart %[1]s", shellQuote(w.unit)))
		}
	}
}

// kernelSays is whether a setting of the kernel's is 1.
func (x *exam) kernelSays(key string) bool {
	lines, err := x.lines("/proc/sys/" + strings.ReplaceAll(key, ".", "/"))
	return err == nil && strings.TrimSpace(lines[0]) == "1"
}
