package gate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/activation"

	"maildir-imapd/imapd/config"
)

// ErrNoListener: nothing listens, so nobody could ever connect.
var ErrNoListener = errors.New("no listener could be opened")

// Socket is a listening socket that systemd has opened.
type Socket struct {
	Name string // FileDescriptorName
	net.Listener
}

// Activated takes over the sockets that systemd has passed to this process. What is not a listening stream
// socket is an error of its own and hinders no other.
func Activated() (sockets []Socket, errs []error) {
	for _, f := range activation.Files(true) {
		l, err := net.FileListener(f)
		_ = f.Close()
		if err != nil {
			errs = append(errs, fmt.Errorf("socket %q from systemd: %w", f.Name(), err))
			continue
		}
		sockets = append(sockets, Socket{f.Name(), l})
	}
	return sockets, errs
}

// listener is one open socket.
type listener struct {
	net.Listener
	name    atomic.Pointer[string] // of the section; a reload may give the address to another
	address string                 // as configured, "" for a socket of systemd's
}

func newListener(l net.Listener, name, address string) *listener {
	n := &listener{Listener: l, address: address}
	n.name.Store(&name)
	return n
}

// wanted is a socket that the configuration asks for.
type wanted struct{ name, address string }

// open takes over systemd's sockets and opens the rest.
func (g *Gate) open(c *config.Config) error {
	for _, s := range g.options.Sockets {
		i := slices.IndexFunc(c.Listeners, func(l config.Listener) bool { return l.Name == s.Name })
		if i < 0 {
			g.options.Log.Error("socket from systemd without a section: closed",
				"name", s.Name, "do", fmt.Sprintf("add [listener %q], or set FileDescriptorName= to one of %s", s.Name, listenerNames(c)))
			_ = s.Close()
			continue
		}
		g.listeners = append(g.listeners, newListener(s.Listener, s.Name, ""))
		g.options.Log.Info("listening", "listener", s.Name, "address", s.Addr().String(), "tls", c.Listeners[i].TLS, "from", "systemd")
	}
	var errs []error
	for _, w := range g.wants(c) {
		if err := g.listen(c, w); err != nil {
			errs = append(errs, err)
		}
	}
	if len(g.listeners) > 0 {
		for _, err := range errs {
			g.options.Log.Error("listener not opened", "err", err)
		}
		return nil
	}
	if len(errs) == 0 {
		errs = []error{errors.New("every [listener] has enabled = no, and systemd passed no socket that one is named for")}
	}
	return fmt.Errorf("%w: %w", ErrNoListener, errors.Join(errs...))
}

// wants lists the addresses to open ourselves.
func (g *Gate) wants(c *config.Config) []wanted {
	var all []wanted
	for _, l := range c.Listeners {
		passed := slices.ContainsFunc(g.options.Sockets, func(s Socket) bool { return s.Name == l.Name })
		if !l.Enabled || passed {
			continue
		}
		addresses := l.Listen
		if len(addresses) == 0 && len(g.options.Sockets) == 0 {
			addresses = []string{standardPort(l.TLS)}
		}
		for _, a := range addresses {
			all = append(all, wanted{l.Name, a})
		}
	}
	return all
}

func standardPort(m config.TLSMode) string {
	if m == config.Implicit {
		return ":993"
	}
	return ":143"
}

func listenerNames(c *config.Config) string {
	var all []string
	for _, l := range c.Listeners {
		all = append(all, l.Name)
	}
	return strings.Join(all, ", ")
}

// NoNetwork is what to do where the service may not open sockets of the network's.
const NoNetwork = "the unit lets the daemon open no ports: start systemd's sockets (systemctl enable --now maildir-imapd-imap.socket " +
	"maildir-imapd-imaps.socket), or see listen in maildir-imapd(8)"

func (g *Gate) listen(c *config.Config, w wanted) error {
	network := "tcp"
	if strings.HasPrefix(w.address, "/") {
		network = "unix"
		removeStale(w.address)
	}
	l, err := (&net.ListenConfig{}).Listen(context.Background(), network, w.address)
	if err != nil {
		do := ""
		switch {
		case errors.Is(err, os.ErrPermission) && network == "tcp":
			do = "; ports below 1024 need systemd's socket units or CAP_NET_BIND_SERVICE"
		case errors.Is(err, syscall.EAFNOSUPPORT):
			do = "; " + NoNetwork
		}
		return fmt.Errorf("[listener %q] listen = %s: %w%s", w.name, w.address, err, do)
	}
	g.listeners = append(g.listeners, newListener(l, w.name, w.address))
	g.options.Log.Info("listening", "listener", w.name, "address", l.Addr().String(), "tls", newRules(c).modes[w.name])
	return nil
}

// removeStale removes a unix socket that a killed process has left: nobody answers there.
func removeStale(path string) {
	info, err := os.Lstat(path)
	if err != nil || info.Mode().Type() != os.ModeSocket {
		return
	}
	if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
		_ = c.Close()
		return
	}
	_ = os.Remove(path)
}

// reopen brings the open sockets in line with c without a moment in which nothing listens: what stays is kept,
// what is new is opened, then what is no longer wanted is closed. Called on reload.
func (g *Gate) reopen(c *config.Config) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stop.Err() != nil {
		return
	}
	want := g.wants(c)
	var keep, gone []*listener
	for _, l := range g.listeners {
		i := slices.IndexFunc(want, func(w wanted) bool { return w.address == l.address })
		switch {
		case l.address == "": // systemd's
			keep = append(keep, l)
		case i >= 0: // perhaps under another name now
			name := want[i].name
			l.name.Store(&name)
			want = slices.Delete(want, i, i+1)
			keep = append(keep, l)
		default:
			gone = append(gone, l)
		}
	}
	g.listeners = keep
	failed, errs := g.openMore(c, want)
	if len(g.listeners) == 0 {
		g.listeners = gone
		g.options.Log.Error("no new listener could be opened, the old ones stay", "err", ErrNoListener)
		gone = nil
	}
	for _, l := range gone {
		_ = l.Close()
		g.options.Log.Info("no longer listening", "listener", *l.name.Load(), "address", l.Addr().String())
	}
	if len(gone) > 0 { // one of them may have been in the way, as :143 is of 127.0.0.1:143
		_, errs = g.openMore(c, failed)
	}
	for _, err := range errs {
		g.options.Log.Error("listener not opened", "err", err)
	}
}

// openMore opens and starts sockets and returns those that did not open.
func (g *Gate) openMore(c *config.Config, want []wanted) (failed []wanted, errs []error) {
	for _, w := range want {
		if err := g.listen(c, w); err != nil {
			failed, errs = append(failed, w), append(errs, err)
			continue
		}
		if g.started != nil {
			g.accept(g.started, g.listeners[len(g.listeners)-1])
		}
	}
	return failed, errs
}
