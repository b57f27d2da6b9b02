//go:build webmail

package webmail

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"flag"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"maildir-imapd/contrib/interop/peer"
)

var serverName = flag.String("server", "maildir-imapd", "or dovecot, to tell a fault of the script from one of the daemon")

const (
	user     = "reader"
	password = "secret"
	// friend is given rights to the folder.
	friend, namespace, folder = "friend", "Public", "team"
	// roundcube is where Debian puts what the web server shows.
	roundcube = "/var/lib/roundcube/public_html"
)

// shown is what browse.py saw.
type shown struct {
	Subject  []string            `json:"subject"`  // sorted by subject
	Threads  [][2]any            `json:"threads"`  // subject and depth
	Both     []string            `json:"both"`     // a search of what is sorted by subject
	Searches map[string][]string `json:"searches"` // by what was looked for
	Drafts   []string            `json:"drafts"`   // of the other folder
	Download string              `json:"download"` // a path
	Shared   map[string][]string `json:"shared"`   // by user, whether they may read, write, delete and do other things
	Errors   []string            `json:"errors"`   // of the browser's console
}

func TestRoundcube(t *testing.T) {
	for program, debian := range map[string]string{"php": "php-cli", "chromium": "chromium", "chromedriver": "chromium-driver", "/usr/bin/python3": "python3-selenium"} {
		if _, err := exec.LookPath(program); err != nil {
			missing(t, program, debian)
		}
	}
	if _, err := os.Stat(roundcube + "/index.php"); err != nil {
		missing(t, roundcube, "roundcube-core, roundcube-sqlite3")
	}
	if _, err := os.Stat("/usr/share/roundcube/plugins/acl/acl.php"); err != nil {
		missing(t, "Roundcube's plugin acl", "roundcube-plugins")
	}
	dir := workDir(t)
	start, o := peer.StartDaemon, peer.Options{Dir: filepath.Join(dir, "imap"), Users: map[string]string{user: password, friend: password}}
	if *serverName == "dovecot" {
		start = peer.StartDovecot
	} else {
		o.Extra = "[namespace \"public\"]\nprefix = " + namespace + "/\npath = DIR/public\nlayout = fs\nacl = user=" + user + " lrswipkxtea\n"
		for _, sub := range []string{"cur", "new", "tmp"} {
			if err := os.MkdirAll(filepath.Join(o.Dir, "public", folder, sub), 0o755); err != nil {
				t.Fatal(err)
			}
		}
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
	mail := s.MailDir(user)
	deliver(t, mail, s.UID)
	if *serverName == "dovecot" {
		look(t, s.Addr) // asked twice at once about a mailbox it has never seen, it answers one that it is empty
	}
	url := serve(t, dir, s.Addr)

	shots := cmp.Or(os.Getenv("SCREENSHOTS"), filepath.Join(dir, "screenshots"))
	got := browse(t, dir, shots, url)
	if *serverName != "dovecot" {
		checkShared(t, s.Addr, filepath.Join(o.Dir, "public", folder), got.Shared)
	}
	if diff := gocmp.Diff(sorted, got.Subject); diff != "" {
		t.Errorf("sorted by subject (-want +got):\n%s", diff)
	}
	checkThreads(t, got.Threads)
	both := slices.DeleteFunc(slices.Clone(sorted), func(s string) bool { return !slices.Contains(finds(searchSorted), s) })
	if diff := gocmp.Diff(both, got.Both); diff != "" {
		t.Errorf("search for %s, sorted by subject (-want +got):\n%s", searchSorted, diff)
	}
	if diff := gocmp.Diff([]string{draft}, got.Drafts); diff != "" {
		t.Errorf("drafts (-want +got):\n%s", diff)
	}
	for what := range searches {
		found := slices.Sorted(slices.Values(got.Searches[what]))
		if diff := gocmp.Diff(slices.Sorted(slices.Values(finds(what))), found); diff != "" {
			t.Errorf("search for %s (-want +got):\n%s", what, diff)
		}
	}
	if b, err := os.ReadFile(got.Download); err != nil || !bytes.Equal(b, blob()) {
		t.Errorf("the attachment downloaded has %d bytes of its %d, or others: %v", len(b), len(blob()), err)
	}
	if len(got.Errors) > 0 {
		t.Errorf("the browser complains: %q", got.Errors)
	}
	checkMaildir(t, mail)
	checkCommands(t, filepath.Join(dir, "roundcube", "imap.log"))
	if b, err := os.ReadFile(filepath.Join(dir, "roundcube", "errors.log")); err == nil {
		t.Errorf("Roundcube has errors:\n%s", tail(b))
	}
}

// checkShared looks for the right that was given: on the page, in the folder's file, and for the one who has it.
func checkShared(t *testing.T, addr, dir string, got map[string][]string) {
	t.Helper()
	want := map[string][]string{friend: {"enabled", "enabled", "disabled", "disabled"}}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("who may read, write, delete and more (-want +got):\n%s", diff)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "dovecot-acl")); err != nil || string(b) != "user=friend lrswi\nuser=reader lrswipkxtea\n" {
		t.Errorf("dovecot-acl is %q, %v", b, err)
	}
	if said := ask(t, addr, friend, "MYRIGHTS "+namespace+"/"+folder); !bytes.Contains(said, []byte(folder+" lrswi\r\n")) {
		t.Errorf("the friend has %s", said)
	}
}

// look selects INBOX once.
func look(t *testing.T, addr string) {
	t.Helper()
	ask(t, addr, user, "SELECT INBOX")
}

// ask is a session of one command.
func ask(t *testing.T, addr, user, command string) []byte {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, "a LOGIN "+user+" "+password+"\r\nb "+command+"\r\nc LOGOUT\r\n")
	b, err := io.ReadAll(c)
	if err != nil || !bytes.Contains(b, []byte("\r\nb OK ")) {
		t.Fatalf("%v: %s", err, b)
	}
	return b
}

// finds is what the server must find.
func finds(what string) []string {
	if *serverName == "dovecot" { // looks at the markup alone
		return slices.DeleteFunc(slices.Clone(searches[what]), func(s string) bool { return s == "Newsletter" })
	}
	return searches[what]
}

func checkThreads(t *testing.T, got [][2]any) {
	t.Helper()
	if len(got) != len(sorted) {
		t.Errorf("%d messages in threads, want %d", len(got), len(sorted))
	}
	for _, x := range got {
		subject, _ := x[0].(string)
		if depth, _ := x[1].(float64); int(depth) != threads[subject] {
			t.Errorf("%q is at depth %v of its thread, want %d", subject, x[1], threads[subject])
		}
	}
}

// checkMaildir looks for what was done in the browser: a message flagged, one read, one answered by a draft.
func checkMaildir(t *testing.T, mail string) {
	t.Helper()
	flags := func(dir, text string) string {
		files, err := filepath.Glob(filepath.Join(mail, dir, "cur", "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if b, err := os.ReadFile(f); err == nil && bytes.Contains(b, []byte(text)) {
				_, info, _ := strings.Cut(filepath.Base(f), ":2,")
				return info
			}
		}
		t.Errorf("%s has no message with %q", cmp.Or(dir, "INBOX"), text)
		return ""
	}
	if got := flags("", "Message-ID: <cherry@"); !strings.Contains(got, "F") {
		t.Errorf("the message flagged has %q", got)
	}
	if got := flags("", "Message-ID: <photos@"); !strings.Contains(got, "S") {
		t.Errorf("the message opened has %q", got)
	}
	if got := flags(".Drafts", "Subject: =?UTF-8?Q?"+strings.NewReplacer(" ", "_", "ü", "=C3=BC", "ä", "=C3=A4").Replace(draft)); got != "S" { // Roundcube marks drafts by their folder alone
		t.Errorf("the draft has %q", got)
	}
}

const (
	// searchSorted is also looked for while the list is sorted by subject, which is one command with both.
	searchSorted = "Grüße"
	// draft is the subject of what is written and not sent.
	draft = "Entwurf für später"
)

// checkCommands holds Roundcube's log to the work that the server must do: without SORT and THREAD, Roundcube would
// sort by itself, and the pages look the same.
func checkCommands(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`C: A\d+ UID SORT (RETURN \([A-Z ]*\) )?\(SUBJECT\) `,
		`C: A\d+ UID THREAD REFS `,
		`C: A\d+ UID SORT (RETURN \([A-Z ]*\) )?\(SUBJECT\) UTF-8 .*TEXT`,
		`C: A\d+ UID SEARCH (RETURN \([A-Z ]*\) )?CHARSET UTF-8 .*TEXT`,
		`C: A\d+ APPEND Drafts `,
		`C: A\d+ UID STORE \d+ \+FLAGS.SILENT \(\\Flagged\)`,
	} {
		if !regexp.MustCompile(want).Match(b) {
			t.Errorf("Roundcube has never sent %s", want)
		}
	}
	for line := range bytes.Lines(b) {
		if bad.Match(line) {
			t.Errorf("the server's answer: %s", line)
		}
	}
}

// bad is an answer that no command of Roundcube's should get.
var bad = regexp.MustCompile(`S: (A\d+|\*) BAD |S: A\d+ NO `)

// browse lets browse.py work the pages.
func browse(t *testing.T, dir, shots, url string) (got shown) {
	t.Helper()
	downloads := filepath.Join(dir, "downloads")
	for _, d := range []string{shots, downloads} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	task := map[string]any{"url": url, "user": user, "password": password, "shots": shots, "downloads": downloads,
		"profile": filepath.Join(dir, "chromium"), "searches": slices.Sorted(maps.Keys(searches)), "attachment": blobName, "draft": draft, "sorted": searchSorted, "count": len(sorted), "share": []string{folder, friend}}
	if *serverName == "dovecot" {
		task["share"] = nil // its public namespace is the test's of contrib/interop
	}
	b, err := json.Marshal(task)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/usr/bin/python3", "browse.py") // Debian's: another in PATH has no selenium
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(b), &out, &errs
	cmd.Env = append(os.Environ(), "HOME="+dir, "LC_ALL=C.UTF-8")
	inGroup(cmd)
	err = cmd.Run()
	t.Logf("browse.py:\n%s", tail(errs.Bytes()))
	if err != nil {
		t.Fatalf("browse.py: %v; the last screenshots are in %s", err, shots)
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("%v: %s", err, out.Bytes())
	}
	return got
}

// inGroup makes the command the head of a process group that ends as a whole: chromedriver's and PHP's children too.
func inGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM} // not left behind by a test that is killed
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
}

// serve runs Roundcube in PHP's own web server and returns its address.
func serve(t *testing.T, dir, imap string) (url string) {
	t.Helper()
	dir = filepath.Join(dir, "roundcube")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{"defaults.inc.php", "mimetypes.php"} {
		if err := os.Symlink("/etc/roundcube/"+f, filepath.Join(dir, f)); err != nil {
			t.Fatal(err)
		}
	}
	config := strings.NewReplacer("DIR", dir, "IMAP", imap, "KEY", rand.Text()[:24]).Replace(configuration)
	if err := os.WriteFile(filepath.Join(dir, "config.inc.php"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "php", "-d", "opcache.enable_cli=1", "-d", "upload_max_filesize=10M", "-S", addr, "-t", roundcube)
	cmd.Env = append(os.Environ(), "ROUNDCUBE_CONFIG_DIR="+dir, "PHP_CLI_SERVER_WORKERS=4")
	inGroup(cmd)
	log, err := os.Create(filepath.Join(dir, "php.log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
		log.Close()
		if b, err := os.ReadFile(log.Name()); t.Failed() && err == nil {
			t.Logf("end of PHP's log:\n%s", tail(b))
		}
	})
	url = "http://" + addr + "/"
	for deadline := time.Now().Add(15 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if r, err := http.Get(url); err == nil {
			defer r.Body.Close()
			if page, err := io.ReadAll(r.Body); err != nil || r.StatusCode != http.StatusOK || !bytes.Contains(page, []byte("rcmloginuser")) {
				t.Fatalf("Roundcube does not start: %s %v\n%s", r.Status, err, tail(page))
			}
			return url
		}
	}
	t.Fatal("PHP's web server does not answer")
	return ""
}

const configuration = `<?php
$config = [];
$config['db_dsnw'] = 'sqlite:///DIR/roundcube.db?mode=0600';
$config['imap_host'] = 'IMAP';
$config['imap_debug'] = true;
$config['smtp_host'] = 'localhost:9';
$config['des_key'] = 'KEY';
$config['log_dir'] = 'DIR/';
$config['temp_dir'] = 'DIR/';
$config['log_session_id'] = 0;
$config['plugins'] = ['acl'];
$config['skin'] = 'elastic';
$config['language'] = 'en_US';
$config['timezone'] = 'UTC';
$config['enable_spellcheck'] = false;
$config['htmleditor'] = 0;
$config['create_default_folders'] = true;
$config['autoexpand_threads'] = 1;
$config['draft_autosave'] = 0;
$config['search_mods'] = ['*' => ['text' => 1]];
$config['mail_read_time'] = 0;
`

func workDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "webmail-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil { // Dovecot's account looks in here
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("screenshots and logs are left in %s", dir)
			return
		}
		_ = os.RemoveAll(dir)
	})
	return dir
}

// missing skips with -short only.
func missing(t *testing.T, what, debian string) {
	t.Helper()
	if testing.Short() {
		t.Skipf("%s is not installed", what)
	}
	t.Fatalf("%s is not installed (Debian: %s); -short skips what is missing", what, debian)
}

func tail(b []byte) string {
	if len(b) > 4000 {
		b = append([]byte("..."), b[len(b)-4000:]...)
	}
	return string(b)
}
