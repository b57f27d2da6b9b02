package config

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// everySection is one of each kind, named ones with what a new one starts from.
func everySection() []section {
	c := Default()
	c.Listeners = []Listener{newListener("imap")}
	c.Hosts = []Host{{Name: "mail.example.net"}}
	c.Namespaces = []Namespace{newNamespace("public")}
	c.Mailboxes = []Mailbox{{Name: "Trash"}}
	return c.sections("/")
}

// TestExampleIni: the shipped file says nothing but the defaults, with its comments and without.
func TestExampleIni(t *testing.T) {
	b, err := os.ReadFile("../../contrib/imapd.ini")
	if err != nil {
		t.Fatal(err)
	}
	said := regexp.MustCompile(`(?m)^; ([a-z_0-9]+ =)`).ReplaceAll(b, []byte("$1"))
	if bytes.Equal(said, b) {
		t.Error("no defaults in comments")
	}
	for _, text := range [][]byte{b, said} {
		c, warnings, err := Parse(text, "imapd.ini", "/etc/maildir-imapd")
		if err != nil || len(warnings) > 0 {
			t.Fatal(err, warnings)
		}
		if d := cmp.Diff(Default(), c, cmpopts.EquateEmpty()); d != "" {
			t.Errorf("not the defaults (-default +example):\n%s", d)
		}
	}
	for _, s := range everySection() {
		_, after, ok := bytes.Cut(b, []byte("["+s.kind+""))
		if s.name != "" {
			_, after, ok = bytes.Cut(b, []byte("["+s.kind+" \""))
		}
		if !ok {
			t.Errorf("no section %s", s.header())
			continue
		}
		if i := bytes.Index(after, []byte("\n[")); i >= 0 {
			after = after[:i]
		}
		for _, k := range s.keys {
			if !regexp.MustCompile(`(?m)^(; |#   )` + k.name + ` =`).Match(after) {
				t.Errorf("%s %s is not in the example", s.header(), k.name)
			}
		}
	}
}

// TestManPage: every key stands in the reference, under its section and with its default.
func TestManPage(t *testing.T) {
	b, err := os.ReadFile("../../man/maildir-imapd.ini.5")
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]string{}
	for _, part := range strings.Split(string(b), "\n.Ss ")[1:] {
		title, body, _ := strings.Cut(part, "\n")
		body, _, _ = strings.Cut(body, "\n.Sh ")
		sections[title] = body
	}
	for _, s := range everySection() {
		title := "[" + s.kind
		if s.name != "" {
			title += ` \(dq`
		}
		found := false
		for have, body := range sections {
			if !strings.HasPrefix(have, title) || s.name == "" && !strings.HasPrefix(have, title+"]") {
				continue
			}
			found = true
			for _, k := range s.keys {
				line := regexp.MustCompile(`(?m)^\.It Ic ` + k.name + `$\n(.*)\n`).FindStringSubmatch(body)
				if line == nil {
					t.Errorf("%s has no %s", have, k.name)
					continue
				}
				want := shown(k.get())
				if k.name == "mechanisms" {
					want = strings.ToLower(want)
				}
				if s.name == "" && line[1] != ".Pq default: "+want {
					t.Errorf("%s %s: default %q, the page says %q", have, k.name, want, line[1])
				}
			}
		}
		if !found {
			t.Errorf("no section %s", title)
		}
	}
}
