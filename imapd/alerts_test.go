package imapd

import (
	"bufio"
	"compress/flate"
	"context"
	"crypto/tls"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"
)

// TestAlerts: those that stand are told before the answer to the login, new ones at once, whatever the session does,
// each once and to nobody else.
func TestAlerts(t *testing.T) {
	s := startServer(t, nil)
	set := func(texts ...string) {
		var all []Alert
		for _, text := range texts {
			user, text, ok := strings.Cut(text, ": ")
			if !ok {
				user, text = "", user
			}
			all = append(all, Alert{User: user, Text: text})
		}
		s.server.SetAlerts(all)
	}
	set("motd", testUser+": for you", "somebody: for somebody else", "motd", testUser+": motd")
	idle, waiting := s.client(t), s.client(t)
	for _, c := range []*client{idle, waiting} {
		if got := c.answer("l LOGIN " + testUser + " " + testPassword); got != "* OK [ALERT] motd\r\n* OK [ALERT] for you\r\n" {
			t.Errorf("at login: %q", got)
		}
		if got := c.answer("n NOOP"); strings.Contains(got, "ALERT") {
			t.Errorf("a second time: %q", got)
		}
	}
	idle.send("i IDLE\r\n")
	idle.expect("+")
	next := func(want string) {
		t.Helper()
		for _, c := range []*client{idle, waiting} {
			if got := c.line(); got != "* OK [ALERT] "+want+"\r\n" {
				t.Errorf("at once: %q, want %q", got, want)
			}
		}
	}
	set("motd", "down at six")
	next("down at six")
	set("down at six", testUser+": only you", "somebody: not you")
	next("only you")
	set("motd")
	next("motd") // it was away
	set()
	idle.send("DONE\r\n")
	if got := idle.expect(""); !strings.HasPrefix(got, "i OK") {
		t.Errorf("after DONE: %q", got)
	}
	if got := waiting.answer("n NOOP"); got != "" {
		t.Errorf("after all: %q", got)
	}
	s.server.SetAlerts([]Alert{{Text: "too late", Until: time.Now().Add(-time.Second)}, {Text: "in time", Until: time.Now().Add(time.Hour)}})
	if got := waiting.line() + idle.line(); got != strings.Repeat("* OK [ALERT] in time\r\n", 2) {
		t.Errorf("by time: %q", got)
	}
	_ = s.client(t) // not logged in: not told
}

// TestAlertAgain: the same text is news when the time of the one before had passed, and hides no other meanwhile.
func TestAlertAgain(t *testing.T) {
	s := startServer(t, nil)
	past, later := time.Now().Add(-time.Second), time.Now().Add(time.Hour)
	s.server.SetAlerts([]Alert{{Text: "down", Until: time.Now().Add(time.Second)}})
	c := s.client(t)
	if got := c.answer("l LOGIN " + testUser + " " + testPassword); got != "* OK [ALERT] down\r\n" {
		t.Errorf("at login: %q", got)
	}
	time.Sleep(1100 * time.Millisecond)
	for _, all := range [][]Alert{
		{{Text: "down", Until: later}},
		{{Text: "for you", Until: past}, {User: testUser, Text: "for you", Until: later}},
		{{Text: "twice", Until: past}, {Text: "twice", Until: later}},
	} {
		s.server.SetAlerts(all)
		if got, want := c.line(), "* OK [ALERT] "+all[len(all)-1].Text+"\r\n"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		s.server.SetAlerts(all)
		if got := c.answer("n NOOP"); got != "" {
			t.Errorf("again: %q", got)
		}
	}
}

// TestAlertOfNobody: who has not said who they are is not the user of that name.
func TestAlertOfNobody(t *testing.T) {
	s := startServer(t, func(s *testServer) {
		login := s.options.Auth.Login
		s.options.Auth.Login = func(ctx context.Context, user, password string, c ConnInfo) (Identity, error) {
			id, err := login(ctx, user, password, c)
			id.Anonymous = true
			return id, err
		}
	})
	s.server.SetAlerts([]Alert{{User: testUser, Text: "for you"}, {Text: "for all"}})
	if got := s.client(t).answer("l LOGIN " + testUser + " " + testPassword); got != "* OK [ALERT] for all\r\n" {
		t.Errorf("got %q", got)
	}
}

// TestPlacesOfNobody: those who have not said who they are take no place of the user whom the log calls the same.
func TestPlacesOfNobody(t *testing.T) {
	var nameless atomic.Bool
	s := startServer(t, func(s *testServer) {
		s.options.Limits.PerUser = 1
		login := s.options.Auth.Login
		s.options.Auth.Login = func(ctx context.Context, user, password string, c ConnInfo) (Identity, error) {
			id, err := login(ctx, user, password, c)
			id.Anonymous = nameless.Load()
			return id, err
		}
	})
	nameless.Store(true)
	one := s.client(t).login()
	nameless.Store(false)
	two := s.client(t).login()
	for _, c := range []bool{true, false} {
		nameless.Store(c)
		if got := s.client(t).do("l LOGIN " + testUser + " " + testPassword); !strings.HasPrefix(got, "l NO [LIMIT]") {
			t.Errorf("nameless %v: a second session: %q", c, got)
		}
	}
	one.do("o LOGOUT")
	two.do("o LOGOUT")
}

// TestAlertInTheMiddle: whoever is in the middle of a command is told with its answer.
func TestAlertInTheMiddle(t *testing.T) {
	s := startServer(t, nil)
	c := s.client(t).login()
	c.send("a APPEND INBOX {8}\r\n")
	c.expect("+")
	s.server.SetAlerts([]Alert{{Text: "now"}})
	time.Sleep(20 * time.Millisecond)
	c.send("A: b\r\n\r\n\r\n")
	if got := c.line(); got != "* OK [ALERT] now\r\n" {
		t.Errorf("got %q", got)
	}
	c.expect("a OK")
	c.send("b NO")
	s.server.SetAlerts([]Alert{{Text: "half a line"}})
	time.Sleep(20 * time.Millisecond)
	c.send("OP\r\n")
	if got := c.line(); got != "* OK [ALERT] half a line\r\n" {
		t.Errorf("got %q", got)
	}
	c.expect("b OK")
}

// TestAlertLayers: a wait that was ended for an alert goes on, whatever layers the connection has.
func TestAlertLayers(t *testing.T) {
	s := startServer(t, nil)
	for i, open := range []func(c *client){
		func(c *client) {
			c.do("t STARTTLS")
			c.Conn = tls.Client(c.Conn, &tls.Config{InsecureSkipVerify: true})
			c.r = bufio.NewReader(c.Conn)
			c.login()
		},
		func(c *client) {
			c.login().do("c COMPRESS DEFLATE")
			c.r = bufio.NewReader(flate.NewReader(c.Conn))
			c.Conn = stored{c.Conn}
		},
	} {
		c := s.client(t)
		open(c)
		for j := range 20 {
			if j == 10 {
				c.send("i IDLE\r\n")
				c.expect("+")
			}
			text := fmt.Sprint(i, ".", j)
			s.server.SetAlerts([]Alert{{Text: text}})
			if got := c.line(); got != "* OK [ALERT] "+text+"\r\n" {
				t.Fatalf("got %q", got)
			}
		}
		c.send("DONE\r\n")
		c.expect("i OK")
		c.do("n NOOP")
	}
}

// TestAlertsBesideCommands: whatever the time, each is told once, in order, and no answer is lost.
func TestAlertsBesideCommands(t *testing.T) {
	s := startServer(t, nil)
	const clients, texts = 8, 40
	done := make(chan string, clients)
	for range clients {
		c := s.client(t).login()
		go func() {
			next := 0
			for i := 0; next < texts; i++ {
				lines := []string{fmt.Sprintf("n%d NOOP\r\n", i)}
				if i%3 == 0 {
					lines = []string{fmt.Sprintf("n%d IDLE\r\n", i), "DONE\r\n"}
				}
				for _, line := range lines {
					if _, err := c.Write([]byte(line)); err != nil {
						done <- err.Error()
						return
					}
				}
				for {
					_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
					l, err := c.r.ReadString('\n')
					if err != nil {
						done <- err.Error()
						return
					}
					if strings.HasPrefix(l, "* OK [ALERT]") {
						if l != fmt.Sprintf("* OK [ALERT] %d\r\n", next) {
							done <- fmt.Sprintf("%q, want %d", l, next)
							return
						}
						next++
					}
					if strings.HasPrefix(l, fmt.Sprintf("n%d OK", i)) {
						break
					}
				}
			}
			done <- ""
		}()
	}
	var all []Alert
	for i := range texts {
		all = append(all, Alert{Text: fmt.Sprint(i)})
		s.server.SetAlerts(all)
		time.Sleep(time.Millisecond)
	}
	for range clients {
		if err := <-done; err != "" {
			t.Error(err)
		}
	}
}

func TestAlertText(t *testing.T) {
	for in, want := range map[string][2]string{
		"plain":                  {"plain", "plain"},
		" two\r\n\r\nlines\t ":   {"two lines", "two lines"},
		"* BYE\r\na001 OK x":     {"* BYE a001 OK x", "* BYE a001 OK x"},
		"für „Müller“ – 5 €":     {"für „Müller“ – 5 €", `fur "Muller" - 5 EUR`},
		"bad \xff\x00\x1b[0m":    {"bad ? [0m", "bad ? [0m"},
		"a\u202eb\u200b\u0085c":  {"ab c", "ab c"},
		"Служба":                 {"Служба", "??????"},
		"\n":                     {"", ""},
		strings.Repeat("x", 500): {strings.Repeat("x", 500), strings.Repeat("x", 500)},
		strings.Repeat("ä", 300): {strings.Repeat("ä", 248) + "...", strings.Repeat("a", 248) + "..."},
	} {
		got := alertText(in)
		if got != want[0] || asciiText(got) != want[1] {
			t.Errorf("%q: %q, %q", in, got, asciiText(got))
		}
		if len(got) > maxAlert || !utf8.ValidString(got) {
			t.Errorf("%q: %d bytes", in, len(got))
		}
	}
}

// TestAlertUTF8: who has asked for UTF-8 gets it.
func TestAlertUTF8(t *testing.T) {
	s := startServer(t, nil)
	c := s.client(t).login()
	set := func(text, want string) {
		t.Helper()
		s.server.SetAlerts([]Alert{{Text: text}})
		if got := c.line(); got != "* OK [ALERT] "+want+"\r\n" {
			t.Errorf("got %q", got)
		}
	}
	set("Größe", "Grosse")
	c.do("e ENABLE UTF8=ACCEPT")
	set("Öl\u2028und", "Öl und")
}
