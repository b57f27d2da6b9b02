package config

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// anyConfig draws configurations that a file can say.
func anyConfig(t *rapid.T) *Config {
	c := Default()
	draw := func(name string, values ...string) string { return rapid.SampledFrom(values).Draw(t, name) }
	word := rapid.StringMatching(`[a-zA-Z0-9;#"'\\ ,=\[\]%äß.~]{1,12}`)
	odd := func(name string) string { return word.Filter(func(s string) bool { return s[0] != '~' }).Draw(t, name) }
	list := func(name string) []string {
		l := rapid.SliceOfDistinct(rapid.StringMatching(`[a-zA-Z0-9;#"'\\ ,äß]{1,9}x`), rapid.ID[string]).Draw(t, name)
		return slices.DeleteFunc(l, func(s string) bool { return s == "inbox" })
	}
	c.Server = Server{Hostname: draw("hostname", "", "mail.example.org"), Root: rapid.Bool().Draw(t, "root"), State: "/" + odd("state")}
	c.Listeners[0].Listen = []string{draw("listen", "127.0.0.1:143", "[::1]:143", ":143", "/run/a ; b", "/run/#x")}
	c.Listeners[1].Enabled = rapid.Bool().Draw(t, "enabled")
	c.Listeners[0].TLS = TLSMode(draw("tls", "starttls", "none", "required", "implicit"))
	c.Hosts = []Host{{Name: draw("host", "a.example", "*.example.net"), Certificate: "/" + odd("certificate")}}
	c.Auth.FailureDelay = time.Duration(rapid.IntRange(0, 59999).Draw(t, "delay")) * time.Millisecond
	c.Auth.Cache = rapid.SampledFrom([]time.Duration{0, 1, time.Second, 36 * time.Hour, 48 * time.Hour}).Draw(t, "cache")
	c.Mail.Layout = Layout(draw("layout", "maildir++", "fs"))
	c.Mail.Path = draw("path", "~", "~/Maildir", "%h/x", "/srv/%d/%n ; #", `/srv/"%u"`, `/srv/\%u`)
	c.Mail.Follow = []string{"/" + odd("follow")}
	c.Special.Sent = list("sent")
	c.Special.Junk, c.Special.Trash, c.Special.Archive, c.Special.Drafts = nil, nil, nil, nil
	n := newNamespace("p q")
	n.Prefix, n.Path, n.Layout, n.ACL, n.Separator = odd("prefix")+"/", "/"+odd("public"), FS, []string{"anyone lrs"}, "/"
	n.Subscribe, n.Hide = []string{n.Prefix + odd("subscribe")}, []string{"x" + odd("hide")}
	n.Seen, n.Anyone = Seen(draw("seen", "private", "shared")), rapid.Bool().Draw(t, "anyone")
	n.Storage = Limit{Set: true, N: rapid.Int64Range(1, 1<<20).Draw(t, "storage") << 10}
	if rapid.Bool().Draw(t, "closed") {
		n.ACL = nil
	}
	o := newNamespace("shared")
	o.Prefix, o.Separator, o.Domains = draw("shared", "Shared", "#others")+"/%u/", "/", []string{draw("domain", "example.org", "!example.org")}
	c.Namespaces = []Namespace{n, o}
	for i, name := range list("aliases") {
		c.Aliases = append(c.Aliases, Alias{"al" + name, fmt.Sprintf("target%d", i) + odd("target")})
	}
	c.Mailboxes = []Mailbox{{Name: "Trash", Expire: rapid.SampledFrom([]time.Duration{0, time.Hour, 720 * time.Hour}).Draw(t, "expire"), Keep: rapid.IntRange(0, 1000).Draw(t, "keep")}}
	c.Limits.MaxConnections = rapid.IntRange(0, 1<<20).Draw(t, "max")
	c.Limits.AppendLimit = rapid.Int64Range(1024, 1<<50).Draw(t, "append")
	if rapid.Bool().Draw(t, "budget") {
		c.Limits.Memory = Limit{Set: true, N: rapid.Int64Range(32<<20, 1<<50).Draw(t, "memory")}
	}
	c.Limits.LoginTimeout = 2 * time.Minute
	c.Limits.IdleTimeout = rapid.SampledFrom([]time.Duration{time.Minute, 30 * time.Minute, 90 * time.Minute}).Draw(t, "idle")
	return c
}

func TestPrintedConfigLoads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := anyConfig(t)
		if _, err := template(c.Namespaces[0].Path); err != nil {
			c.Namespaces[0].Path = "/srv/public"
		}
		if c.Namespaces[0].Prefix == "//" || strings.Contains(c.Namespaces[0].Prefix+c.Namespaces[0].Subscribe[0], "%") {
			c.Namespaces[0].Prefix, c.Namespaces[0].Subscribe = "P/", []string{"P/ä;b"}
		}
		if strings.ContainsAny(c.Namespaces[0].Hide[0], "%") {
			c.Namespaces[0].Hide = nil
		}
		c.Aliases = slices.DeleteFunc(c.Aliases, func(a Alias) bool { return strings.Contains(a.Target, "%") })
		roundTrip(t, c)
	})
}

// FuzzParse: any bytes get a configuration that prints and loads again, or errors that name a line.
func FuzzParse(f *testing.F) {
	for _, file := range []string{"good/values.ini", "good/design.ini", "good/shared.ini", "bad/shared.ini", "bad/lines.ini", "bad/values.ini"} {
		f.Add(mustRead(f, file))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, _, err := Parse(data, "fuzz.ini", "/etc/maildir-imapd")
		switch {
		case err == nil:
			roundTrip(t, c)
		case c != nil:
			t.Fatal("a configuration with an error")
		default:
			for _, p := range err.(Errors) {
				if p.Line == 0 && len(data) > 0 {
					t.Fatalf("no line: %v", p)
				}
			}
		}
	})
}
