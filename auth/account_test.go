package auth

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
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
