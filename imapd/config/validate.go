package config

import (
	"net"
	"path/filepath"
	"strings"
	"time"
)

// validate checks what needs more than one key.
func (l *loader) validate() {
	l.validateTLS()
	l.validateListeners()
	l.validateMetrics()
	l.validateMail()
	l.validateNamespaces()
	l.validateAliases()
	l.validateMailboxes()
	l.validateSpecial()
	l.validateLimits()
}

// at reports a problem at the line of a key, or of its section where the key is not in the file.
func (l *loader) at(h, key string, err error) { l.report(l.lineFor(h, key), h, key, err) }

func (l *loader) lineFor(h, key string) int {
	if n := l.lines[lineOf{h, key, 0}]; n > 0 {
		return n
	}
	return l.lines[lineOf{header: h}]
}

func (l *loader) validateTLS() {
	t := l.config.TLS
	if t.Key != "" && t.Certificate == "" {
		l.at("[tls]", "key", bad("set certificate as well", "there is a key but no certificate"))
	}
	if t.Certificate == "" && t.SelfSigned == SelfSignedNo {
		for _, x := range l.config.Listeners {
			if x.Enabled && x.TLS != NoTLS {
				l.at("[tls]", "self_signed", bad("set [tls] certificate, or self_signed = auto",
					"%s needs a certificate for tls = %s", header("listener", x.Name), x.TLS))
				break
			}
		}
	}
	for _, h := range l.config.Hosts {
		if h.Certificate == "" {
			l.at(header("tls", h.Name), "certificate", bad("name the PEM file", "the section has no certificate"))
		}
	}
}

func (l *loader) validateListeners() {
	taken := map[string]string{}
	for _, x := range l.config.Listeners {
		h := header("listener", x.Name)
		if strings.ContainsAny(x.Name, ": \t") { // FileDescriptorName= knows neither
			l.at(h, "", bad("use letters and digits", "the name has a colon or white space"))
		}
		if !x.Enabled {
			continue
		}
		for _, a := range x.Listen {
			if other, twice := taken[a]; twice && !strings.HasSuffix(a, ":0") {
				l.at(h, "listen", bad("give each its own", "%s is already taken by %s", a, other))
			}
			taken[a] = h
		}
	}
}

// validateMetrics keeps the numbers off the places of the mail: of two sockets of one path the later takes the name
// from the earlier, and of two of one port the later does not open.
func (l *loader) validateMetrics() {
	m := l.config.Metrics.Listen
	if m == "" {
		return
	}
	for _, x := range l.config.Listeners {
		if !x.Enabled {
			continue
		}
		for _, a := range x.Listen {
			if h := header("listener", x.Name); sharePlace(m, a) {
				l.at("[metrics]", "listen", bad("give each its own", "%s is already taken by %s listen = %s in line %d", m, h, a, l.lineFor(h, "listen")))
			}
		}
	}
}

// sharePlace tells whether two addresses cannot both be listened on.
func sharePlace(a, b string) bool {
	if strings.HasPrefix(a, "/") || strings.HasPrefix(b, "/") {
		return filepath.Clean(a) == filepath.Clean(b)
	}
	hostA, portA, errA := net.SplitHostPort(a)
	hostB, portB, errB := net.SplitHostPort(b)
	if errA != nil || errB != nil || portA != portB || portA == "0" {
		return false
	}
	ipA, ipB := listenIP(hostA), listenIP(hostB)
	return ipA == nil && ipB == nil && hostA == hostB || ipA != nil && ipB != nil && (ipA.IsUnspecified() || ipB.IsUnspecified() || ipA.Equal(ipB))
}

// listenIP is the address that a host means; nil for a name, which nobody looks up here.
func listenIP(host string) net.IP {
	switch host {
	case "":
		return net.IPv6unspecified
	case "localhost":
		return net.IPv4(127, 0, 0, 1)
	}
	return net.ParseIP(host)
}

func (l *loader) validateMail() {
	m := l.config.Mail
	if m.Prefix != "" && m.Prefix != "INBOX"+m.Separator {
		l.at("[mail]", "prefix", bad("leave it empty, or write INBOX"+m.Separator, "%q is not a prefix that clients expect", m.Prefix))
	}
	l.validateApart()
}

func (l *loader) validateSpecial() {
	taken := map[string]string{}
	for _, k := range (&l.config.Special).Uses() {
		for _, name := range k.Names {
			if other := taken[name]; other != "" {
				l.at("[special]", k.Use, bad("keep it in one of them", "%q is already the folder for %s", name, other))
			}
			taken[name] = k.Use
		}
	}
}

// SpecialUse is one key of [special].
type SpecialUse struct {
	Use   string // the key: "sent"
	Names []string
}

// Uses lists the section key by key.
func (s *Special) Uses() []SpecialUse {
	return []SpecialUse{
		{"sent", s.Sent}, {"drafts", s.Drafts}, {"junk", s.Junk}, {"trash", s.Trash},
		{"archive", s.Archive}, {"all", s.All}, {"flagged", s.Flagged}, {"important", s.Important},
	}
}

func (l *loader) validateLimits() {
	c := l.config
	for _, d := range []struct {
		key   string
		value time.Duration
	}{{"login_timeout", c.Limits.LoginTimeout}, {"idle_timeout", c.Limits.IdleTimeout}, {"write_timeout", c.Limits.WriteTimeout}} {
		if d.value < time.Second {
			l.at("[limits]", d.key, bad("write at least 1s", "%s would end every connection at once", formatDuration(d.value)))
		}
	}
	if c.Limits.LoginTimeout <= c.Auth.FailureDelay {
		h, key := "[limits]", "login_timeout"
		if l.lineFor(h, key) == 0 {
			h, key = "[auth]", "failure_delay"
		}
		l.at(h, key, bad("make the time-out longer, or the delay shorter",
			"[limits] login_timeout = %s is no longer than [auth] failure_delay = %s", formatDuration(c.Limits.LoginTimeout), formatDuration(c.Auth.FailureDelay)))
	}
	if c.Limits.IdleTimeout < 30*time.Minute && len(l.problems) == 0 { // RFC 9051 §5.4
		l.warnings = append(l.warnings, Warning{Problem{
			File: l.file, Line: l.lineFor("[limits]", "idle_timeout"), Section: "[limits]", Key: "idle_timeout",
			Err: bad("write 30m or more", "%s is less than the 30 minutes that RFC 9051 section 5.4 promises to clients", formatDuration(c.Limits.IdleTimeout)),
		}})
	}
	if len(c.Auth.Mechanisms) == 0 {
		l.at("[auth]", "mechanisms", bad("name at least one, such as plain", "nobody could log in"))
	}
}
