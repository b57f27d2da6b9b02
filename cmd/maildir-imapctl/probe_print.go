package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/emersion/go-imap/v2/imapclient"
)

// probed is what was found at one server.
type probed struct {
	Server       string       `json:"server"`
	Address      string       `json:"address,omitempty"`    // where the name led
	Encryption   string       `json:"encryption,omitempty"` // "TLS 1.3", "none"; nothing without a connection
	Cipher       string       `json:"cipher,omitempty"`
	Certificate  *certificate `json:"certificate,omitempty"`
	Greeting     string       `json:"greeting,omitempty"`
	Software     string       `json:"software,omitempty"` // as it says itself
	BeforeTLS    []string     `json:"capabilities_before_tls,omitempty"`
	Capabilities []string     `json:"capabilities_before_login,omitempty"`
	AfterLogin   []string     `json:"capabilities_after_login,omitempty"`
	Mechanisms   []string     `json:"mechanisms,omitempty"`
	LoggedInBy   string       `json:"logged_in_by,omitempty"`
	Namespaces   []space      `json:"namespaces,omitempty"`
	Folders      *int         `json:"folders,omitempty"`
	Inbox        *uint32      `json:"inbox_messages,omitempty"`
	Steps        []step       `json:"steps"`
	Notes        []string     `json:"notes,omitempty"`
	Wrong        []string     `json:"wrong"`
}

type step struct {
	Name string  `json:"name"`
	MS   float64 `json:"ms"`
}

type space struct {
	Kind      string `json:"kind"`
	Prefix    string `json:"prefix"`
	Separator string `json:"separator"`
}

// wrong notes a finding. It is false, for those who can do no more then.
func (r *probed) wrong(format string, args ...any) bool {
	r.Wrong = append(r.Wrong, fmt.Sprintf(format, args...))
	return false
}

func (r *probed) note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

func (r *probed) took(name string, start time.Time) {
	r.Steps = append(r.Steps, step{name, float64(time.Since(start).Microseconds()) / 1000})
}

// ours tells that the server says it is maildir-imapd.
func (r *probed) ours() bool { return strings.HasPrefix(r.Software, "maildir-imapd") }

// bye ends the session in order. What it says to that changes nothing.
func (r *probed) bye(p *prober, l *line, c *imapclient.Client) {
	l.step(p.timeout)
	_ = c.Logout().Wait()
}

func printJSON(w io.Writer, reports []*probed) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(reports)
}

// print tells a person. Whatever a server has said is shown without what a terminal would obey.
func (r *probed) print(w io.Writer) {
	row := func(name, text string) {
		if text != "" {
			fmt.Fprintf(w, "  %-14s %s\n", name, harmless(text))
		}
	}
	words := func(name string, all []string) {
		for _, part := range fold(harmless(strings.Join(all, " ")), 100) {
			row(name, part)
			name = ""
		}
	}
	fmt.Fprintf(w, "%s\n", harmless(r.Server))
	row("address", r.Address)
	row("encryption", strings.TrimSpace(strings.Join([]string{r.Encryption, r.Cipher}, " ")))
	if c := r.Certificate; c != nil {
		row("certificate", c.text())
	}
	row("greeting", r.Greeting)
	row("server", r.Software)
	words("before TLS", r.BeforeTLS)
	words("before login", r.Capabilities)
	words("login by", r.Mechanisms)
	row("logged in by", r.LoggedInBy)
	words("after login", r.AfterLogin)
	var names []string
	for _, s := range r.Namespaces {
		names = append(names, fmt.Sprintf("%s %q %s", s.Kind, s.Prefix, s.Separator))
	}
	row("namespaces", strings.Join(names, ", "))
	if r.Folders != nil {
		row("folders", fmt.Sprint(*r.Folders))
	}
	if r.Inbox != nil {
		row("INBOX", count(int(*r.Inbox), "message"))
	}
	var times []string
	for _, s := range r.Steps {
		times = append(times, fmt.Sprintf("%s %.1f", s.Name, s.MS))
	}
	if len(times) > 0 {
		row("time in ms", strings.Join(times, ", "))
	}
	for _, n := range r.Notes {
		row("note", n)
	}
	for _, n := range r.Wrong {
		row("WRONG", n)
	}
	if len(r.Wrong) == 0 {
		fmt.Fprintln(w, "  nothing is wrong")
	}
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// text is a certificate in a line.
func (c *certificate) text() string {
	left := "for " + days(time.Until(c.Until))
	if time.Now().After(c.Until) {
		left = "over"
	}
	trust := "not trusted"
	if c.Trusted {
		trust = "trusted"
	}
	if c.Own {
		trust += ", this host's own"
	}
	return fmt.Sprintf("for %s, by %s, until %s (%s), %s", strings.Join(c.Names, " "), c.Issuer, c.Until.Format(time.DateOnly), left, trust)
}

// fold breaks a text at blanks where it would be wider than a terminal.
func fold(s string, width int) (parts []string) {
	for len(s) > width {
		i := strings.LastIndexByte(s[:width+1], ' ')
		if i <= 0 {
			break
		}
		parts, s = append(parts, s[:i]), s[i+1:]
	}
	if s != "" {
		parts = append(parts, s)
	}
	return parts
}

// harmless replaces control characters, and cuts what is endless.
func harmless(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == unicode.ReplacementChar || unicode.Is(unicode.Cf, r) {
			return '?'
		}
		return r
	}, s)
	if r := []rune(s); len(r) > 2000 {
		return string(r[:2000]) + " ..."
	}
	return s
}
