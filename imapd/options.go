package imapd

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"time"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir"
	"maildir-imapd/maildir/acl"
)

// ConnInfo is what is known of a connection before its first byte.
type ConnInfo struct {
	Remote, Local net.Addr
	Listener      string // the section's name, for the log
	TLS           bool   // TLS is on, implicit or by STARTTLS
	TLSState      *tls.ConnectionState
	// Cleartext allows secrets in clear (PLAIN, LOGIN) on this connection without TLS.
	Cleartext bool
	// StartTLS offers STARTTLS; RequireTLS refuses every authentication until it was used.
	StartTLS, RequireTLS bool
}

// Identity is who logged in. No secret is in it.
type Identity struct {
	User      string // login name
	Home      string // home directory from the password file, or empty
	Mechanism string // "LOGIN" for the command, else the SASL mechanism
	Anonymous bool   // did not say who it is: User is a name for the log
	// Extra are the password file's further fields: limits for this user alone.
	Extra map[string]string
}

// account is whose sessions these are, for what is counted and told by user. Those who did not say who they are are nobody
// who could have an account, whatever the log calls them: no user has this name.
func (id *Identity) account() string {
	if id.Anonymous {
		return "/anonymous"
	}
	return id.User
}

// SASL is one authentication exchange (RFC 4422), seen from the server.
type SASL interface {
	// Next takes the client's response, nil at first when it sent none, and returns the next challenge,
	// or done. An error ends the exchange; it implements ClientError where the client may know why.
	Next(ctx context.Context, response []byte) (challenge []byte, done bool, err error)
	// Identity is valid once Next returned done.
	Identity() Identity
}

// ClientError is an error that carries a text, and perhaps a response code, made for the client.
type ClientError interface {
	error
	ClientText() string
	ResponseCode() imap.ResponseCode
}

// Auth is authentication as the engine sees it: three funcs.
type Auth struct {
	// Mechanisms lists the SASL names usable now on this connection, best first. The LOGIN command is
	// allowed exactly where PLAIN is.
	Mechanisms func(ConnInfo) []string
	Start      func(mechanism string, c ConnInfo) (SASL, error)
	Login      func(ctx context.Context, user, password string, c ConnInfo) (Identity, error)
}

// NamespaceKind is one of the three lists of RFC 2342.
type NamespaceKind int

// The kinds, in the order NAMESPACE answers them.
const (
	Personal NamespaceKind = iota
	OtherUsers
	Shared
)

// Tree is the mailboxes of one namespace: maildir.Tree for a user's own mail, pubroot.Tree for the public
// root. Names are UTF-8, without the namespace's prefix, in the namespace's separator.
type Tree interface {
	List(ctx context.Context) ([]maildir.Entry, error)
	Exists(name string) (bool, error)
	Create(ctx context.Context, name string, use []imap.MailboxAttr) error
	Delete(ctx context.Context, name string) error
	Rename(ctx context.Context, from, to string) error
	Subscribe(ctx context.Context, name string) error
	Unsubscribe(ctx context.Context, name string) error
	Subscriptions(ctx context.Context) ([]string, error)
	Open(ctx context.Context, name string, mode maildir.Mode) (*maildir.Handle, error)
	Close() error
}

// aclTree is a tree whose mailboxes have rights and lists of them (RFC 4314). Names are as for Tree.
type aclTree interface {
	Rights(ctx context.Context, name string) (maildir.Rights, error)
	ACL(ctx context.Context, name string) (*acl.List, maildir.ACLSource, error)
	SetACL(ctx context.Context, name string, c acl.Change) error
}

var _ aclTree = (*maildir.Tree)(nil)

// Namespace places a tree in a user's names (RFC 2342).
type Namespace struct {
	Kind      NamespaceKind
	Prefix    string // with its separator at the end, or empty
	Separator byte
	Tree      Tree
}

// Mail is all a user sees. The first namespace is the personal one; it holds INBOX and the subscriptions.
type Mail struct {
	Namespaces []Namespace
	// Aliases are further names of mailboxes, with all that is below them, by the names that clients use; nil: none.
	// They are the personal namespace's. A target may be below another alias.
	Aliases func() map[string]string
	// Tilde has ~user/box and ~public/box be names of other users' and of public mailboxes.
	Tilde bool
	// Defaults are the names that the user is subscribed to without a word, if there are such mailboxes and as long as
	// the user does not unsubscribe; nil: none.
	Defaults func() []string
	// Renew gives the mail anew after a reload that changed what the user sees, else nil; a nil func: it stays as it is.
	// It is asked before each command. The old namespaces are closed by the session.
	Renew func(ctx context.Context) (*Mail, error)
}

// Limits bound what a client may cost. Zero values are not defaults: config fills them.
type Limits struct {
	LoginTimeout time.Duration // from accept to a successful login
	IdleTimeout  time.Duration // RFC 9051 §5.4: not below 30 minutes
	WriteTimeout time.Duration // for one write to be taken by the client
	Line         int           // bytes of a command line without literals
	Literal      int64         // bytes of a literal that is an argument, not a message
	Append       int64         // bytes of a message, APPENDLIMIT
	// BadCommands ends a session, BadCommandsPreLogin a connection that has not logged in.
	BadCommands, BadCommandsPreLogin int
	AuthFailures                     int // failed logins a connection
	PerUser                          int // sessions a user, 0 = no limit
}

// DefaultLimits are the values the shipped configuration has.
func DefaultLimits() Limits {
	return Limits{
		LoginTimeout: time.Minute, IdleTimeout: 30 * time.Minute, WriteTimeout: time.Minute,
		Line: 64 << 10, Literal: 1 << 20, Append: 128 << 20,
		BadCommands: 20, BadCommandsPreLogin: 3, AuthFailures: 3, PerUser: 50,
	}
}

// Options make a Server. They may be replaced while it runs.
type Options struct {
	Hostname string // greeting and log
	Version  string // ID
	Auth     Auth
	// Open gives a user's namespaces. Its error is logged; the client is told UNAVAILABLE.
	Open func(ctx context.Context, l *Login) (*Mail, error)
	// TLS is the configuration for STARTTLS, nil where there is none.
	TLS    *tls.Config
	Limits Limits
	Log    *slog.Logger
}
