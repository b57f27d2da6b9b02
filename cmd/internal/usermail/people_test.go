package usermail

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"maildir-imapd/maildir/acl"
)

func TestPeople(t *testing.T) {
	dir := t.TempDir()
	c := parse(t, "[auth]\nfile = "+dir+"/users\n[namespace \"public\"]\nprefix = P/\npath = /p\nacl = group=board lr\nseen = shared\nanyone = yes\n"+
		"[namespace \"shared\"]\nprefix = S/%u/\ndomains = example.org\n")
	if _, err := LoadPeople(c); !errors.Is(err, os.ErrNotExist) {
		t.Error("no password file:", err)
	}
	for name, text := range map[string]string{"users": "ann:{PLAIN}x::::::groups=board\nbob:{PLAIN}x\n", "group": "staff:ann,bob,eve\n", "bad": "staff\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p, err := LoadPeople(c)
	if d := cmp.Diff(acl.Who{User: "ann", Groups: []string{"board"}}, p.Who("ann")); d != "" || err != nil {
		t.Error(err, d)
	}
	c.Auth.Groups = filepath.Join(dir, "group")
	if p, err = LoadPeople(c); err != nil {
		t.Fatal(err)
	}
	for user, want := range map[string][]string{"ann": {"board", "staff"}, "bob": {"staff"}, "eve": {"staff"}, "nobody": nil} {
		if d := cmp.Diff(acl.Who{User: user, Groups: want}, p.Who(user)); d != "" {
			t.Error(d)
		}
	}
	if d := cmp.Diff(acl.Who{User: "ann"}, People{}.Who("ann")); d != "" {
		t.Error(d)
	}
	a := PublicAccess(&c.Namespaces[0], p.Who("ann"))
	who := a.Who()
	if r, _ := a.Default().Rights(&who); r != acl.RightsReadOnly || a.Private() || !a.Anyone() {
		t.Error(r, a.Private(), a.Anyone())
	}
	if Sharing(c, "ann") != nil || Sharing(c, "ann@example.org") != &c.Namespaces[1] {
		t.Error("who shares")
	}
	c.Auth.Groups = filepath.Join(dir, "bad")
	if _, err := LoadPeople(c); err == nil {
		t.Error("a bad file of groups")
	}
}
