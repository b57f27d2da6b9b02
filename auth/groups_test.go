package auth

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

const groupFile = `# who is who
staff:ann,bob
root:x:0:
mail:*:8:dora , ann
staff:x:1000:eve,ann
Alle Leute:ann@example.org,Jörg

empty:
`

func TestGroups(t *testing.T) {
	g, err := ParseGroups("group", []byte(groupFile))
	if err != nil || g.Len() != 5 {
		t.Fatal(g.Len(), err)
	}
	for _, tt := range []struct{ user, groups, acl, want string }{
		{"ann", "", "", "mail staff"},
		{"ann", "board,staff", "Board,aaa", "Board aaa board mail staff"},
		{"bob", "", "", "staff"},
		{"eve", ",board,", "", "board staff"},
		{"Ann", "", "", ""},
		{"nobody", "", "x", "x"},
		{"Jörg", "", "", "Alle Leute"},
	} {
		extra := map[string]string{}
		if tt.groups != "" {
			extra["groups"] = tt.groups
		}
		if tt.acl != "" {
			extra["userdb_acl_groups"] = tt.acl
		}
		if got := strings.Join(g.Of(tt.user, extra), " "); got != tt.want {
			t.Errorf("%s %v: %q, want %q", tt.user, extra, got, tt.want)
		}
	}
	if got := (*Groups)(nil).Of("ann", map[string]string{"groups": "b,a"}); !cmp.Equal(got, []string{"a", "b"}) {
		t.Error("no file:", got)
	}
	if n := testing.AllocsPerRun(100, func() { g.Of("ann", nil) }); n > 0 {
		t.Errorf("%v allocations for who has groups in the file only", n)
	}
}

// TestGroupsStayThemselves: what a user gets is not the slice that another's are added to.
func TestGroupsStayThemselves(t *testing.T) {
	g, err := ParseGroups("group", []byte("a:ann\nb:ann\nc:ann\n"))
	if err != nil {
		t.Fatal(err)
	}
	got := g.Of("ann", nil)
	_ = append(got, "x")
	_ = g.Of("ann", map[string]string{"groups": "0"})
	if again := g.Of("ann", nil); !cmp.Equal(again, []string{"a", "b", "c"}) {
		t.Error(again)
	}
}

func TestBadGroups(t *testing.T) {
	_, err := ParseGroups("group", []byte("staff:ann\nstaff\na:b:c\n:ann\nx,y:ann\n x:ann\ng:.hidden\nh:a\x01b\ng\xff:ann\nfine:bob\n"))
	if err == nil {
		t.Fatal("loaded")
	}
	want := `group:2: line has neither the fields name:users nor the four of /etc/group; write staff:ann,bob, or put # before it
group:3: line has neither the fields name:users nor the four of /etc/group; write staff:ann,bob, or put # before it
group:4: the group has no name; write staff:ann,bob
group:5: "x,y" is no group; write one line for each
group:6: the group's name has blanks around it; remove them
group:7: group "g": user ".hidden": user name not allowed: it begins with a dot
group:8: group "h": user "a\x01b": user name not allowed: it contains a control character
group:9: group "g\xff": use another name: user name not allowed: it is not UTF-8`
	if d := cmp.Diff(want, err.Error()); d != "" {
		t.Error("(-want +got):\n" + d)
	}
	_, err = Parse("users", []byte("ann:{PLAIN}x\nbob:{PLAIN}x::::::groups=a,\x02\n"))
	if err == nil || !strings.HasPrefix(err.Error(), "users:2: ") || strings.Contains(err.Error(), "PLAIN") {
		t.Error("in the password file:", err)
	}
}

func TestLoadGroups(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "group")
	if _, err := LoadGroups(file); !os.IsNotExist(unwrapAll(err)) {
		t.Error("absent:", err)
	}
	if _, err := LoadGroups(dir); err == nil || !strings.Contains(err.Error(), "regular") {
		t.Error("directory:", err)
	}
	if err := unix.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadGroups(filepath.Join(dir, "pipe")); err == nil || !strings.Contains(err.Error(), "regular") {
		t.Error("FIFO:", err)
	}
	if err := os.WriteFile(file, []byte("\r\nstaff:ann\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	g, err := LoadGroups(file)
	if err != nil || !cmp.Equal(g.Of("ann", nil), []string{"staff"}) {
		t.Error(err, g.Of("ann", nil))
	}
}

func unwrapAll(err error) error {
	for {
		u, ok := err.(interface{ Unwrap() error })
		if !ok {
			return err
		}
		err = u.Unwrap()
	}
}

func TestGroupsEqual(t *testing.T) {
	parse := func(s string) *Groups {
		g, err := ParseGroups("g", []byte(s))
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	a := parse("staff:ann,bob\n")
	for text, want := range map[string]bool{
		"staff:x:1:bob,ann\n": true, "staff:ann\nstaff:bob\n# x\n": true, "staff:ann\n": false, "staf:ann,bob\n": false,
		"staff:ann,bob\nx:\n": false, "": false,
	} {
		if got := a.Equal(parse(text)); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
	if !(*Groups)(nil).Equal(nil) || !(*Groups)(nil).Equal(parse("")) || a.Equal(nil) || (*Groups)(nil).Equal(a) {
		t.Error("nil is an empty file")
	}
}

func FuzzParseGroups(f *testing.F) {
	f.Add([]byte(groupFile), "ann")
	f.Add([]byte("a:b:c\n"), "b")
	f.Fuzz(func(t *testing.T, b []byte, user string) {
		g, err := ParseGroups("g", b)
		if (err == nil) == (g == nil) {
			t.Fatal(g, err)
		}
		for _, name := range g.Of(user, nil) {
			if checkGroup(name) != nil {
				t.Fatalf("group %q", name)
			}
		}
	})
}
