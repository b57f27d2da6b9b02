package auth

import (
	"crypto/hmac"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/xdg-go/scram"
	"pgregory.net/rapid"
)

func TestAddUser(t *testing.T) {
	fields := Fields{Home: "/home/dora x", Quota: "1G", QuotaMessages: "10", Groups: []string{"staff", "board"}}
	out, edit, err := AddUser([]byte("# staff\nann:{PLAIN}x\n"), "dora", "secret", true, fields)
	if err != nil || !edit.Created || len(edit.Written) != 3 {
		t.Fatal(edit, err)
	}
	f, err := Parse("users", out)
	if err != nil {
		t.Fatal(err)
	}
	u, _ := f.User("dora")
	want := User{Name: "dora", Home: "/home/dora x", Extra: map[string]string{"quota": "1G", "quota_messages": "10", "groups": "staff,board"}}
	if d := cmp.Diff(want, u); d != "" {
		t.Error(d)
	}
	if again, _, err := AddUser(out, "dora", "other", false, Fields{}); !errors.Is(err, ErrUserExists) || again != nil {
		t.Error(err)
	}
	// A line that the daemon refuses is a user all the same.
	if _, _, err := AddUser([]byte("dora:TeGI5pfzbOVGw\n"), "dora", "x", false, Fields{}); !errors.Is(err, ErrUserExists) {
		t.Error(err)
	}
	out, _, err = AddUser([]byte("a:{PLAIN}x"), "dora", "secret", false, Fields{Home: "/h"})
	if lines := strings.Split(string(out), "\n"); err != nil || !strings.HasSuffix(lines[1], "::::/h") || strings.Contains(lines[2], "/h") {
		t.Errorf("%q, %v", out, err)
	}
}

func TestAddUserRefuses(t *testing.T) {
	for _, bad := range []Fields{
		{Home: "home"}, {Home: "/a:b"}, {Home: "/a "}, {Home: "/a\nb"}, {Home: "/a\xff"}, {Quota: "much"}, {Quota: "1G quota_messages=3"}, {QuotaMessages: "1G"},
		{Groups: []string{"a b"}}, {Groups: []string{"a,b"}}, {Groups: []string{""}}, {Groups: []string{"a:b"}}, {Groups: []string{"a\tb"}},
	} {
		if out, _, err := AddUser(nil, "dora", "secret", false, bad); err == nil {
			t.Errorf("%+v gave %q", bad, out)
		}
	}
}

func TestAccounts(t *testing.T) {
	content := "zoe:{PLAIN}x::::/home/zoe::nologin groups=a\nold:TeGI5pfzbOVGw\nann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=::::::allow_nets=192.0.2.0/24\nann:{CRAM-MD5}" + newCRAM("other").hex() + "\njunk\n"
	f, bad := ParseGood("users", []byte(content))
	var told []string
	for _, e := range bad {
		told = append(told, e.User+" "+e.Error())
	}
	if len(bad) != 2 || !strings.HasPrefix(told[0], "old users:2: ") || !strings.HasPrefix(told[1], " users:5: ") {
		t.Error(told)
	}
	want := []Account{
		{User: User{Name: "ann", Extra: map[string]string{"allow_nets": "192.0.2.0/24"}}, Lines: []int{3, 4}, Kinds: []string{"{SHA}", "CRAM-MD5"},
			Mechanisms: []string{"CRAM-MD5", "PLAIN", "LOGIN"}, Nets: "192.0.2.0/24"},
		{User: User{Name: "zoe", Home: "/home/zoe", Extra: map[string]string{"nologin": "", "groups": "a"}}, Lines: []int{1}, Kinds: []string{"{PLAIN}"},
			Mechanisms: []string{"SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN", "LOGIN"}, Never: true},
	}
	if d := cmp.Diff(want, f.Accounts()); d != "" {
		t.Error(d)
	}
}

func TestProve(t *testing.T) {
	content, _, err := SetPassword(nil, "ann", "secret", true)
	if err != nil {
		t.Fatal(err)
	}
	content = append(content, "old:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\nold:{CRAM-MD5}"+newCRAM("other").hex()+"\nbob:{PLAIN}pa\u00adss\n"...)
	f, err := Parse("users", content)
	if err != nil {
		t.Fatal(err)
	}
	all := []string{"SCRAM-SHA-256", "CRAM-MD5", "PLAIN", "LOGIN"}
	for _, x := range []struct {
		user, password string
		by             []string
	}{
		{"ann", "secret", all}, {"ann", "Secret", nil}, {"ann", "", nil}, {"ann", strings.Repeat("x", 2000), nil}, {"ann", "secret\x00", nil},
		{"old", "secret", []string{"PLAIN", "LOGIN"}}, {"old", "other", []string{"CRAM-MD5", "PLAIN", "LOGIN"}},
		{"bob", "pass", []string{"SCRAM-SHA-256", "SCRAM-SHA-1"}}, // RFC 4013 drops the soft hyphen, other mechanisms do not
		{"bob", "pa\u00adss", []string{"SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN", "LOGIN"}},
	} {
		proofs, err := f.Prove(x.user, x.password)
		if err != nil {
			t.Error(err)
		}
		proofs = slices.DeleteFunc(proofs, func(p Proof) bool { return !p.OK })
		var by []string
		for _, p := range proofs {
			by = append(by, p.Mechanism)
		}
		if d := cmp.Diff(x.by, by); d != "" {
			t.Errorf("%s %.20q: %s", x.user, x.password, d)
		}
	}
	for name, want := range map[string]error{"eve": ErrNoUser, "../eve": ErrBadName} {
		if p, err := f.Prove(name, "secret"); p != nil || !errors.Is(err, want) {
			t.Error(p, err)
		}
	}
}

// TestProveAgreesWithLogins: what Prove says of a mechanism is what an exchange by it comes to, whatever lines there are.
func TestProveAgreesWithLogins(t *testing.T) {
	salted, err := deriveSCRAM(scramSHA256, "other", "salt", 4096)
	if err != nil {
		t.Fatal(err)
	}
	secrets := []string{"{PLAIN}secret", "{PLAIN}other", bcryptPW, shaLine, cramLine, "{CRAM-MD5}" + newCRAM("other").hex(), scramLine, scram1, "{SCRAM-SHA-256}" + salted.data(), "{PLAIN}pa\u00adss",
		"{SHA}2jmj7l5rSw0yVb/vlWAYkK/YBwk=", "{CRAM-MD5}" + newCRAM("").hex()} // of nothing
	passwords := []string{"secret", "other", "pencil", "pw", "pass", "pa\u00adss", "Secret", ""}
	rapid.Check(t, func(rt *rapid.T) {
		var lines []string
		for _, s := range rapid.SliceOfN(rapid.SampledFrom(secrets), 1, 3).Draw(rt, "secrets") {
			lines = append(lines, "ann:"+s)
		}
		password := rapid.SampledFrom(passwords).Draw(rt, "password")
		f := testFile(t, lines...)
		proofs, err := f.Prove("ann", password)
		if err != nil {
			rt.Fatal(err)
		}
		for _, p := range proofs {
			if got := loginBy(t, f, p.Mechanism, password); got != p.OK {
				rt.Fatalf("%s: proved %v, and a login is %v", p.Mechanism, p.OK, got)
			}
		}
	})
}

// TestEmptyPassword: who has a hash of nothing, as htpasswd -b makes one, cannot log in with nothing.
func TestEmptyPassword(t *testing.T) {
	f := testFile(t, "ann:{SHA}2jmj7l5rSw0yVb/vlWAYkK/YBwk=", "ann:{CRAM-MD5}"+newCRAM("").hex())
	for _, mech := range []string{"PLAIN", "LOGIN", "CRAM-MD5"} {
		if loginBy(t, f, mech, "") {
			t.Errorf("%s let ann in without a password", mech)
		}
	}
	_, err := New(Options{File: f, Delay: time.Microsecond}).Login(t.Context(), "ann", "", overTLS)
	cause(t, err, ErrBadPassword)
}

// loginBy tells whether ann gets in by an exchange of one mechanism.
func loginBy(t *testing.T, f *File, mech, password string) bool {
	a := New(Options{File: f, Delay: time.Microsecond})
	x, err := a.Start(mech, overTLS)
	if err != nil {
		t.Fatal(mech, err)
	}
	done := false
	switch mech {
	case "PLAIN":
		_, done, err = x.Next(t.Context(), []byte("\x00ann\x00"+password))
	case "LOGIN":
		for _, response := range [][]byte{nil, []byte("ann"), []byte(password)} {
			if _, done, err = x.Next(t.Context(), response); err != nil {
				break
			}
		}
	case "CRAM-MD5":
		var challenge []byte
		if challenge, _, err = x.Next(t.Context(), nil); err == nil {
			mac := hmac.New(md5.New, []byte(password))
			mac.Write(challenge)
			_, done, err = x.Next(t.Context(), []byte("ann "+hex.EncodeToString(mac.Sum(nil))))
		}
	default:
		gen := scram.SHA256
		if mech == "SCRAM-SHA-1" {
			gen = scram.SHA1
		}
		client, cerr := gen.NewClient("ann", password, "")
		if cerr != nil {
			return false
		}
		err = runSCRAM(x, client.NewConversation())
		done = err == nil
	}
	return done && err == nil
}

// TestAddUserKeepsTheRest: whatever the file has, adding somebody and removing them again leaves every line of others.
func TestAddUserKeepsTheRest(t *testing.T) {
	others := []string{"# alice:x", "", "bob:{PLAIN}x", "alice2:{PLAIN}x", "des:TeGI5pfzbOVGw", "no colon", "\ufeffbob:{PLAIN}x"}
	rapid.Check(t, func(t *rapid.T) {
		eol := rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(t, "eol")
		content := strings.Join(rapid.SliceOfN(rapid.SampledFrom(others), 0, 6).Draw(t, "lines"), eol)
		if rapid.Bool().Draw(t, "final") && content != "" {
			content += eol
		}
		fields := Fields{Home: rapid.SampledFrom([]string{"", "/home/alice"}).Draw(t, "home"), Quota: rapid.SampledFrom([]string{"", "0", "1G"}).Draw(t, "quota"),
			Groups: rapid.SliceOfN(rapid.StringMatching(`[a-z]{1,4}`), 0, 3).Draw(t, "groups")}
		out, _, err := AddUser([]byte(content), "alice", "new", rapid.Bool().Draw(t, "cram"), fields)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := othersLines(string(out)), othersLines(content); got != want {
			t.Errorf("others' lines\n%q\nbecame\n%q", want, got)
		}
		f, _ := ParseGood("f", out)
		u, ok := f.User("alice")
		groups, err := ParseUserGroups(u.Extra)
		if !ok || err != nil || u.Home != fields.Home || u.Extra["quota"] != fields.Quota || !slices.Equal(groups, fields.Groups) && len(groups)+len(fields.Groups) > 0 {
			t.Errorf("%+v became %+v in %q", fields, u, out)
		}
	})
}
