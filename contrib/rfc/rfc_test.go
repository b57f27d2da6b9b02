package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const sample = `# a comment
2177 | full    | IDLE       | IDLE     | imapd/ext_idle.go |
5256 | no      |            | SORT     |                   | not yet
9051 | partial |            | rev2     | imapd             | grammar only
-    | full    | XLIST      | XLIST    | imapd             |
`

func TestParseList(t *testing.T) {
	list, err := parseList("rfcs.txt", sample)
	if err != nil {
		t.Fatal(err)
	}
	want := rfc{line: 2, number: 2177, status: full, caps: []string{"IDLE"}, title: "IDLE", where: []string{"imapd/ext_idle.go"}}
	if diff := cmp.Diff(want, list[0], cmp.AllowUnexported(rfc{})); diff != "" || len(list) != 4 {
		t.Errorf("%d lines; first: %s", len(list), diff)
	}
}

func TestParseListErrors(t *testing.T) {
	for in, want := range map[string]string{
		"2177 | full | IDLE | IDLE | imapd":                                   "5 fields",
		"x | full | | IDLE | imapd |":                                         `number "x"`,
		"2177 | most | | IDLE | imapd |":                                      `status "most"`,
		"2177 | full | | | imapd |":                                           "no title",
		"2177 | partial | | IDLE | imapd |":                                   "needs a note",
		"2177 | full | | IDLE | |":                                            "needs a place",
		"2177 | no | IDLE | IDLE | | why":                                     "has no capabilities",
		"2177 | full | | A | imapd |\n2177 | full | | B | imapd |":            "rfcs.txt:2: RFC 2177 comes after 2177",
		"2342 | full | | A | imapd |\n2177 | full | | B | imapd |":            "RFC 2177 comes after 2342",
		"- | full | | A | imapd |\n2177 | full | | B | imapd |":               "RFC 2177 comes after",
		"x | full | | A | imapd |\n2177 | full | | B |\n2178 | no | | C | | ": "rfcs.txt:3: status no needs a note",
	} {
		if _, err := parseList("rfcs.txt", in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v; want %q", in, err, want)
		}
	}
}

func TestTable(t *testing.T) {
	list, err := parseList("rfcs.txt", sample)
	if err != nil {
		t.Fatal(err)
	}
	readme := "# x\n\n" + tableBegin + "old\n" + tableEnd + "after\n"
	got, err := replaceTable([]byte(readme), table(list))
	if err != nil {
		t.Fatal(err)
	}
	want := "# x\n\n" + tableBegin + `| RFC | what | |
| --- | --- | --- |
| [2177](https://www.rfc-editor.org/rfc/rfc2177) | IDLE |  |
| [9051](https://www.rfc-editor.org/rfc/rfc9051) | rev2 | partly: grammar only |
| none | XLIST |  |

Not served: SORT ([5256](https://www.rfc-editor.org/rfc/rfc5256)).
` + tableEnd + "after\n"
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
	again, err := replaceTable(got, table(list))
	if err != nil || string(again) != want {
		t.Errorf("a second time it differs (%v): %s", err, again)
	}
	for _, broken := range []string{"", tableBegin, tableEnd + tableBegin} {
		if _, err := replaceTable([]byte(broken), ""); err == nil {
			t.Errorf("%q has no place for a table and was taken", broken)
		}
	}
}

func TestCheckCaps(t *testing.T) {
	list, err := parseList("rfcs.txt", sample+"- | full | IDLE | idle again | imapd |\n")
	if err != nil {
		t.Fatal(err)
	}
	got := checkCaps(list, map[string]string{"IDLE": "a.go:1:2", "SORT": "a.go:3:4"})
	want := []string{
		"rfcs.txt:6: IDLE is on line 2 already",
		"a.go:3:4: capability SORT has no line in rfcs.txt",
		"rfcs.txt:5: capability XLIST is nowhere in the code",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestCodeCaps(t *testing.T) {
	dir := t.TempDir()
	src := `package imapd

import "github.com/emersion/go-imap/v2"

var a = []imap.Cap{imap.CapIdle, "XLIST"}

func b(n int64) imap.Cap { return imap.Cap(fmt.Sprintf("APPENDLIMIT=%d", n)) }

var c = imap.Cap("COMPRESS=" + "DEFLATE")

var d, e = "NOTONE", imap.Cap("STATUS=SIZE")
`
	for name, text := range map[string]string{"a.go": src, "a_test.go": `package imapd; import imap "x"; var t = imap.Cap("TEST")`, "m.go": `package imapd; var m = []row{{name: "SCRAM-SHA-256-PLUS"}, {name: "SCRAM"}, {other: "PLAIN"}}`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	names, err := vocabularyCaps("../..")
	if err != nil {
		t.Fatal(err)
	}
	got, err := codeCaps(dir, names)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"IDLE", "XLIST", "APPENDLIMIT", "COMPRESS", "STATUS=SIZE"} {
		if got[want] == "" {
			t.Errorf("%s was not seen", want)
		}
		delete(got, want)
	}
	if len(got) > 0 {
		t.Errorf("seen too much: %v", got)
	}
	mechanisms, err := authCaps(dir)
	if err != nil || len(mechanisms) != 1 || mechanisms["AUTH=SCRAM-SHA-256-PLUS"] == "" {
		t.Errorf("mechanisms %v, %v", mechanisms, err)
	}
}

// The list that is shipped parses, and README shows it.
func TestShippedList(t *testing.T) {
	list, err := readList("rfcs.txt")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := replaceTable(readme, table(list))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(fresh), string(readme)); diff != "" {
		t.Errorf("README.md is stale; go run ./contrib/rfc -write\n%s", diff)
	}
}
