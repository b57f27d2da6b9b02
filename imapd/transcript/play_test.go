package transcript

import (
	"bufio"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// stub is a server that knows its answers by heart: it greets, lets everybody in, and says what is listed
// for a command's name.
func stub(t *testing.T, answers map[string]string) *Server {
	t.Helper()
	dial := func() (net.Conn, error) {
		client, server := net.Pipe()
		go func() {
			defer server.Close()
			r := bufio.NewReader(server)
			_, _ = server.Write([]byte("* OK hello\r\n"))
			for {
				line, err := r.ReadString('\n')
				if err != nil {
					return
				}
				tag, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
				name, _, _ := strings.Cut(rest, " ")
				out := answers[name]
				if !strings.Contains(out, "TAG") {
					out += "TAG OK done\r\n"
				}
				if _, err := server.Write([]byte(strings.ReplaceAll(out, "TAG", tag))); err != nil {
					return
				}
			}
		}()
		return client, nil
	}
	return &Server{Dial: dial, User: "u", Password: "p", MailDir: t.TempDir()}
}

func script(t *testing.T, text string) *Script {
	t.Helper()
	path := filepath.Join(t.TempDir(), "t.txt")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The player must fail where a server departs from a transcript: a tool that cannot fail proves nothing.
func TestPlayIsStrict(t *testing.T) {
	defer goleak.VerifyNone(t)
	for _, tc := range []struct{ name, steps, answer, want string }{
		{"as listed", "1 C: a NOOP\n1 U: * 3 EXISTS\n1 U: * 1 RECENT\n1 S: a OK\n", "* 1 RECENT\r\n* 3 EXISTS\r\n", ""},
		{"optional and absent", "1 C: a NOOP\n1 ?: * 3 EXISTS\n1 S: a OK\n", "", ""},
		{"unlisted", "1 C: a NOOP\n1 S: a OK\n", "* 3 EXISTS\r\n", "want"},
		{"missing", "1 C: a NOOP\n1 U: * 3 EXISTS\n1 S: a OK\n", "", "want"},
		{"said twice", "1 C: a NOOP\n1 U: * 3 EXISTS\n1 S: a OK\n", "* 3 EXISTS\r\n* 3 EXISTS\r\n", "want"},
		{"left over", "1 C: a NOOP\n1 S: a OK\n", "TAG OK\r\n* 9 EXISTS\r\n", "left over"},
		{"refused", "1 C: a NOOP\n1 S: a OK\n", "TAG NO\r\n", "want"},
		{"other expunge", "1 C: a NOOP\n1 X: 2,4\n1 S: a OK\n", "* 2 EXPUNGE\r\n* 4 EXPUNGE\r\n", "remove [2 5]"},
		{"expunges descending", "1 C: a NOOP\n1 X: 2,4\n1 S: a OK\n", "* 4 EXPUNGE\r\n* 2 EXPUNGE\r\n", ""},
		{"expunges ascending", "1 C: a NOOP\n1 X: 2,4\n1 S: a OK\n", "* 2 EXPUNGE\r\n* 3 EXPUNGE\r\n", ""},
		{"unquiet", "1 C: a NOOP\n1 S: a OK\n1 quiet 20ms\n", "TAG OK\r\n* 9 EXISTS\r\n", "want silence"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := Run(script(t, "state: auth\n\n"+tc.steps), stub(t, map[string]string{"NOOP": tc.answer}), Plain)
			switch {
			case tc.want == "" && err != nil:
				t.Error(err)
			case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("want an error with %q, got %v", tc.want, err)
			}
		})
	}
}

func TestCapabilityIsDemanded(t *testing.T) {
	s := script(t, "caps: XLIST\n\n1 C: a NOOP\n1 S: a OK\n")
	srv := stub(t, map[string]string{"CAPABILITY": "* CAPABILITY IMAP4rev1\r\n"})
	if err := Run(s, srv, Plain); !errors.Is(err, ErrCaps) {
		t.Errorf("got %v", err)
	}
}

func TestOneByteIsOneByte(t *testing.T) {
	client, server := net.Pipe()
	defer server.Close()
	c := &conn{net: client, oneByte: true, log: &strings.Builder{}}
	c.setWriter(client)
	go func() { _ = c.send([]byte("abc")); client.Close() }()
	buf := make([]byte, 10)
	_ = server.SetDeadline(time.Now().Add(time.Second))
	for _, want := range "abc" {
		if n, err := server.Read(buf); n != 1 || rune(buf[0]) != want {
			t.Fatalf("read %d bytes %q, %v", n, buf[:n], err)
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"no steps":               "state: auth\n",
		"unknown header":         "stat: auth\n\n1 C: a NOOP\n",
		"unknown state":          "state: asleep\n\n1 C: a NOOP\n",
		"unknown fixture":        "maildir: nonesuch\n\n1 C: a NOOP\n",
		"connection":             "connections: 1\n\n2 C: a NOOP\n",
		"difference without RFC": "dovecot: differs it is odd\n\n1 C: a NOOP\n",
		"no step":                "state: auth\n\n1 D: a NOOP\n",
	} {
		path := filepath.Join(t.TempDir(), "t.txt")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(path); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func FuzzParseResponse(f *testing.F) {
	for _, s := range []string{"* 1 FETCH (BODY[] {3}\r\nabc FLAGS (\\Seen))\r\n", "a OK [UIDNEXT 4] x\r\n", "+ idling\r\n", "* LIST () \"/\" x\r\n", " $00\x8200"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(_ *testing.T, b []byte) {
		if r, err := parseResponse(b, false); err == nil {
			matchResponse(r, r, nil)
		}
	})
}
