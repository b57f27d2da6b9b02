package mta

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const ini = `[server]
root = yes
state = state
[auth]
file = users
[mail]
path = mail/%u
[namespace "public"]
prefix = Public/
path = public
`

// TestMaildirPublic: who has p delivers, and what goes wrong ends as mail transfer agents understand it.
func TestMaildirPublic(t *testing.T) {
	dir := t.TempDir()
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "bin", "maildir-imapctl"), "maildir-imapd/cmd/maildir-imapctl")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	for name, text := range map[string]string{
		"imapd.ini":                       ini,
		"users":                           "ann:{PLAIN}x::::::groups=staff\nbob:{PLAIN}x\n",
		"public/.team/dovecot-acl":        "anyone lr\ngroup=staff lrp\n",
		"public/.team.plans/dovecot-acl":  "authenticated p\n",
		"public/.open/dovecot-acl":        "anyone p\n-user=bob p\n",
		"public/.broken/dovecot-acl":      "anyone p\nwhat\n",
		"public/.closed/maildirfolder":    "",
		"public/.nothing/no-maildir-here": "",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, folder := range []string{".team", ".team.plans", ".open", ".broken", ".closed"} {
		for _, sub := range []string{"cur", "new", "tmp"} {
			if err := os.MkdirAll(filepath.Join(dir, "public", folder, sub), 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	script, err := filepath.Abs("maildir-public")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args, config string
		status       int
	}{
		{"team ann", "imapd.ini", 0},
		{"team bob", "imapd.ini", 77},
		{"team", "imapd.ini", 77},
		{"team.plans bob", "imapd.ini", 0},
		{"team.plans", "imapd.ini", 77},
		{"open", "imapd.ini", 0},
		{"open ann", "imapd.ini", 0},
		{"open bob", "imapd.ini", 77},
		{"closed ann", "imapd.ini", 77},
		{"broken ann", "imapd.ini", 75},
		{"nothing ann", "imapd.ini", 67},
		{"none ann", "imapd.ini", 67},
		{"../public/.open ann", "imapd.ini", 67},
		{".open ann", "imapd.ini", 67},
		{"team..plans ann", "imapd.ini", 67},
		{"team ann", "none.ini", 75},
		{"team -h", "imapd.ini", 77}, // names are whatever people log in by
		{"team -config=x", "imapd.ini", 77},
		{"open --", "imapd.ini", 0},
	} {
		t.Run(tt.args, func(t *testing.T) {
			args := strings.Fields(tt.args)
			news := filepath.Join(dir, "public", "."+args[0], "new")
			before, _ := os.ReadDir(news)
			cmd := exec.Command(script, args...)
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "PATH="+filepath.Join(dir, "bin")+":"+os.Getenv("PATH"), "ROOT="+filepath.Join(dir, "public"), "CONFIG="+tt.config)
			cmd.Stdin = strings.NewReader("Subject: " + tt.args + "\n\ntext\n")
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			if err != nil && !errors.As(err, &exit) {
				t.Fatal(err)
			}
			if got := cmd.ProcessState.ExitCode(); got != tt.status {
				t.Errorf("status %d, want %d: %s", got, tt.status, out)
			}
			after, _ := os.ReadDir(news)
			if more := len(after) - len(before); more != map[bool]int{true: 1}[tt.status == 0] {
				t.Errorf("%d messages more", more)
			}
			if tt.status != 0 {
				return
			}
			path := filepath.Join(news, after[len(after)-1].Name())
			b, err := os.ReadFile(path)
			if err != nil || string(b) != "Subject: "+tt.args+"\n\ntext\n" {
				t.Errorf("%q %v", b, err)
			}
			if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o660 {
				t.Errorf("mode %v %v", st.Mode(), err)
			}
		})
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "public", ".*", "tmp", "*")); len(left) > 0 {
		t.Error("left behind:", left)
	}
}
