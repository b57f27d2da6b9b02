package config

import "time"

// sysconfdir is where the defaults lie; the Makefile sets it (-X) where SYSCONFDIR is another directory.
var sysconfdir = "/etc"

// DefaultPath is the INI file that is read when the command line names none.
var DefaultPath = sysconfdir + "/maildir-imapd/imapd.ini"

// Config is one complete configuration.
type Config struct {
	Server     Server
	Listeners  []Listener
	TLS        TLS
	Hosts      []Host
	Auth       Auth
	Mail       Mail
	Namespaces []Namespace
	Aliases    []Alias
	Mailboxes  []Mailbox
	Special    Special
	Quota      Quota
	Limits     Limits
	Log        Log
	Metrics    Metrics
}

// Server is the section [server].
type Server struct {
	Hostname string // empty: the machine's own name
	Root     bool   // allows single mode as root
	State    string // directory of certificates and per-user state
	Motd     string // file of a text that everybody is sent at login; empty: none
}

// Listener is a section [listener "NAME"]; NAME is also the FileDescriptorName of its systemd socket.
type Listener struct {
	Name    string
	Enabled bool
	Listen  []string // empty: the protocol's port, where systemd passes no sockets
	TLS     TLSMode
}

// TLSMode says when a listener's connections are encrypted.
type TLSMode string

// The values of [listener] tls.
const (
	StartTLS TLSMode = "starttls" // STARTTLS is offered
	Implicit TLSMode = "implicit" // TLS from the first byte (RFC 8314)
	Required TLSMode = "required" // STARTTLS is offered, nobody logs in without
	NoTLS    TLSMode = "none"     // no TLS on this listener
)

// TLS is the section [tls].
type TLS struct {
	Certificate string // PEM chain; empty: self-signed
	Key         string // PEM; empty: in the certificate file
	SelfSigned  SelfSigned
	MinVersion  TLSVersion
}

// SelfSigned says what happens where no certificate is configured.
type SelfSigned string

// The values of [tls] self_signed.
const (
	SelfSignedAuto SelfSigned = "auto"
	SelfSignedNo   SelfSigned = "no"
)

// TLSVersion is the lowest TLS version spoken.
type TLSVersion string

// The values of [tls] min_version. Older ones are not offered: RFC 8996.
const (
	TLS12 TLSVersion = "1.2"
	TLS13 TLSVersion = "1.3"
)

// Host is a section [tls "host.name"]: the certificate for clients that ask for this name (SNI). The name may
// start with "*." for one label.
type Host struct {
	Name        string
	Certificate string
	Key         string // empty: in the certificate file
}

// Auth is the section [auth].
type Auth struct {
	File         string
	Anonymous    bool   // whoever comes may log in without a name
	Groups       string // file of groups; empty: the password file's alone
	Cleartext    Cleartext
	Mechanisms   []string // upper case, as in RFC 4422's registry
	FailureDelay time.Duration
	MaxFailures  int
	Workers      int           // 0: half the processors
	Cache        time.Duration // 0: none
}

// Cleartext says where PLAIN, LOGIN and the LOGIN command, which send the password itself, are allowed.
type Cleartext string

// The values of [auth] cleartext.
const (
	CleartextYes      Cleartext = "yes"      // everywhere
	CleartextLoopback Cleartext = "loopback" // under TLS and from this machine
	CleartextTLSOnly  Cleartext = "tls-only" // under TLS
	CleartextNo       Cleartext = "no"       // nowhere: only SCRAM and CRAM-MD5 remain
)

// Mail is the section [mail].
type Mail struct {
	Path      string // template
	Control   string // template; "": lists lie beside the mail
	Index     string // template; "": indices lie beside the lists
	Layout    Layout
	Separator string // "/" or "."
	Prefix    string // "" or "INBOX" and the separator
	Fsync     Fsync
	Follow    []string // directories that symbolic links may lead to
	UTF8      bool     // folder names on disk in UTF-8 instead of modified UTF-7
	Tilde     bool     // ~user/box and ~public/box are names of other users' and of public mailboxes
}

// Layout is how folders lie on disk.
type Layout string

// The values of layout.
const (
	MaildirPP Layout = "maildir++"
	FS        Layout = "fs"
)

// Fsync says which changes survive a power cut.
type Fsync string

// The values of [mail] fsync.
const (
	FsyncYes    Fsync = "yes"    // all but STORE and EXPUNGE
	FsyncAlways Fsync = "always" // those as well
)

// Special is the section [special]: which folders are for what (RFC 6154). The first name of each that exists
// is the one; names are relative to the personal namespace.
type Special struct {
	Sent, Drafts, Junk, Trash, Archive, All, Flagged, Important []string
}

// Quota is the section [quota]: what a user's own mail may come to. The password file can say otherwise for
// single users.
type Quota struct {
	Storage, Messages Limit
	Exceeded          Exceeded
	ExceededText      string // for those who are over quota, after the server's own words
}

// Limit is a number that need not be there.
type Limit struct {
	Set bool  // of [quota], unset: the first line of a maildirsize rules
	N   int64 // 0: no limit
}

// memoryDefault is what the process should do with where nobody says.
const memoryDefault = 256 << 20

// Exceeded says what becomes of mail beyond a quota.
type Exceeded string

// The values of [quota] exceeded.
const (
	ExceededRefuse Exceeded = "refuse" // NO [OVERQUOTA]
	ExceededWarn   Exceeded = "warn"   // taken, with an untagged NO [OVERQUOTA]
)

// Limits is the section [limits]. 0 is no limit where the man page says so.
type Limits struct {
	MaxConnections     int
	PerIP              int
	PerUser            int
	LoginTimeout       time.Duration
	IdleTimeout        time.Duration
	WriteTimeout       time.Duration
	MaxLine            int64
	MaxLiteral         int64
	AppendLimit        int64
	Memory             Limit // unset, N is the default, and nobody is refused for it
	BadCommands        int
	BadCommandsPreauth int
}

// Log is the section [log].
type Log struct {
	Level  string // debug info warn error
	Format string // text json
	Target string // auto journal stderr
}

// Metrics is the section [metrics].
type Metrics struct {
	Listen string // a loopback address or an absolute path; empty: none
}

// Default returns the configuration of an empty file.
func Default() *Config {
	return &Config{
		Server: Server{State: "/var/lib/maildir-imapd"},
		Listeners: []Listener{
			{Name: "imap", Enabled: true, TLS: StartTLS},
			{Name: "imaps", Enabled: true, TLS: Implicit},
		},
		TLS: TLS{SelfSigned: SelfSignedAuto, MinVersion: TLS12},
		Auth: Auth{
			File:         sysconfdir + "/maildir-imapd/users.passwd",
			Cleartext:    CleartextTLSOnly,
			Mechanisms:   []string{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN", "LOGIN"},
			FailureDelay: 2 * time.Second,
			MaxFailures:  3,
			Cache:        5 * time.Minute,
		},
		Mail: Mail{Path: "~/Maildir", Layout: MaildirPP, Separator: "/", Fsync: FsyncYes},
		Special: Special{
			Sent:    []string{"Sent"},
			Drafts:  []string{"Drafts"},
			Junk:    []string{"Junk"},
			Trash:   []string{"Trash"},
			Archive: []string{"Archive"},
		},
		Quota: Quota{Exceeded: ExceededRefuse},
		Limits: Limits{
			MaxConnections:     10000,
			PerIP:              100,
			PerUser:            50,
			LoginTimeout:       time.Minute,
			IdleTimeout:        30 * time.Minute, // RFC 9051 §5.4: no less once logged in
			WriteTimeout:       time.Minute,
			MaxLine:            64 << 10,
			MaxLiteral:         1 << 20,
			AppendLimit:        128 << 20,
			Memory:             Limit{N: memoryDefault},
			BadCommands:        20,
			BadCommandsPreauth: 3,
		},
		Log: Log{Level: "info", Format: "text", Target: "auto"},
	}
}

// newListener is what a listener starts from when the defaults have none of its name.
func newListener(name string) Listener { return Listener{Name: name, Enabled: true, TLS: StartTLS} }
