package imapd

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"go.uber.org/goleak"

	"maildir-imapd/auth"
	"maildir-imapd/imapd/transcript"
	"maildir-imapd/maildir"
	"maildir-imapd/maildir/acl"
	"maildir-imapd/maildir/fsx"
	"maildir-imapd/pubroot"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The user of a test server, and others with the same password, who have mail where a test wants them to.
const testUser, testPassword = "alice", "secret"

var testUsers = []string{testUser, "bob", "carol", "dan"}

// testGroups are the groups that users are in.
var testGroups = map[string][]string{"bob": {"staff"}}

var quietLog = slog.New(slog.DiscardHandler)

// testServer is a real server on loopback over a real Maildir in a temporary directory.
type testServer struct {
	t       testing.TB
	mail    string
	public  string
	options Options
	fault   atomic.Int32
	// hook is told of every operation on the disk before it happens; it may take its time, or fail it.
	hook atomic.Pointer[func(op, path string) error]

	withPublic  bool            // a second namespace, Public/
	access      *maildir.Access // to public mail; nil: all may read it
	lists       bool            // dovecot-acl files say who may do what with public mail, and nobody what none says
	private     bool            // each reader has read marks of their own, in public and in other users' mail
	shared      bool            // a namespace Shared/ of other users' mail
	sharing     pubroot.Sharing
	anyone      atomic.Bool     // SETACL anyone is allowed
	hide        func() []string // public folders that hold no mail
	publicQuota func() maildir.Quota
	tweakMail   func(*Mail)       // changes what a login finds
	withPrefix  bool              // folders lie below INBOX., with dots between levels
	quota       maildir.Quota     // of the user
	tweak       func(*testServer) // changes options and info before the start
	info        ConnInfo

	ln     net.Listener
	server *Server
	store  *maildir.Store
	done   chan struct{}
}

// startServer starts a server; the test's end stops it and checks the store.
func startServer(t testing.TB, tweak func(*testServer)) *testServer {
	t.Helper()
	dir := t.TempDir()
	s := &testServer{t: t, mail: filepath.Join(dir, "mail"), public: filepath.Join(dir, "public"), tweak: tweak}
	if err := os.Mkdir(s.public, 0o755); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.ln = ln
	s.start()
	t.Cleanup(func() {
		s.stop()
		ln.Close()
		if _, err := os.Stat(s.mail); err == nil { // else nobody logged in
			for _, err := range maildir.Check(s.mail) {
				t.Error(err)
			}
		}
		if n := panics.Swap(0); n > 0 {
			t.Errorf("%d panics were recovered", n)
		}
	})
	return s
}

func (s *testServer) start() {
	log := slog.New(slog.NewTextHandler(testLog{s.t}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if _, fuzzing := s.t.(*testing.F); fuzzing {
		log = quietLog // a fuzz target may not write to the test's log
	}
	store, err := maildir.NewStore(maildir.StoreOptions{
		Log: log, LockWait: 300 * time.Millisecond,
		FS: fsx.FS{Fault: s.failing},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.store = store
	s.info = ConnInfo{Cleartext: true, StartTLS: true, Listener: "imap"}
	s.options = Options{
		Hostname: "mail.example.org", Version: "test", Limits: DefaultLimits(), Log: log,
		Auth: testAuth(s.t, auth.Options{}), TLS: testTLS(s.t), Open: s.openMail,
	}
	if s.tweak != nil {
		s.tweak(s)
	}
	s.server = New(s.options)
	s.done = make(chan struct{})
	go s.accept(s.server, s.done)
}

func (s *testServer) accept(server *Server, done chan struct{}) {
	defer close(done)
	for {
		c, err := s.ln.Accept()
		if err != nil {
			return
		}
		info := s.info
		info.Remote, info.Local = c.RemoteAddr(), c.LocalAddr()
		go server.ServeConn(context.Background(), c, &info)
	}
}

// stop drains the server; the listener stays, as systemd's would.
func (s *testServer) stop() {
	_ = s.ln.(*net.TCPListener).SetDeadline(time.Unix(1, 0))
	<-s.done
	_ = s.ln.(*net.TCPListener).SetDeadline(time.Time{})
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := s.server.Shutdown(ctx); err != nil {
		s.t.Error(err)
	}
	if err := s.store.Close(); err != nil {
		s.t.Error(err)
	}
}

func (s *testServer) restart() error {
	s.stop()
	s.start()
	return nil
}

// changing are the operations that a full disk fails.
var changing = map[string]bool{"create": true, "write": true, "rename": true, "link": true, "mkdir": true, "sync": true}

// opening are those that a process without free descriptors cannot do.
var opening = map[string]bool{"open": true, "opendir": true, "create": true, "lock": true, "readdir": true}

func (s *testServer) failing(op, path string) error {
	if hook := s.hook.Load(); hook != nil {
		if err := (*hook)(op, path); err != nil {
			return err
		}
	}
	switch errno := syscall.Errno(s.fault.Load()); {
	case errno == 0:
	case errno == syscall.EMFILE && opening[op], errno != syscall.EMFILE && changing[op]:
		return errno
	}
	return nil
}

func (s *testServer) setFault(e syscall.Errno) error {
	s.fault.Store(int32(e))
	return nil
}

var testSpecial = map[string]imap.MailboxAttr{
	"Sent": imap.MailboxAttrSent, "Drafts": imap.MailboxAttrDrafts, "Junk": imap.MailboxAttrJunk,
	"Trash": imap.MailboxAttrTrash, "Archive": imap.MailboxAttrArchive,
}

// mailOf is a user's Maildir.
func (s *testServer) mailOf(user string) string {
	if user == testUser {
		return s.mail
	}
	return filepath.Join(filepath.Dir(s.mail), user)
}

// accessOf is public mail where files say who may do what.
func (s *testServer) accessOf(user string) *maildir.Access {
	if !s.lists {
		return s.access
	}
	return &maildir.Access{
		Who:     func() acl.Who { return acl.Who{User: user, Groups: testGroups[user]} },
		Private: func() bool { return s.private },
		Anyone:  s.anyone.Load,
	}
}

// others is other users' mail.
func (s *testServer) others(user string) Namespace {
	return Namespace{Kind: OtherUsers, Prefix: "Shared/", Separator: '/', Tree: pubroot.NewUsers(pubroot.UsersOptions{
		Separator: '/', Self: user, Users: func() []string { return testUsers }, Index: &s.sharing, Store: s.store,
		Who: func() acl.Who { return s.accessOf(user).Who() },
		Place: func(owner string) (maildir.TreeOptions, error) {
			return maildir.TreeOptions{Root: s.mailOf(owner), Separator: '/'}, nil
		},
		Open: func(_ context.Context, owner string, o maildir.TreeOptions) (*maildir.Tree, error) {
			o.Access = s.accessOf(user)
			return s.store.Tree(o)
		},
	})}
}

func (s *testServer) openMail(_ context.Context, l *Login) (*Mail, error) {
	user := testUser
	if l != nil {
		user = l.User
	}
	personal := Namespace{Kind: Personal, Separator: '/'}
	if s.withPrefix {
		personal.Prefix, personal.Separator = "INBOX.", '.'
	}
	var mine *maildir.Access
	if s.lists {
		mine = s.accessOf(user)
		mine.Private, mine.Changed = nil, func() { s.sharing.Forget(user) }
		mine.Who = func() acl.Who { return acl.Who{User: user, Groups: testGroups[user], Owner: true} }
	}
	own, err := s.store.Tree(maildir.TreeOptions{Root: s.mailOf(user), Access: mine, Separator: personal.Separator, Create: true, SpecialUse: testSpecial,
		Foreign: []string{"Public/", "Shared/"}, Quota: func() maildir.Quota { return s.quota }})
	if err != nil {
		return nil, err
	}
	personal.Tree = own
	mail := &Mail{Namespaces: []Namespace{personal}}
	defer func() {
		if s.tweakMail != nil {
			s.tweakMail(mail)
		}
	}()
	if s.shared {
		mail.Namespaces = append(mail.Namespaces, s.others(user))
	}
	if !s.withPublic {
		return mail, nil
	}
	public, err := pubroot.Open(s.store, pubroot.Options{
		Root: s.public, Layout: maildir.FS, Separator: '/', Access: s.accessOf(user), Hide: s.hide,
		Quota: s.publicQuota, QuotaName: "Public quota",
	})
	if err != nil {
		return nil, err
	}
	mail.Namespaces = append(mail.Namespaces, Namespace{Kind: Shared, Prefix: "Public/", Separator: '/', Tree: public})
	return mail, nil
}

func (s *testServer) dial() (net.Conn, error) { return net.Dial("tcp", s.ln.Addr().String()) }

// transcript is the server as the player wants it.
func (s *testServer) transcript(offers ...string) *transcript.Server {
	pool := x509.NewCertPool()
	pool.AddCert(s.options.TLS.Certificates[0].Leaf)
	return &transcript.Server{
		Dial: s.dial, User: testUser, Password: testPassword, MailDir: s.mail, Public: s.public, Locks: true,
		TLS:   &tls.Config{RootCAs: pool, ServerName: "mail.example.org"},
		Users: true, Restart: s.restart, Fault: s.setFault, Offers: offers,
	}
}

// testLog sends the server's log to the test's.
type testLog struct{ t testing.TB }

func (l testLog) Write(p []byte) (int, error) {
	l.t.Logf("%s", p)
	return len(p), nil
}

func testAuth(t testing.TB, o auth.Options) Auth {
	var passwd strings.Builder
	for _, user := range testUsers {
		passwd.WriteString(user + ":{PLAIN}" + testPassword + "\n")
	}
	file, err := auth.Parse("passwd", []byte(passwd.String()))
	if err != nil {
		t.Fatal(err)
	}
	o.File, o.Hostname, o.Delay = file, "mail.example.org", time.Millisecond
	a := auth.New(o)
	conn := func(c ConnInfo) auth.Conn {
		return auth.Conn{Remote: c.Remote, TLS: c.TLS, Cleartext: c.Cleartext}
	}
	return Auth{
		Mechanisms: func(c ConnInfo) []string { return a.Mechanisms(conn(c)) },
		Start: func(m string, c ConnInfo) (SASL, error) {
			x, err := a.Start(m, conn(c))
			return testExchange{x}, err
		},
		Login: func(ctx context.Context, user, password string, c ConnInfo) (Identity, error) {
			u, err := a.Login(ctx, user, password, conn(c))
			return Identity{User: u.Name}, err
		},
	}
}

type testExchange struct{ auth.Exchange }

func (x testExchange) Identity() Identity { return Identity{User: x.User().Name} }

func testTLS(t testing.TB) *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"mail.example.org"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}}}
}
