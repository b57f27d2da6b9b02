package imapd

import (
	"errors"
	"log/slog"
	"net"
	"os"
	"time"
)

// The lines of this file are what administrators and fail2ban match: their words are an interface and are
// pinned by a test. No password and no message text reaches them.

// loginOK tells of a successful login.
func loginOK(log *slog.Logger, l *Login) {
	log.Info("login", "method", l.Mechanism, "tls", l.Info.TLS, "listener", l.Info.Listener,
		"client", l.ClientID["name"])
}

// loginFailed tells of a failed one; contrib/fail2ban matches "login failed" and remote=.
func loginFailed(log *slog.Logger, user, mechanism string, info ConnInfo, err error) {
	log.Warn("login failed", "user", user, "method", mechanism, "tls", info.TLS, "listener", info.Listener, "err", err)
}

// counters are what a session did.
type counters struct {
	fetched, appended, expunged int64
}

// logout tells how a session ended and what it moved.
func logout(log *slog.Logger, why string, since time.Time, in, out int64, n counters) {
	log.Info("logout", "why", why, "in", in, "out", out, "fetched", n.fetched, "appended", n.appended,
		"expunged", n.expunged, "seconds", int64(time.Since(since).Seconds()))
}

// addrText is the address without the port, which is what a person or a filter bans.
func addrText(a net.Addr) string {
	if a == nil {
		return "local"
	}
	host, _, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.String()
	}
	return host
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
