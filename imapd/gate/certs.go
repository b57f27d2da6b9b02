package gate

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"maildir-imapd/imapd/config"
)

// Certificates are the server's certificates, replaceable while handshakes run.
type Certificates struct {
	log  *slog.Logger
	now  func() time.Time
	base *tls.Config
	set  atomic.Pointer[certSet]

	mu     sync.Mutex       // one Reload at a time; guards unkept
	unkept *tls.Certificate // self-signed, where the state directory cannot be written
}

// certSet is one generation of certificates. It does not change.
type certSet struct {
	byName map[string]*tls.Certificate // "" is the default; "*.x" one label
	config *tls.Config                 // nil: no listener wants TLS
}

// LoadCertificates reads what c names, or makes a self-signed certificate for hostname.
func LoadCertificates(c *config.Config, hostname string, log *slog.Logger) (*Certificates, error) {
	s := &Certificates{log: log, now: time.Now}
	s.base = &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			if set := s.set.Load(); set.config != nil {
				return set.config, nil
			}
			return nil, errors.New("no certificate")
		},
	}
	_, err := s.Reload(c, hostname)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Config is the configuration for every handshake of the server's life; nil where no listener uses TLS.
func (s *Certificates) Config() *tls.Config {
	if s.set.Load().config == nil {
		return nil
	}
	return s.base
}

// Reload reads the files again. On an error the old set stays. Otherwise it says what changed, one phrase per
// certificate.
func (s *Certificates) Reload(c *config.Config, hostname string) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := &certSet{byName: map[string]*tls.Certificate{}}
	if err := s.fill(next, c, hostname); err != nil {
		return nil, err
	}
	old := s.set.Load()
	if old != nil {
		if err := s.refuseExpired(old, next); err != nil {
			return nil, err
		}
	}
	if len(next.byName) > 0 {
		next.config = &tls.Config{
			MinVersion:     minVersion(c.TLS.MinVersion),
			GetCertificate: next.choose,
			// A browser that is tricked into talking to this port asks for "h2" or "http/1.1" and is refused
			// (ALPACA); clients that ask for nothing are served. "imap" is IANA's name.
			NextProtos: []string{"imap"},
		}
	}
	s.set.Store(next)
	for _, name := range slices.Sorted(maps.Keys(next.byName)) {
		s.warnExpiry(next.byName[name].Leaf)
	}
	return changes(old, next), nil
}

// CheckCertificates reads what c names, but for what [Unchecked] lists, and makes nothing.
func CheckCertificates(c *config.Config) error {
	s := &Certificates{now: time.Now}
	files := *readable(c)
	files.TLS.SelfSigned = config.SelfSignedNo
	set := &certSet{byName: map[string]*tls.Certificate{}}
	if err := s.fill(set, &files, ""); err != nil {
		return err
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(set.byName)) {
		if leaf := set.byName[name].Leaf; s.expired(leaf) {
			errs = append(errs, fmt.Errorf("certificate for %s is valid from %s to %s, not now", subject(leaf), day(leaf.NotBefore), day(leaf.NotAfter)))
		}
	}
	return errors.Join(errs...)
}

func minVersion(v config.TLSVersion) uint16 {
	if v == config.TLS13 {
		return tls.VersionTLS13
	}
	return tls.VersionTLS12
}

func (s *Certificates) fill(set *certSet, c *config.Config, hostname string) error {
	if !slices.ContainsFunc(c.Listeners, func(l config.Listener) bool { return l.TLS != config.NoTLS }) {
		return nil
	}
	var errs []error
	load := func(section, name, certificate, key string) {
		cert, err := loadPair(certificate, key)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s %w", section, err))
			return
		}
		set.byName[name] = cert
	}
	switch {
	case c.TLS.Certificate != "":
		load("[tls]", "", c.TLS.Certificate, c.TLS.Key)
	case c.TLS.SelfSigned == config.SelfSignedAuto:
		cert, err := s.selfSigned(c.Server.State, hostname)
		if err != nil {
			errs = append(errs, err)
			break
		}
		set.byName[""] = cert
	}
	for _, h := range c.Hosts {
		load(fmt.Sprintf("[tls %q]", h.Name), h.Name, h.Certificate, h.Key)
	}
	return errors.Join(errs...)
}

// loadPair reads one certificate chain and its key; one file may hold both.
func loadPair(certificate, key string) (*tls.Certificate, error) {
	what := "key"
	if key == "" {
		key, what = certificate, "certificate"
	}
	chain, err := readPEM(certificate)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	secret, err := readPEM(key)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	cert, err := tls.X509KeyPair(chain, secret)
	if err != nil {
		return nil, fmt.Errorf("%s = %s: %w", what, key, err)
	}
	if cert.Leaf == nil {
		if cert.Leaf, err = x509.ParseCertificate(cert.Certificate[0]); err != nil {
			return nil, fmt.Errorf("certificate = %s: %w", certificate, err)
		}
	}
	return &cert, nil
}

// rights is advice for the keys of other programs, which are often root's alone.
func rights(err error) string {
	switch hidden := new(fs.PathError); {
	case errors.Is(err, fs.ErrPermission):
		return "; let the daemon's user read it, and enter the directories above: setfacl -m u:vmail:r FILE, u:vmail:x DIRECTORY"
	case errors.Is(err, fs.ErrNotExist) && errors.As(err, &hidden) && strings.HasPrefix(hidden.Path, "/var/lib/"):
		return "; if it is there, the unit hides it: use LoadCredential=, or BindReadOnlyPaths= (maildir-imapd(8))"
	}
	return ""
}

// choose picks by the name the client asks for (RFC 6066 §3).
func (set *certSet) choose(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name := strings.TrimSuffix(strings.ToLower(hello.ServerName), ".")
	if c := set.byName[name]; c != nil {
		return c, nil
	}
	if _, rest, ok := strings.Cut(name, "."); ok {
		if c := set.byName["*."+rest]; c != nil {
			return c, nil
		}
	}
	if c := set.byName[""]; c != nil {
		return c, nil
	}
	return nil, fmt.Errorf("no certificate for %q", name)
}

// Served is the certificate that a connection was shown: the one for the name it asked for. Go's TLS does not
// remember it for a server. Between a handshake and the login a reload may have put another in its place; a login
// that is bound to the old one then fails, as it would behind somebody in the middle, and the next one works.
func (s *Certificates) Served(state *tls.ConnectionState) *x509.Certificate {
	c, err := s.set.Load().choose(&tls.ClientHelloInfo{ServerName: state.ServerName})
	if err != nil {
		return nil
	}
	return c.Leaf
}

func (s *Certificates) expired(c *x509.Certificate) bool {
	now := s.now()
	return now.After(c.NotAfter) || now.Before(c.NotBefore)
}

// refuseExpired keeps a set of valid certificates from being replaced by one that clients would reject.
func (s *Certificates) refuseExpired(old, next *certSet) error {
	for name, c := range next.byName {
		was := old.byName[name]
		if was != nil && s.expired(c.Leaf) && !s.expired(was.Leaf) {
			return fmt.Errorf("certificate for %s is valid from %s to %s, not now", subject(c.Leaf), day(c.Leaf.NotBefore), day(c.Leaf.NotAfter))
		}
	}
	return nil
}

func (s *Certificates) warnExpiry(c *x509.Certificate) {
	switch left := c.NotAfter.Sub(s.now()); {
	case s.expired(c):
		s.log.Error("certificate is not valid now", "name", subject(c), "from", day(c.NotBefore), "until", day(c.NotAfter))
	case left < 14*24*time.Hour:
		s.log.Warn("certificate expires soon", "name", subject(c), "until", day(c.NotAfter))
	}
}

func changes(old, next *certSet) []string {
	if old == nil {
		return nil
	}
	var all []string
	for _, name := range slices.Sorted(maps.Keys(next.byName)) {
		c, was := next.byName[name].Leaf, old.byName[name]
		if was == nil || !was.Leaf.Equal(c) {
			all = append(all, fmt.Sprintf("certificate of %s: sha256 %s, valid until %s", subject(c), fingerprint(c)[:16], day(c.NotAfter)))
		}
	}
	return all
}

func subject(c *x509.Certificate) string {
	switch {
	case len(c.DNSNames) > 0:
		return c.DNSNames[0]
	case len(c.IPAddresses) > 0:
		return c.IPAddresses[0].String()
	}
	return c.Subject.CommonName
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

func fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}
