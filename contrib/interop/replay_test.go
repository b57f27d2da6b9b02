//go:build interop

package interop

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"maildir-imapd/contrib/interop/peer"
	"maildir-imapd/imapd/transcript"
)

const transcripts = "../../testdata/imap"

// maxDiffering is the share of replayed transcripts in which Dovecot may differ from the standards.
const maxDiffering = 0.03

// TestReplayDovecot plays the transcripts against Dovecot: what we demand of ourselves is what a standard
// server does, or else the transcript says which RFC section decides.
func TestReplayDovecot(t *testing.T) {
	if _, err := exec.LookPath("dovecot"); err != nil {
		missing(t, "dovecot", "dovecot-imapd")
		return
	}
	scripts, err := transcript.LoadDir(transcripts)
	if err != nil {
		t.Fatal(err)
	}
	next := newAccounts(t, startPeer(t, "dovecot", peer.Options{Extra: peer.DovecotQuota + peer.DovecotCompress}))
	prefixed := sync.OnceValue(func() func() *transcript.Server {
		return newAccounts(t, startPeer(t, "dovecot", peer.Options{Set: inboxPrefix}), "config:inbox-prefix")
	})
	replayed, skipped := 0, 0
	var differs []string
	for _, s := range scripts {
		t.Run(s.Name(), func(t *testing.T) {
			if s.Dovecot.Kind == "skip" {
				skipped++
				t.Skip(s.Dovecot.Why)
			}
			next := next
			if slices.Contains(s.Needs, "config:inbox-prefix") {
				next = prefixed()
			}
			err := transcript.Run(s, next(), transcript.Plain)
			if errors.Is(err, transcript.ErrNeeds) || errors.Is(err, transcript.ErrCaps) {
				skipped++
				t.Skip(err)
			}
			replayed++
			switch {
			case s.Dovecot.Kind == "differs" && err == nil:
				t.Errorf("said to differ (%s), but does not", s.Dovecot.Why)
			case s.Dovecot.Kind == "differs":
				differs = append(differs, s.Name()+": "+s.Dovecot.Why)
			case err != nil:
				t.Error(err)
			}
		})
	}
	fmt.Printf("transcripts replayed against Dovecot %s: %d, differences %d (%.1f %%), not for Dovecot %d\n",
		peer.DovecotVersion(), replayed, len(differs), 100*float64(len(differs))/float64(max(replayed, 1)), skipped)
	for _, d := range differs {
		fmt.Println("  " + d)
	}
	if float64(len(differs)) > maxDiffering*float64(replayed) {
		t.Errorf("%d differences in %d transcripts: more than %.0f %%", len(differs), replayed, 100*maxDiffering)
	}
}

// TestReplayDaemon plays them against our daemon as it is shipped, through its sockets.
func TestReplayDaemon(t *testing.T) {
	scripts, err := transcript.LoadDir(transcripts)
	if err != nil {
		t.Fatal(err)
	}
	common := newAccounts(t, startPeer(t, "maildir-imapd", peer.Options{}))
	for _, s := range scripts {
		t.Run(s.Name(), func(t *testing.T) {
			next := common
			if o, special := configFor(s); special {
				next = newAccounts(t, startPeer(t, "maildir-imapd", o))
			}
			for _, v := range s.Variants() {
				t.Run(string(v), func(t *testing.T) {
					err := transcript.Run(s, next(), v)
					if errors.Is(err, transcript.ErrNeeds) {
						t.Skip(err)
					}
					if err != nil {
						t.Error(err)
					}
				})
			}
		})
	}
}

// configFor is the configuration of a transcript that needs a server of its own.
func configFor(s *transcript.Script) (o peer.Options, special bool) {
	for _, need := range s.Needs {
		special = true
		switch need {
		case "config:tls-only":
			o.Set = map[string]string{"cleartext": "tls-only"}
		case "config:one-connection":
			o.Extra += "max_connections = 1\n"
		case "config:limits":
			o.Extra += "max_line = 1k\n"
		case "config:quota", "config:quota-warn":
			o.Extra += "\n[quota]\nstorage = 2K\nmessages = 5\n"
			if need == "config:quota-warn" {
				o.Extra += "exceeded = warn\n"
			}
		case "config:inbox-prefix":
			o.Set = inboxPrefix
		case "public":
			o.Extra += "\n[namespace \"public\"]\nprefix = Public/\npath = DIR/public/%u\nlayout = fs\nacl = anyone lr\n"
		case "restart":
		default: // tls is everywhere; faults of the disk are for tests inside the process
			special = false
		}
	}
	return o, special
}

// inboxPrefix is the namespace that Courier has, as both servers' templates spell it.
var inboxPrefix = map[string]string{"separator": ".", "prefix": "INBOX."}

// accounts is how many users a server under replay has: one for every run of a transcript.
const accounts = 3000

func startPeer(t *testing.T, name string, o peer.Options) *peer.Server {
	t.Helper()
	users := map[string]string{}
	for n := range accounts {
		users[fmt.Sprintf("u%d", n)] = "secret"
	}
	o.Dir, o.Users = workDir(t), users
	start := peer.StartDaemon
	if name == "dovecot" {
		start = peer.StartDovecot
	}
	s, err := start(o)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond) // the connection that start looked with is still being let go
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("end of the server's log:\n%s", s.Log())
		}
	})
	return s
}

// newAccounts hands out users of a server one by one. Dovecot has nothing special but what offers says.
func newAccounts(t *testing.T, s *peer.Server, offers ...string) func() *transcript.Server {
	n := 0
	return func() *transcript.Server {
		user := fmt.Sprintf("u%d", n)
		if n++; n > accounts {
			t.Fatal("out of accounts")
		}
		srv := &transcript.Server{
			Dial:     func() (net.Conn, error) { return net.DialTimeout("tcp", s.Addr, 5*time.Second) },
			User:     user,
			Password: "secret",
			MailDir:  s.MailDir(user),
			Owner:    s.UID,
			Offers:   offers,
		}
		if s.Name != "dovecot" {
			srv.TLS = &tls.Config{InsecureSkipVerify: true} // the certificate is the daemon's own
			srv.Restart, srv.Locks = s.Restart, true
			srv.Public = filepath.Join(s.Dir, "public", user)
			srv.Offers = []string{"config:tls-only", "config:one-connection", "config:limits", "config:quota", "config:quota-warn", "config:inbox-prefix"}
		}
		return srv
	}
}

// workDir is a directory that Dovecot's own users can enter, which t.TempDir's parents are not.
func workDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "interop-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// missing fails for a program that is not there; -short skips instead.
func missing(t *testing.T, program, debian string) {
	t.Helper()
	if testing.Short() {
		t.Skipf("%s is not installed", program)
	}
	t.Fatalf("%s is not installed (Debian: apt-get install %s); -short skips what is missing", program, debian)
}
