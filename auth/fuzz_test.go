package auth

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Any bytes are a file or errors that name their lines.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"good.passwd", "bad.passwd"} {
		b, err := os.ReadFile(filepath.Join("..", "testdata", "auth", name))
		if err != nil {
			f.Fatal(err)
		}
		for _, line := range bytes.SplitAfter(b, []byte("\n")) {
			f.Add(line)
		}
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		file, err := Parse("f", content)
		if err != nil {
			for _, e := range err.(interface{ Unwrap() []error }).Unwrap() {
				var le *LineError
				if !errors.As(e, &le) || le.Line < 1 || le.Line > bytes.Count(content, []byte("\n"))+1 || le.Msg == "" {
					t.Errorf("%v", e)
				}
			}
			return
		}
		for name, a := range file.users {
			if err := CheckName(name); err != nil {
				t.Error(err)
			}
			// A secret that is a hash must not be its own password.
			for _, v := range a.verifiers {
				if v.cost < 20 && v.plain == nil && v.check(v.raw) {
					t.Errorf("%q is taken for a password", v.raw)
				}
				if v.cost < 20 {
					v.check("secret")
				}
			}
		}
		// What was read can be edited, and only the user's lines change.
		for name := range file.users {
			if strings.TrimSpace(name) != name || name[0] == '#' {
				t.Errorf("user %q", name)
			}
			rest, n := Remove(content, name)
			if n == 0 || (len(file.users) > 1) != (len(mustParse(t, rest).users) > 0) {
				t.Errorf("removing %q took %d lines", name, n)
			}
			break
		}
	})
}

func mustParse(t *testing.T, content []byte) *File {
	t.Helper()
	f, err := Parse("f", content)
	if err != nil {
		t.Fatalf("%q: %v", content, err)
	}
	return f
}

// Any bytes a client sends are an error or go on; without the password none of them
// logs anyone in.
func FuzzExchange(f *testing.F) {
	for i := range mechanisms {
		f.Add(i, []byte("\x00alice\x00password"), []byte("c=biws,r=x,p=AAAA"), true)
		f.Add(i, []byte("n,,n=alice,r=x"), []byte("alice 00000000000000000000000000000000"), false)
		f.Add(i, []byte("p=tls-exporter,,n=alice,r=x"), []byte("c=cD10bHMtZXhwb3J0ZXIsLGV4cG9ydGVk,r=x,p="), true)
		f.Add(i, []byte("y,a=bob,n=a=2Cb,r=,"), []byte(""), true)
	}
	file := testFile(f, "alice:"+shaLine, "alice:"+scramLine, "alice:"+scram1, "alice:"+cramLine, "bob:{PLAIN}qwertz")
	a := New(Options{File: file, Delay: time.Nanosecond, Anonymous: true})
	f.Fuzz(func(t *testing.T, mech int, first, second []byte, initial bool) {
		m := mechanisms[uint(mech)%uint(len(mechanisms))].name
		x := start(t, a, m, bound)
		responses := [][]byte{first, second, {}}
		if !initial {
			responses = append([][]byte{nil}, responses...)
		}
		for _, r := range responses {
			challenge, done, err := x.Next(context.Background(), r)
			if done && m == "ANONYMOUS" {
				if u := x.User(); !u.Anonymous || u.Name != AnonymousName {
					t.Fatalf("%q %q logged %+v in", first, second, u)
				}
				return
			}
			if done && !bytes.Contains(first, []byte("secret")) && !bytes.Contains(first, []byte("qwertz")) &&
				!bytes.Contains(second, []byte("secret")) && !bytes.Contains(second, []byte("qwertz")) {
				t.Fatalf("%s: %q %q logged %q in", m, first, second, x.User().Name)
			}
			if err != nil {
				var e *Error
				if !errors.As(err, &e) || e.Text == "" || challenge != nil {
					t.Fatalf("%s: %v with %q", m, err, challenge)
				}
				if _, done, err := x.Next(context.Background(), second); done || err == nil {
					t.Fatalf("%s goes on after its error", m)
				}
				return
			}
			if done {
				return
			}
		}
	})
}

// Setting a password leaves every line of others as it was and makes the new
// password, and no other, work.
func TestSetPasswordKeepsTheRest(t *testing.T) {
	others := []string{"# comment", "", "bob:{PLAIN}x", "carol:" + shaLine + ":1:2:::", "des:TeGI5pfzbOVGw", "no colon", "  # alice:x"}
	mine := []string{"alice:" + shaLine, "alice:" + scramLine + ":1000", "alice:" + cramLine, "alice::7", "alice:" + scram1, "alice:TeGI5pfzbOVGw",
		"alice:{PLAIN}secret:1001::", "alice:" + shaLine + ":1002:::/home/alice"}
	uids := []string{":1000", ":1001", ":1002"}
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOfN(rapid.SampledFrom(append(append([]string{}, others...), mine...)), 0, 8).Draw(t, "lines")
		eol := rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(t, "eol")
		content := strings.Join(lines, eol)
		if rapid.Bool().Draw(t, "final") && content != "" {
			content += eol
		}
		cram := rapid.Bool().Draw(t, "cram")
		out, edit, err := SetPassword([]byte(content), "alice", "new", cram)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := othersLines(string(out)), othersLines(content); got != want {
			t.Errorf("others' lines\n%q\nbecame\n%q", want, got)
		}
		if edit.Created == strings.Contains("\n"+strings.ReplaceAll(content, "\r", ""), "\nalice:") {
			t.Errorf("created: %v", edit.Created)
		}
		var own []string
		for l := range bytes.Lines(out) {
			if lineUser(l) == "alice" {
				own = append(own, string(l))
			}
		}
		f, err := Parse("f", []byte(strings.Join(own, "")))
		if err != nil {
			t.Fatalf("%v in %q", err, own)
		}
		kinds := map[string]int{}
		for _, v := range f.users["alice"].verifiers {
			if !v.check("new") || v.check("secret") {
				t.Errorf("a line does not hold the new password: %q", own)
			}
			kinds[lineKind([]byte("x:"+v.raw))]++
		}
		if kinds["bcrypt"] < 1 || kinds["SCRAM-SHA-256"] < 1 || (cram && kinds["CRAM-MD5"] == 0) ||
			(kinds["CRAM-MD5"] == 0) == (cram || strings.Contains(content, cramLine)) {
			t.Errorf("kinds %v of %q", kinds, own)
		}
		for _, uid := range uids {
			if strings.Count(content, uid) != strings.Count(strings.Join(own, ""), uid) {
				t.Errorf("a line's further fields are lost: %q", own)
			}
		}
	})
}

// othersLines is the content without alice's lines and without a final line end, which
// an appended line adds to the last one.
func othersLines(content string) string {
	rest, _ := Remove([]byte(content), "alice")
	return strings.TrimRight(string(rest), "\r\n")
}

func TestSetPasswordRefusals(t *testing.T) {
	for name, tt := range map[string]struct{ user, password string }{
		"empty":     {"alice", ""},
		"73 bytes":  {"alice", strings.Repeat("x", 73)},
		"two lines": {"alice", "a\nb"},
		"control":   {"alice", "a\x07b"},
		"encoding":  {"alice", "a\xffb"},
		"colon":     {"al:ice", "secret"},
		"comment":   {"#alice", "secret"},
		"blank":     {" alice", "secret"},
		"path":      {"a/b", "secret"},
	} {
		if out, _, err := SetPassword([]byte("x"), tt.user, tt.password, false); err == nil || out != nil || (len(tt.password) > 1 && strings.Contains(err.Error(), tt.password)) {
			t.Errorf("%s: %q, %v", name, out, err)
		}
	}
}
