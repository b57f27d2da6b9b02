package auth

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// ErrNotFromHere: the password was right, but the user's line keeps this login out.
var ErrNotFromHere = errors.New("the user's line in the password file does not allow this login")

// restriction is what the extra fields of a user say about where logins may come from. They are Dovecot's, and a
// file that relies on them must not open more doors here than there.
type restriction struct {
	never bool           // nologin
	nets  []netip.Prefix // allow_nets
	local bool           // allow_nets=local: unix sockets
	some  bool           // there is an allow_nets, so what it does not name is kept out
}

func newRestriction(extra map[string]string) (r restriction, err error) {
	_, r.never = extra["nologin"] // with whatever value, as in Dovecot
	list, ok := extra["allow_nets"]
	if !ok {
		return r, nil
	}
	r.some = true
	for _, word := range strings.Split(list, ",") {
		if word == "local" {
			r.local = true
			continue
		}
		p, err := netip.ParsePrefix(word)
		if err != nil {
			var a netip.Addr
			if a, err = netip.ParseAddr(word); err == nil {
				p, err = a.Prefix(a.BitLen())
			}
		}
		if err != nil {
			return r, fmt.Errorf("allow_nets: %q is no address, no network as 192.0.2.0/24, and not local", word)
		}
		r.nets = append(r.nets, p.Masked())
	}
	return r, nil
}

// allows reports whether a login may come from remote.
func (r *restriction) allows(remote net.Addr) bool {
	if r.never || !r.some {
		return !r.never
	}
	t, ok := remote.(*net.TCPAddr)
	if !ok {
		return r.local && remote != nil && remote.Network() == "unix"
	}
	ip := t.AddrPort().Addr().Unmap().WithZone("")
	for _, p := range r.nets {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}
