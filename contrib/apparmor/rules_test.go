package apparmor

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

const profile = "usr.sbin.maildir-imapd"

// rule is a line of the profile about files.
type rule struct {
	path  *regexp.Regexp
	perms string
}

// ruleLine is what this profile has of the language (apparmor.d(5)): a path, permissions, a comma.
var ruleLine = regexp.MustCompile(`^((?:/|@\{)\S*) ([a-z]+),$`)

// variables are those of tunables/global that the profile uses.
var variables = strings.NewReplacer("@{PROC}", "/proc", "@{sys}", "/sys", "@{run}", "{/var/run,/run}", "@{HOME}", "{/home/*,/root}", "@{pid}", "[1-9]*")

func readRules(t *testing.T) (rules []rule) {
	t.Helper()
	text, err := os.ReadFile(profile)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if m := ruleLine.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
			rules = append(rules, rule{regexp.MustCompile("^" + glob(variables.Replace(m[1])) + "$"), m[2]})
		}
	}
	return rules
}

// glob is the regular expression of a path with * (no slash), ** (any), [a-z] and {a,b}.
func glob(path string) string {
	var b strings.Builder
	depth := 0
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case strings.HasPrefix(path[i:], "**"):
			b.WriteString(".+")
			i++
		case c == '*':
			b.WriteString("[^/]*")
		case c == '{':
			depth++
			b.WriteString("(?:")
		case c == '}':
			depth--
			b.WriteString(")")
		case c == ',' && depth > 0:
			b.WriteString("|")
		case c == '[' || c == ']' || c == '-':
			b.WriteByte(c)
		default:
			b.WriteString(regexp.QuoteMeta(string(c)))
		}
	}
	return b.String()
}

// lacks is what of want no rule gives for path.
func lacks(rules []rule, path, want string) (missing string) {
	given := ""
	for _, r := range rules {
		if r.path.MatchString(path) {
			given += r.perms
		}
	}
	for _, p := range want {
		if !strings.ContainsRune(given, p) {
			missing += string(p)
		}
	}
	return missing
}

func TestRules(t *testing.T) {
	rules := readRules(t)
	for _, tt := range []struct{ path, want, missing string }{
		{"/srv/mail/ann/cur/1.a:2,S", "rwkl", ""},
		{"/srv/mail/", "w", ""},
		{"/srv/other", "rw", "rw"},
		{"/etc/maildir-imapd/imapd.ini", "rw", "w"},
		{"/etc/shadow", "r", "r"},
		{"/home/ann/Maildir/new/1", "rw", ""},
		{"/home/ann/.ssh/id_rsa", "r", "r"},
		{"/proc/77/cgroup", "r", ""},
		{"/run/systemd/notify", "w", ""},
		{"/run/systemd/journal/socket", "w", ""},
		{"/run/credentials/maildir-imapd.service/tls.key", "r", ""},
		{"/usr/bin/sh", "x", "x"},
	} {
		if got := lacks(rules, tt.path, tt.want); got != tt.missing {
			t.Errorf("%s %s: lacks %q, not %q", tt.path, tt.want, got, tt.missing)
		}
	}
}
