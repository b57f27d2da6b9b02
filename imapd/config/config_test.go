package config

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"maildir-imapd/maildir/acl"
)

var update = flag.Bool("update", false, "write the .err files anew")

const testdata = "../../testdata/config"

func files(t *testing.T, pattern string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(testdata, pattern))
	if err != nil || len(all) == 0 {
		t.Fatalf("no %s in %s (%v)", pattern, testdata, err)
	}
	return all
}

func parse(t *testing.T, file string) (*Config, []Warning, error) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return Parse(data, filepath.Base(file), "/etc/maildir-imapd")
}

func TestGoodFiles(t *testing.T) {
	for _, file := range files(t, "good/*.ini") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			c, warnings, err := parse(t, file)
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range warnings {
				t.Errorf("warning: %v", w)
			}
			roundTrip(t, c)
		})
	}
}

func TestBadFiles(t *testing.T) {
	for _, file := range files(t, "bad/*.ini") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			c, warnings, err := parse(t, file)
			if err == nil || c != nil {
				t.Fatalf("loaded: %v", c)
			}
			var got strings.Builder
			for _, w := range warnings {
				got.WriteString("warning: " + w.String() + "\n")
			}
			got.WriteString(err.Error() + "\n")
			compareFile(t, file, got.String())
		})
	}
}

// TestWarnings holds the files that load, but not without a word.
func TestWarnings(t *testing.T) {
	for _, file := range files(t, "warn/*.ini") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			_, warnings, err := parse(t, file)
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			for _, w := range warnings {
				got.WriteString("warning: " + w.String() + "\n")
			}
			compareFile(t, file, got.String())
		})
	}
}

func compareFile(t *testing.T, file, got string) {
	t.Helper()
	want := strings.TrimSuffix(file, ".ini") + ".err"
	if *update {
		if err := os.WriteFile(want, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(want)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(b), got); d != "" {
		t.Errorf("messages (-want +got):\n%s", d)
	}
}

func roundTrip(t interface {
	Helper()
	Fatalf(string, ...any)
}, c *Config) {
	t.Helper()
	var b bytes.Buffer
	if err := c.Print(&b); err != nil {
		t.Fatalf("print: %v", err)
	}
	again, warnings, err := Parse(b.Bytes(), "printed", "/elsewhere")
	if err != nil {
		t.Fatalf("the printed file does not load: %v\n%s", err, b.String())
	}
	for _, w := range warnings {
		if w.Key != "idle_timeout" {
			t.Fatalf("the printed file warns: %v", w)
		}
	}
	if d := cmp.Diff(c, again, cmpopts.EquateEmpty()); d != "" {
		t.Fatalf("printed and loaded (-before +after):\n%s\n%s", d, b.String())
	}
	if d := Diff(c, again); len(d) > 0 {
		t.Fatalf("Diff of equals: %q", d)
	}
}

func TestValues(t *testing.T) {
	c, _, err := parse(t, filepath.Join(testdata, "good/values.ini"))
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Server = Server{Hostname: "mail.example.org", State: `/var/lib/with ; and # and "quotes"`, Motd: "/etc/maildir-imapd/motd"}
	want.Listeners[0].Listen = []string{"127.0.0.1:1143", "[::1]:1143", ":1144", "/run/imap.sock"}
	want.Listeners[0].TLS = Required
	want.Listeners = append(want.Listeners, Listener{Name: "office", Listen: []string{"192.0.2.1:143"}, TLS: StartTLS})
	want.TLS = TLS{
		Certificate: "/etc/maildir-imapd/tls/fullchain.pem", Key: "/etc/maildir-imapd/tls/privkey.pem",
		MinVersion: TLS13, SelfSigned: SelfSignedNo,
	}
	want.Hosts = []Host{
		{"mail.example.net", "/etc/letsencrypt/live/mail.example.net/fullchain.pem", "/etc/letsencrypt/live/mail.example.net/privkey.pem"},
		{"*.example.com", "/etc/ssl/wildcard.pem", ""},
	}
	want.Auth.Mechanisms = []string{"PLAIN", "SCRAM-SHA-256", "CRAM-MD5"}
	want.Auth.FailureDelay, want.Auth.Cache, want.Auth.Workers = 1500*time.Millisecond, 0, 4
	want.Auth.Cleartext = CleartextLoopback
	want.Auth.Groups, want.Auth.Anonymous = "/etc/group", true
	want.Mail = Mail{
		Path: `/srv/mail/%d/100%%/%n \ end`, Control: "/var/lib/mail/control/%u", Index: "%h/index", Layout: MaildirPP, Separator: ".", Prefix: "INBOX.", Fsync: FsyncAlways,
		Follow: []string{"/bigdisk", "/other disk"}, UTF8: true, Tilde: true,
	}
	want.Special.Sent = []string{"Sent", "Sent Items", "Gesendete Elemente", "Fo;o #1"}
	want.Special.Archive, want.Special.Important = nil, []string{"Wichtig"}
	want.Limits.PerIP, want.Limits.MaxLine, want.Limits.AppendLimit = 0, 128<<10, 1<<30
	want.Limits.Memory = Limit{Set: true, N: 2 << 30}
	want.Limits.IdleTimeout = 2 * time.Hour
	want.Namespaces = []Namespace{newNamespace("everyone"), {
		Name: "staff", Kind: KindPublic, Prefix: "Staff/", Path: "/srv/mail/staff/%d", Layout: FS, Separator: "/", Seen: SeenShared, Anyone: true,
		ACL:       []string{"group=staff lrswi", "-user=bob w"},
		Subscribe: []string{"Staff/Announce", "Staff/Lost and found"}, Hide: []string{"Calendar", "Contacts"},
		Domains: []string{"example.org", "example.net"}, Storage: Limit{true, 10 << 30}, Messages: Limit{true, 0},
	}, {Name: "shared", Kind: KindOther, Prefix: "Shared.%u.", Layout: MaildirPP, Seen: SeenPrivate, Domains: []string{"!example.com"}}}
	want.Namespaces[0].Prefix, want.Namespaces[0].Path = "Public.", "/etc/maildir-imapd/public"
	want.Aliases = []Alias{{"INBOX.Team", "Staff/team"}, {"INBOX.Ideen = Wünsche", "Public.ideas # 1"}}
	want.Mailboxes = []Mailbox{{Name: "Trash", Expire: 30 * 24 * time.Hour}, {Name: "Public.News", Keep: 1000}}
	if d := cmp.Diff(want, c); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestDiff(t *testing.T) {
	a := Default()
	b := Default()
	b.Limits.PerIP = 7
	b.Listeners = b.Listeners[:1]
	b.Listeners[0].Listen = []string{":143"}
	b.Namespaces = []Namespace{newNamespace("public"), newNamespace("shared")}
	a.Namespaces = []Namespace{{Name: "shared", Kind: KindPublic, Seen: SeenPrivate, Path: "/srv"}}
	a.Aliases = []Alias{{"Team", "Public/a"}, {"Old", "Public/old"}}
	b.Aliases = []Alias{{"New", "Public/new"}, {"Team", "Public/b"}}
	b.Mailboxes = []Mailbox{{Name: "Trash", Keep: 1}}
	want := []string{
		`[listener "imap"] listen: (empty) -> :143`,
		`[namespace "public"] added`,
		`[namespace "shared"] kind: public -> other`,
		`[namespace "shared"] path: /srv -> (empty)`,
		`[alias] New: (empty) -> Public/new`,
		`[alias] Team: Public/a -> Public/b`,
		`[alias] Old: Public/old -> (empty)`,
		`[mailbox "Trash"] added`,
		`[limits] per_ip: 100 -> 7`,
		`[listener "imaps"] removed`,
	}
	if d := cmp.Diff(want, Diff(a, b)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "imapd.ini")
	if _, _, err := Load(file); err == nil || !strings.HasPrefix(err.Error(), file+": no such file") {
		t.Errorf("absent: %v", err)
	}
	if _, _, err := Load(dir); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("directory: %v", err)
	}
	if err := os.WriteFile(file, []byte("[auth]\nfile = users.passwd\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, _, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(dir, "users.passwd"); c.Auth.File != want {
		t.Errorf("relative path is %s, want %s", c.Auth.File, want)
	}
	if err := os.Truncate(file, maxFile+1); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Load(file); err == nil || !strings.Contains(err.Error(), "far too many") {
		t.Errorf("huge: %v", err)
	}
}

// TestFor: a namespace is there for the domains that it names.
func TestFor(t *testing.T) {
	for _, tt := range []struct {
		domains, have, without string
	}{
		{"", "ann ann@example.org ann@example.com", ""},
		{"example.org Example.NET", "ann@example.org ann@EXAMPLE.org ann@example.net", "ann ann@example.com ann@sub.example.org"},
		{"!example.org", "ann ann@example.com", "ann@example.org"},
	} {
		c, _, err := Parse([]byte("[namespace \"x\"]\nprefix = X/\npath = /x\ndomains = "+tt.domains+"\n"), "x.ini", "/")
		if err != nil {
			t.Fatal(err)
		}
		for want, users := range map[bool]string{true: tt.have, false: tt.without} {
			for user := range strings.FieldsSeq(users) {
				if got := c.Namespaces[0].For(user); got != want {
					t.Errorf("domains = %s: %s is %v", tt.domains, user, got)
				}
			}
		}
	}
}

// TestNamespaceList: the key acl is a list as the folders' files are; an empty one gives nobody anything.
func TestNamespaceList(t *testing.T) {
	c, _, err := parse(t, filepath.Join(testdata, "good/shared.ini"))
	if err != nil {
		t.Fatal(err)
	}
	for user, want := range map[string]string{"bob": "lrs", "ann lee": "lr"} {
		if r, _ := c.Namespaces[0].List().Rights(&acl.Who{User: user}); r.String() != want {
			t.Errorf("%s: %s", user, r)
		}
	}
	if r, _ := c.Namespaces[0].List().Rights(&acl.Who{User: "bob", Groups: []string{"staff"}}); r.String() != "lrsi" {
		t.Errorf("staff: %s", r)
	}
	if l := c.Namespaces[1].List(); l != nil {
		t.Errorf("acl = is %v", l)
	}
}

func mustRead(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(testdata, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
