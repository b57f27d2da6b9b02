package acl

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// TestAnswersAsDovecot goes through the files that Dovecot was asked about. contrib/interop asks it again.
func TestAnswersAsDovecot(t *testing.T) {
	differs := map[string]bool{}
	for _, f := range table(t, "testdata/dovecot-differences.txt", 5) {
		differs[strings.Join(f[:4], " | ")] = true
	}
	users := []Who{{User: "alice", Groups: []string{"news", "staff"}}, {User: "bob", Groups: []string{"staff"}}, {User: "carol"}, {User: "bnb"}}
	all, odd := table(t, "testdata/dovecot-answers.txt", 7), 0
	for _, f := range all {
		for i, w := range users {
			w.Owner = f[0] != "public" && w.User == "alice"
			root := f[1]
			if f[0] != "public" {
				root = "none" // the file there is INBOX's own
			}
			got := answer(t, &w, f[2], root)
			if differs[strings.Join(f[:3], " | ")+" | "+w.User] {
				odd++
				if got == f[3+i] {
					t.Errorf("%s: %s has %s, and so it does with Dovecot", f[:3], w.User, got)
				}
			} else if got != f[3+i] {
				t.Errorf("%s: %s has %s, with Dovecot %s", f[:3], w.User, got, f[3+i])
			}
		}
	}
	if len(all) < 200 || odd != len(differs) {
		t.Errorf("%d files; %d of %d differences were met", len(all), odd, len(differs))
	}
}

// answer is the rights by the first file that says something: "-" for none (or for p alone, which MYRIGHTS does not
// tell), "!" for a bad file.
func answer(t *testing.T, w *Who, files ...string) string {
	t.Helper()
	r := Rights(0)
	if w.Owner {
		r = RightsAll
	}
	for _, file := range files {
		if file == "none" {
			continue
		}
		text, err := strconv.Unquote(file)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		l, err := Parse([]byte(text))
		if err != nil {
			return "!"
		}
		l.explained(t, w)
		var matched bool
		if r, matched = l.Rights(w); matched {
			break
		}
	}
	if r&^RightPost == 0 {
		return "-"
	}
	return r.String()
}

// table reads a file of lines with n fields between bars.
func table(t *testing.T, name string, n int) (lines [][]string) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		f := strings.Split(line, " | ")
		if len(f) != n {
			t.Fatalf("%s: %q has %d fields", name, line, len(f))
		}
		lines = append(lines, f)
	}
	return lines
}
