package maildir

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

var layouts = []names{
	{layout: MaildirPP, sep: '/'}, {layout: MaildirPP, sep: '.'}, {layout: FS, sep: '/'}, {layout: FS, sep: '.'},
	{layout: MaildirPP, sep: '/', utf8: true}, {layout: FS, sep: '.', utf8: true}, {layout: FS, sep: '/', noInbox: true},
}

func TestPath(t *testing.T) {
	// Each as Dovecot 2.3.19 with its listescape plugin wrote it.
	for _, c := range []struct {
		n          names
		name, path string
	}{
		{layouts[0], "INBOX", ""},
		{layouts[0], "a/b", ".a.b"},
		{layouts[0], "mail.ru/x", `.mail\2eru.x`},
		{layouts[0], "~tilde", `.\7etilde`},
		{layouts[0], "x/~t", `.x.\7et`},
		{layouts[0], `back\slash`, `.back\5cslash`},
		{layouts[0], "Grüße/é&x", ".Gr&APwA3w-e.&AOk-&-x"},
		{layouts[0], "INBOX/kid", ".INBOX.kid"},
		{layouts[0], ".dot", `.\2edot`},
		{layouts[0], "a*b", ".a*b"},
		{layouts[0], "tab\tx", ".tab&AAk-x"},
		{layouts[1], "sl/ash.x", `.sl\2fash.x`},
		{layouts[1], "Grüße.é", ".Gr&APwA3w-e.&AOk-"},
		{layouts[2], "mail.ru/x", "mail.ru/x"},
		{layouts[2], "x/~t", `x/\7et`},
		{layouts[2], ".dot", ".dot"},
		{layouts[2], "..dot", "..dot"},
		{layouts[2], "a/..", `a/\2e.`},
		{layouts[2], "INBOX/kid", "INBOX/kid"},
		{layouts[3], "a.b", "a/b"},
		{layouts[4], "Grüße.x", `.Grüße\2ex`},
		{layouts[6], "INBOX", "INBOX"},
	} {
		if got := c.n.path(c.name); got != c.path {
			t.Errorf("%v %q: got %q, want %q", c.n, c.name, got, c.path)
		}
	}
}

func TestDecodeForeign(t *testing.T) {
	pp, fs := layouts[0], layouts[2]
	for _, c := range []struct {
		n          names
		disk, want string
		ok         bool
	}{
		{pp, "Grüße", "Grüße", true},                   // raw UTF-8
		{pp, `back\slash`, `back\slash`, true},         // not escaped
		{pp, `a\2Eb`, "a.b", true},                     // other case
		{pp, `a\2fb`, `a\2fb`, true},                   // would be a level
		{pp, "a&b", "a&b", true},                       // not modified UTF-7
		{pp, "&AGE-", "&AGE-", true},                   // not the encoding of a
		{pp, "caf\xe9", "", false},                     // Latin 1
		{fs, "~x", "~x", true},                         // not escaped
		{fs, `\`, `\`, true},                           //
		{fs, `\2e\2e`, "..", true},                     //
		{layouts[4], "&AOk-", "&AOk-", true},           // UTF-8 on disk
		{layouts[0], "&2D3eAA-", "😀", true},            // a surrogate pair
		{layouts[0], "&2D0-", "&2D0-", true},           // half of one
		{layouts[0], "&AOk-&AOk-", "&AOk-&AOk-", true}, // two runs in a row
	} {
		got, ok := c.n.decode(c.disk)
		if got != c.want || ok != c.ok {
			t.Errorf("%q: got %q %v, want %q %v", c.disk, got, ok, c.want, c.ok)
		}
	}
	for dir, want := range map[string]string{"..DOVECOT-TRASHED": "", ".": "", ".INBOX": "", ".inbox": "", ".inbox.x": "INBOX/x", ".A..B": "", ".A.": "", ".new": "new"} {
		got, ok := pp.folderName(dir)
		if got != want && ok || ok != (want != "") {
			t.Errorf("%q: got %q %v, want %q", dir, got, ok, want)
		}
	}
}

func FuzzPath(f *testing.F) {
	for _, s := range []string{"a/b", "mail.ru", "~x/~y", `\2e`, "Grüße", "&", "😀/x", "..", ".", "a&-b", "\u00e9&\u00e9", "\x00", "&AOk-"} {
		f.Add(s, uint8(0))
		f.Add(s, uint8(1))
	}
	f.Fuzz(func(t *testing.T, name string, which uint8) {
		n := layouts[int(which)%len(layouts)]
		name = n.clean(name)
		// A name that may be made leads to its own place and back.
		if utf8.ValidString(name) && validComponents(name, n.sep) && !n.isInbox(name) {
			path := n.path(name)
			var back string
			var ok bool
			if n.layout == MaildirPP {
				back, ok = n.folderName(path)
				if strings.Contains(path, "/") && !strings.Contains(name, "\x00") {
					t.Fatalf("%q leads below: %q", name, path)
				}
			} else {
				parts := strings.Split(path, "/")
				ok = true
				for i, p := range parts {
					if p == "." || p == ".." || p == "" {
						t.Fatalf("%q leads out: %q", name, path)
					}
					var pok bool
					parts[i], pok = n.decode(p)
					ok = ok && pok
				}
				back = n.clean(strings.Join(parts, string(n.sep)))
			}
			if !ok || back != name {
				t.Fatalf("%+v %q -> %q -> %q %v", n, name, path, back, ok)
			}
		}
		// Any directory name decodes to something valid or to nothing.
		if d, ok := n.decode(name); ok && !utf8.ValidString(d) {
			t.Fatalf("%q decodes to %q", name, d)
		}
	})
}

func FuzzMUTF7(f *testing.F) {
	for _, s := range []string{"a", "&-", "&AOk-", "&2D3eAA-", "&AGE-", "&", "&A-", "é", "&AOk-&AOk-", "&AOl-", "&AA\n-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if utf8.ValidString(s) {
			if d, err := decodeMUTF7(encodeMUTF7(s)); err != nil || d != s {
				t.Fatalf("%q -> %q -> %q, %v", s, encodeMUTF7(s), d, err)
			}
		}
		if d, err := decodeMUTF7(s); err == nil && encodeMUTF7(d) != s {
			t.Fatalf("%q decodes to %q, which is %q", s, d, encodeMUTF7(d))
		}
	})
}

func TestVerify(t *testing.T) {
	pp, fs := layouts[0], layouts[2]
	for _, c := range []struct {
		n    names
		name string
		ok   bool
	}{
		{pp, "a", true}, {pp, "a/b.c", true}, {pp, "dovecot", true}, {pp, "Grüße", true}, {fs, "..", false}, {pp, "../a", false},
		{pp, "", false}, {pp, "/a", false}, {pp, "a/", false}, {pp, "a//b", false}, {pp, "a\nb", false}, {pp, "a\x7f", false}, {pp, "\xff", false},
		{pp, "cur", false}, {pp, "a/new", false}, {fs, "a/tmp/b", false}, {fs, "subscriptions", false}, {fs, "dovecot-uidlist", false},
		{fs, "courierimapuiddb", false}, {fs, "maildir-imapd.index", false}, {fs, "maildirfolder", false}, {fs, trashDir, false},
		{pp, strings.Repeat("x", 254), true}, {pp, strings.Repeat("x", 255), false}, {fs, strings.Repeat("x", 255), true}, {fs, strings.Repeat("x", 256), false},
		{pp, strings.Repeat("é", 130), false}, {pp, strings.Repeat(".", 100), false},
		{fs, strings.Repeat("a/", 31) + "a", true}, {fs, strings.Repeat("a/", 32) + "a", false},
	} {
		err := c.n.verify(c.name)
		if (err == nil) != c.ok || err != nil && (!errors.Is(err, ErrBadName) || Reason(err) == "" || Reason(opError("create", c.name, err)) == "") {
			t.Errorf("%q: %v, want ok %v", c.name, err, c.ok)
		}
	}
}

func TestCompare(t *testing.T) {
	n := layouts[0]
	want := []string{"INBOX", "INBOX/x", "A", "A/b", "A/b/c", "A b", "A!", "B", "INBOXES", "a"}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, n.compare)
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestSubscriptionsFile(t *testing.T) {
	n := layouts[0]
	// Lines as Dovecot wrote them.
	in := "V\t2\n\na\tb\nmail\\2eru\tx\n\\7etilde\nGr&APwA3w-e\t&AOk-&-x\ntab&AAk-x\nINBOX\tkid\nPublic/news\n\ntab\x01tin\n"
	s, err := parseSubscriptions([]byte(in), MaildirPP)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"a/b", "mail.ru/x", "~tilde", "Grüße/é&x", "tab\tx", "INBOX/kid", "Public/news", "tab\tin"}
	if got := s.list(n); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if s.set(n, "a/b", true, false) || s.set(n, "none", false, false) {
		t.Error("a change where there is none")
	}
	if !s.set(n, "mail.ru/x", false, false) || !s.set(n, "x.y/~z", true, false) || !s.set(n, "Public/a.b", true, true) {
		t.Error("no change")
	}
	out := "V\t2\n\na\tb\n\\7etilde\nGr&APwA3w-e\t&AOk-&-x\ntab&AAk-x\nINBOX\tkid\nPublic/news\ntab\x01tin\nx\\2ey\t\\7ez\nPublic/a\\2eb\n"
	if got := string(s.encode(nil)); got != out {
		t.Errorf("got %q\nwant %q", got, out)
	}
	old, err := parseSubscriptions([]byte("a.b\nINBOX\nGr&APwA3w-e.x\nPublic/news\nmail\\2eru.x\n"), MaildirPP)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := old.list(n), []string{"a/b", "INBOX", "Grüße/x", "Public/news", "mail.ru/x"}; !slices.Equal(got, want) {
		t.Errorf("version 1: got %q, want %q", got, want)
	}
	if _, err := parseSubscriptions([]byte("V\t3\n\na\n"), MaildirPP); !errors.Is(err, ErrCorrupt) {
		t.Errorf("version 3: %v", err)
	}
	c := parseCourierSubscriptions([]byte("INBOX\nINBOX.Sent\ninbox.a.b\n#shared.x\n"))
	if got, want := c.list(n), []string{"INBOX", "Sent", "a/b"}; !slices.Equal(got, want) {
		t.Errorf("Courier: got %q, want %q", got, want)
	}
}

func FuzzSubscriptions(f *testing.F) {
	f.Add([]byte("V\t2\n\na\tb\nx\x01ty\n"), "a/b", uint8(0))
	f.Add([]byte("a.b\nc/d\n"), "x.y", uint8(1))
	f.Fuzz(func(t *testing.T, b []byte, name string, which uint8) {
		n := layouts[int(which)%len(layouts)]
		s, err := parseSubscriptions(b, n.layout)
		if err != nil {
			return
		}
		before := slices.Clone(s.lines)
		again, err := parseSubscriptions(s.encode(nil), n.layout)
		if err != nil || !slices.Equal(again.lines, before) {
			t.Fatalf("%q -> %q, %v", before, again.lines, err)
		}
		name = n.clean(name)
		if !utf8.ValidString(name) || !validComponents(name, n.sep) {
			return
		}
		for _, whole := range []bool{false, true} {
			s.set(n, name, true, whole)
			again, err := parseSubscriptions(s.encode(nil), n.layout)
			if err != nil || !slices.Contains(again.list(n), name) {
				t.Fatalf("%+v %q not found in %q", n, name, again.lines)
			}
			s.set(n, name, false, whole)
			if slices.Contains(s.list(n), name) {
				t.Fatalf("%q still there", name)
			}
		}
	})
}

func FuzzProps(f *testing.F) {
	f.Add([]byte("special-use \\Sent \\Archive\nfuture thing\n\nodd"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p := parseProps(b)
		before := slices.Clone(p.lines)
		if again := parseProps(p.encode(nil)); !slices.Equal(again.lines, before) {
			t.Fatalf("%q", b)
		}
		use := p.specialUse()
		p.setSpecialUse(use)
		if got := parseProps(p.encode(nil)).specialUse(); !slices.Equal(got, use) {
			t.Fatalf("%q: %q, then %q", b, use, got)
		}
	})
}
