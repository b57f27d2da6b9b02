package fail2ban

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"maildir-imapd/imapd"
)

const filter = "maildir-imapd.conf"

// engineLog lets a client that the log sees at ip say its lines to the real engine, where every login fails,
// and returns what was logged.
func engineLog(t *testing.T, handler func(io.Writer) slog.Handler, ip, lines string) string {
	t.Helper()
	var log bytes.Buffer
	s := imapd.New(imapd.Options{
		Hostname: "mail.example.org", Limits: imapd.DefaultLimits(), Log: slog.New(handler(&log)),
		Auth: imapd.Auth{
			Mechanisms: func(imapd.ConnInfo) []string { return []string{"PLAIN"} },
			Start:      func(string, imapd.ConnInfo) (imapd.SASL, error) { return nil, errors.New("wrong password") },
			Login: func(context.Context, string, string, imapd.ConnInfo) (imapd.Identity, error) {
				return imapd.Identity{}, errors.New("wrong password")
			},
		},
	})
	client, server := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.ServeConn(context.Background(), server, &imapd.ConnInfo{
			Remote: &net.TCPAddr{IP: net.ParseIP(ip), Port: 4711}, Local: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 143},
			Listener: "imap", Cleartext: true,
		})
	}()
	go func() {
		_, _ = io.WriteString(client, lines)
	}()
	_, _ = io.Copy(io.Discard, client) // until the server hangs up
	<-done
	return log.String()
}

// What [log] format makes of a record, and what of it reaches the journal, which has time and level already.
func asText(w io.Writer) slog.Handler        { return slog.NewTextHandler(w, nil) }
func asJSON(w io.Writer) slog.Handler        { return slog.NewJSONHandler(w, nil) }
func asJournalText(w io.Writer) slog.Handler { return slog.NewTextHandler(w, bare) }
func asJournalJSON(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, bare) }

var bare = &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey || a.Key == slog.LevelKey {
		return slog.Attr{}
	}
	return a
}}

var scenes = []struct {
	name, ip, lines string
	ban             bool
}{
	{"wrong password", "192.0.2.1", "a login bob secret\r\nb logout\r\n", true},
	{"over IPv6", "2001:db8::7", "a login bob secret\r\nb logout\r\n", true},
	{"empty name", "192.0.2.2", "a login \"\" secret\r\nb logout\r\n", true},
	{"a name that looks like the line", "192.0.2.3", "a login \"x remote=198.51.100.1 user=y\" secret\r\nb logout\r\n", true},
	{"a name with quotes", "192.0.2.4", "a login \"\\\" msg=\\\"login failed\\\" conn=1 remote=198.51.100.1 user=\" secret\r\nb logout\r\n", true},
	{"HTTP", "192.0.2.5", "GET / HTTP/1.1\r\n\r\n", true},
	{"nobody tried", "192.0.2.6", "a capability\r\nb logout\r\n", false},
}

// What the engine logs is what the filter matches, with the right address and no other.
func TestFilterMatchesEngine(t *testing.T) {
	patterns := failregex(t)
	for _, s := range scenes {
		for format, handler := range map[string]func(io.Writer) slog.Handler{
			"text": asText, "json": asJSON, "journal text": asJournalText, "journal json": asJournalJSON,
		} {
			log := engineLog(t, handler, s.ip, s.lines)
			var banned []string
			for line := range strings.Lines(log) {
				for _, prefix := range []string{"", "host maildir-imapd[123]: "} {
					banned = append(banned, match(patterns, prefix+withoutTime(line))...)
				}
			}
			want := 0
			if s.ban && (strings.HasSuffix(format, "text") || s.name != "HTTP") {
				want = 2 // with and without the journal's prefix
			}
			if len(banned) != want {
				t.Errorf("%s, %s: banned %v, want %d of %s in\n%s", s.name, format, banned, want, s.ip, log)
			}
			for _, ip := range banned {
				if ip != s.ip {
					t.Errorf("%s, %s: bans %s, not %s; the log is\n%s", s.name, format, ip, s.ip, log)
				}
			}
		}
	}
}

// fail2ban itself agrees, where it is installed.
func TestFail2banRegex(t *testing.T) {
	if _, err := exec.LookPath("fail2ban-regex"); err != nil {
		t.Skip("fail2ban-regex is not installed")
	}
	var log, want strings.Builder
	for _, s := range scenes {
		log.WriteString(engineLog(t, asText, s.ip, s.lines))
		if s.ban {
			want.WriteString(s.ip + "\n")
		}
	}
	file := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(file, []byte(log.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	absolute, err := filepath.Abs(filter) // a name without a directory would be taken for a pattern
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("fail2ban-regex", "-o", "<ip>", file, absolute).Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if string(out) != want.String() {
		t.Errorf("fail2ban bans\n%swant\n%sof\n%s", out, want.String(), log.String())
	}
}

// failregex reads the filter's patterns, with <ADDR> as fail2ban would put it.
func failregex(t *testing.T) []*regexp.Regexp {
	t.Helper()
	b, err := os.ReadFile(filter)
	if err != nil {
		t.Fatal(err)
	}
	begin := ""
	var patterns []*regexp.Regexp
	inside := false
	for line := range strings.Lines(string(b)) {
		line = strings.TrimRight(line, "\n")
		if v, ok := strings.CutPrefix(line, "_begin = "); ok {
			begin = v
		}
		v, first := strings.CutPrefix(line, "failregex = ")
		inside = first || inside && strings.HasPrefix(line, " ")
		if !inside {
			continue
		}
		v = strings.ReplaceAll(strings.TrimSpace(v), "%(_begin)s", begin)
		patterns = append(patterns, regexp.MustCompile(strings.ReplaceAll(v, "<ADDR>", `(?P<host>[0-9a-fA-F:.]+)`)))
	}
	if len(patterns) != 3 {
		t.Fatalf("%d patterns in %s", len(patterns), filter)
	}
	return patterns
}

func match(patterns []*regexp.Regexp, line string) []string {
	for _, p := range patterns {
		if m := p.FindStringSubmatch(line); m != nil {
			return []string{m[p.SubexpIndex("host")]}
		}
	}
	return nil
}

var timestamp = regexp.MustCompile(`(time=|"time":")[^" ]+`)

// withoutTime does what fail2ban does before it matches.
func withoutTime(line string) string { return timestamp.ReplaceAllString(line, "$1") }
