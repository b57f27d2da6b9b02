//go:build interop

package interop

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"maildir-imapd/contrib/interop/peer"
)

var serverName = flag.String("server", "maildir-imapd", "maildir-imapd, socket-activated, or dovecot, to debug the scenarios")

// TestMain lets all scenarios run at once, however few processors there are: mostly they wait.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", fmt.Sprint(len(scenarios))); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// world is the one server that all scenarios share, each as users of its own.
type world struct{ *peer.Server }

// TestClients runs every scenario against one server. They go side by side: clients meet busy servers.
func TestClients(t *testing.T) {
	users := map[string]string{}
	for _, sc := range scenarios {
		users[sc.user] = password
	}
	o := peer.Options{Dir: workDir(t), Users: users}
	start := peer.StartActivated
	if *serverName == "dovecot" {
		start = peer.StartDovecot
	}
	s, err := start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("end of the server's log:\n%s", s.Log())
		}
	})
	w := &world{s}
	t.Run("scenarios", func(t *testing.T) {
		for _, sc := range scenarios {
			t.Run(sc.user, func(t *testing.T) {
				t.Parallel()
				for _, need := range sc.needs {
					program, debian, _ := strings.Cut(need, "=")
					if _, err := exec.LookPath(program); err != nil {
						missing(t, program, debian)
					}
				}
				begin := time.Now()
				sc.run(t, w, sc.user)
				t.Logf("%.1f s", time.Since(begin).Seconds())
			})
		}
	})
}

const password = "secret"

// scenario is a client at work. The user's name is the scenario's.
type scenario struct {
	user  string
	needs []string // program=Debian package
	run   func(t *testing.T, w *world, user string)
}

var scenarios = []scenario{
	{"mbsync", []string{"mbsync=isync"}, runMbsync},
	{"together", []string{"mbsync=isync"}, runTogether},
	{"offlineimap", []string{"offlineimap=offlineimap3"}, runOfflineIMAP},
	{"neomutt", []string{"neomutt=neomutt", "script=bsdutils"}, runNeomutt},
	{"curl", []string{"curl=curl"}, runCurl},
	{"imaplib", []string{"python3=python3"}, runScript("python3", "imaplib_client.py")},
	{"perl", []string{"perl=perl"}, runScript("perl", "imapclient.pl")},
	{"goimap", nil, runGoIMAP},
	{"goimapsearch", nil, runGoIMAPSearch},
}

// host and port of the plain listener.
func (w *world) hostPort() (host, port string) {
	host, port, err := net.SplitHostPort(w.Addr)
	if err != nil {
		panic(err) // the address is our own
	}
	return host, port
}

// command runs a program with a deadline and returns what it says; it must succeed.
func command(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()
	out, err := try(t, env, name, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, tail(out))
	}
	return out
}

func try(t *testing.T, env []string, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

func tail(s string) string {
	if len(s) > 3000 {
		return "..." + s[len(s)-3000:]
	}
	return s
}

// own gives what the test wrote into a mail directory to the server's user.
func (w *world) own(t *testing.T, path string) {
	t.Helper()
	if w.UID == os.Getuid() {
		return
	}
	err := filepath.WalkDir(path, func(p string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(p, w.UID, w.UID)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// runScript runs a script of contrib/interop/scripts as `program script host port tlsport user password`;
// it checks for itself and ends with a status other than 0 when something is wrong.
func runScript(program, script string) func(*testing.T, *world, string) {
	return func(t *testing.T, w *world, user string) {
		fill(t, w, user, "INBOX", mail(t, 20), 0)
		host, port := w.hostPort()
		tls := "0"
		if w.TLSAddr != "" {
			_, p, err := net.SplitHostPort(w.TLSAddr)
			if err != nil {
				t.Fatal(err)
			}
			tls = p
		}
		out := command(t, nil, program, filepath.Join("scripts", script), host, port, tls, user, password)
		if !strings.Contains(out, "all well") {
			t.Errorf("the script did not come to its end:\n%s", tail(out))
		}
	}
}

// fill delivers messages into a mailbox as an MTA does: to new/.
func fill(t *testing.T, w *world, user, mailbox string, messages [][]byte, first int) {
	t.Helper()
	dir := w.MailDir(user)
	if mailbox != "INBOX" {
		dir = filepath.Join(dir, "."+strings.ReplaceAll(mailbox, "/", "."))
	}
	for _, sub := range []string{"cur", "new", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for i, m := range messages {
		name := fmt.Sprintf("%d.M%dP1.mta", 1700000000+first+i, first+i)
		if err := os.WriteFile(filepath.Join(dir, "new", name), m, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.own(t, w.MailDir(user))
}
