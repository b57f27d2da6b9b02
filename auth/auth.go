package auth

import (
	"context"
	"crypto/rand"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/emersion/go-imap/v2"
)

// Options are an Authenticator's settings; zero values are the defaults.
type Options struct {
	File       *File         // nil: nobody can log in until Replace
	Hostname   string        // in CRAM-MD5 challenges; "localhost"
	Mechanisms []string      // allowed mechanisms; nil allows all
	Cleartext  bool          // PLAIN and LOGIN without TLS on every connection
	Anonymous  bool          // ANONYMOUS, whatever Mechanisms says
	Delay      time.Duration // from a failed login's last byte to its answer; 2s
	Workers    int           // passwords hashed at once; half the processors
	CacheTTL   time.Duration // how long a success is remembered; 5m, negative for never
	// Seed is a secret of the installation from which the salts shown to unknown users derive. Without one they
	// change when the process restarts, which the salts of real users do not.
	Seed []byte
}

// Conn is what a mechanism may know of its connection.
type Conn struct {
	Remote    net.Addr
	TLS       bool
	Cleartext bool // PLAIN and LOGIN are allowed without TLS
	// ChannelBinding gives the connection's own binding: tls-exporter (RFC 9266) with TLS 1.3, tls-unique
	// (RFC 5929) before; see TLSBinding. Nil, or no data, means no SCRAM-*-PLUS.
	ChannelBinding func() (typ string, data []byte)
	// EndPoint gives the tls-server-end-point binding for clients that ask for that one; see EndPointBinding. May
	// be nil.
	EndPoint func() []byte
}

// Exchange is one SASL authentication (RFC 4422), seen from the server.
type Exchange interface {
	// Next takes the client's response and returns the next challenge, or done. The first call gets nil when
	// there was no initial response. An error ends the exchange; it is an *Error.
	Next(ctx context.Context, response []byte) (challenge []byte, done bool, err error)
	// User is who logged in, once Next has returned done.
	User() User
}

// Authenticator checks logins against a password file that may be replaced at any
// time. It is safe for concurrent use.
type Authenticator struct {
	file     atomic.Pointer[File]
	hostname string
	allowed  []string
	clear    bool
	nameless bool // ANONYMOUS is allowed
	delay    time.Duration
	slots    chan struct{} // one token per password being hashed
	cache    *cache
	seed     []byte
}

// New returns an Authenticator.
func New(o Options) *Authenticator {
	a := &Authenticator{hostname: o.Hostname, clear: o.Cleartext, nameless: o.Anonymous, delay: o.Delay, seed: o.Seed}
	for _, m := range o.Mechanisms {
		a.allowed = append(a.allowed, strings.ToUpper(m))
	}
	if a.hostname == "" {
		a.hostname = "localhost"
	}
	if a.delay <= 0 {
		a.delay = 2 * time.Second
	}
	if o.Workers <= 0 {
		o.Workers = max(1, runtime.NumCPU()/2)
	}
	a.slots = make(chan struct{}, o.Workers)
	if o.CacheTTL == 0 {
		o.CacheTTL = 5 * time.Minute
	}
	a.cache = newCache(o.CacheTTL)
	if len(a.seed) == 0 {
		a.seed = make([]byte, 32)
		rand.Read(a.seed) // never fails: crypto/rand ends the process instead
	}
	if o.File == nil {
		o.File, _ = Parse("", nil)
	}
	a.file.Store(o.File)
	return a
}

// Replace puts another file in force for the logins that begin from now on.
func (a *Authenticator) Replace(f *File) {
	a.file.Store(f)
	a.cache.keep(f)
}

// Mechanisms lists what can be used on this connection now, best first.
func (a *Authenticator) Mechanisms(c Conn) []string {
	var names []string
	for i := range mechanisms {
		if m := &mechanisms[i]; a.refuse(m, c) == nil {
			names = append(names, m.name)
		}
	}
	return names
}

// mechanism is one row of the table of SASL mechanisms.
type mechanism struct {
	name  string
	needs string // the key in File.serves; empty: any file serves it
	clear bool   // the password itself crosses the connection
	bound bool   // SCRAM-*-PLUS
	open  bool   // asks for no secret
	start func(a *Authenticator, c Conn, offered []string) Exchange
}

// plainRow is apart because the LOGIN command stands and falls with it.
var plainRow = mechanism{name: "PLAIN", clear: true, start: startPlain}

// mechanisms is in the order of preference in which they are advertised.
var mechanisms = []mechanism{
	{name: "SCRAM-SHA-256-PLUS", needs: "SCRAM-SHA-256", bound: true, start: startSCRAM(scramSHA256, true)},
	{name: "SCRAM-SHA-256", needs: "SCRAM-SHA-256", start: startSCRAM(scramSHA256, false)},
	{name: "SCRAM-SHA-1-PLUS", needs: "SCRAM-SHA-1", bound: true, start: startSCRAM(scramSHA1, true)},
	{name: "SCRAM-SHA-1", needs: "SCRAM-SHA-1", start: startSCRAM(scramSHA1, false)},
	{name: "CRAM-MD5", needs: "CRAM-MD5", start: startCRAM},
	plainRow,
	{name: "LOGIN", clear: true, start: startLogin},
	{name: "ANONYMOUS", open: true, start: startAnonymous},
}

// refuse says why a mechanism cannot be used on a connection, nil when it can.
func (a *Authenticator) refuse(m *mechanism, c Conn) *Error {
	switch {
	case m.open && !a.nameless,
		!m.open && a.allowed != nil && !slices.Contains(a.allowed, m.name),
		m.needs != "" && !a.file.Load().serves[m.needs],
		m.bound && !c.bound():
		return &Error{Cause: ErrMechanism, Code: imap.ResponseCodeCannot, Text: "Mechanism " + m.name + " is not available here"}
	case m.clear && !a.private(c):
		return &Error{Cause: ErrPrivacy, Code: imap.ResponseCodePrivacyRequired, Text: "Use TLS first: passwords are not accepted in clear"}
	}
	return nil
}

// private reports whether a password may cross the connection.
func (a *Authenticator) private(c Conn) bool { return c.TLS || c.Cleartext || a.clear }

// Start begins an exchange. Names are in any case.
func (a *Authenticator) Start(mech string, c Conn) (Exchange, error) {
	mech = strings.ToUpper(mech)
	for i := range mechanisms {
		m := &mechanisms[i]
		if m.name != mech {
			continue
		}
		if err := a.refuse(m, c); err != nil {
			return nil, err
		}
		return m.start(a, c, a.Mechanisms(c)), nil
	}
	return nil, &Error{Cause: ErrMechanism, Text: "Unknown authentication mechanism", Code: imap.ResponseCodeCannot}
}

// Login is the LOGIN command. It is allowed where PLAIN is.
func (a *Authenticator) Login(ctx context.Context, user, password string, c Conn) (User, error) {
	start := time.Now()
	if err := a.refuse(&plainRow, c); err != nil {
		return User{}, err
	}
	u, err := a.password(ctx, c, user, "", password)
	if err != nil {
		return User{}, a.late(ctx, start, err)
	}
	u.Mechanism = "LOGIN"
	return u, nil
}
