package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
)

const module = "maildir-imapd"

// shared is what programs have in common. The compiler keeps all others out.
const shared = "cmd/internal"

// anything marks a row that may import every package of ours except programs.
var anything = []string{"*"}

// allowed is the import table: a package of ours to the packages of ours that it may import. Imports
// go downwards only. A package without a row is a finding, so that a new room is thought about.
var allowed = map[string][]string{
	"imapd":            {"imapd/wire", "imapd/order", "imapd/deflate", "imapd/park", "imapd/config", "maildir", "maildir/acl", "maildir/message"},
	"imapd/gate":       {"imapd/config", "imapd/park"},
	"imapd/privsep":    {"auth", "imapd/config"},
	"imapd/proxy":      {"imapd/wire", "imapd/config"},
	"imapd/transcript": {"imapd/wire"}, // test support: scripts of lines against a server
	"imapd/wire":       {},
	"imapd/order":      {},
	"imapd/deflate":    {},
	"imapd/park":       {},
	"imapd/config":     {"maildir/acl"},
	"auth":             {},
	"maildir":          {"maildir/acl", "maildir/message", "maildir/fulltext", "maildir/fsx"},
	"maildir/acl":      {},
	"maildir/fulltext": {},
	"maildir/message":  {},
	"maildir/fsx":      {},
	"pubroot":          {"maildir", "maildir/acl", "maildir/fsx"},
}

// libraries says where a library may be imported, tests apart; "" is nowhere. A path covers what lies below it.
var libraries = []struct {
	path string
	in   []string
	why  string
}{
	{"github.com/emersion/go-imap/v2/imapserver", nil, "a closed command switch: the engine is ours"},
	{"github.com/emersion/go-imap/v2/imapclient", []string{"cmd/maildir-imapctl", "contrib", "imapd/transcript"}, "a client belongs to tools and tests"},
	{"github.com/emersion/go-maildir", []string{"cmd/maildir-imapctl", "contrib"}, "an independent writer for demo, tools and tests; the store is ours"},
	{"github.com/spf13/cobra", []string{"cmd/maildir-imapctl"}, "the daemon has no sub-commands"},
	{"github.com/tg123/go-htpasswd", nil, "it takes an unknown hash for the password itself"},
	{"gopkg.in/ini.v1", []string{"imapd/config"}, "one package reads INI files"},
	{"testing", []string{"contrib", "imapd/transcript"}, "test code stays out of the programs"},
}

// standard says which standard packages a room does without (what is listed is forbidden there).
var standard = map[string][]string{
	"imapd":           {"os/exec", "syscall", "path/filepath", "io/ioutil"}, // no path, no file name; of os only its errors (words.go)
	"imapd/wire":      {"os", "net", "log", "log/slog", "syscall"},
	"imapd/deflate":   {"os", "log", "log/slog", "syscall"},
	"imapd/order":     {"os", "net", "log", "log/slog", "syscall", "time"},
	"maildir":         {"net", "log"},
	"maildir/acl":     {"os", "net", "log", "log/slog", "syscall"},
	"maildir/message": {"os", "net", "log", "log/slog", "syscall"},
	"maildir/fsx":     {"net", "log"},
	"auth":            {"log"},
	"pubroot":         {"net", "log"},
}

// pkg is what `go list -json` says of a package, as far as rules look at it.
type pkg struct {
	ImportPath string
	Name       string
	Standard   bool
	Imports    []string
	Deps       []string
}

// room is the package's place in the tree.
func (p pkg) room() string {
	return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
}

func ours(path string) bool { return path == module || strings.HasPrefix(path, module+"/") }

// goList asks the go command for the project's packages and all that they depend on. With -e, because
// what does not compile is the compiler's to say.
func goList(root string) ([]pkg, error) {
	cmd := exec.Command("go", "list", "-e", "-deps", "-json=ImportPath,Name,Standard,Imports,Deps", "./...")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	var pkgs []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs, nil
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		pkgs = append(pkgs, p)
	}
}

// importDirections compares what each package of ours imports with the tables.
func importDirections(pkgs []pkg) []finding {
	var found []finding
	for _, p := range pkgs {
		if !ours(p.ImportPath) {
			continue
		}
		for _, text := range badImports(p) {
			found = append(found, finding{file: p.room(), rule: "imports", text: text})
		}
	}
	return found
}

// badImports explains each import of p that a table forbids.
func badImports(p pkg) []string {
	may, ok := rowOf(p.room())
	if !ok {
		return []string{"the import table in contrib/lint has no row for this package"}
	}
	var bad []string
	for _, imp := range p.Imports {
		switch {
		case ours(imp):
			to := strings.TrimPrefix(imp, module+"/")
			if under(to, "cmd") && !under(to, shared) || under(to, "contrib") && !under(p.room(), "contrib") {
				bad = append(bad, fmt.Sprintf("imports %s; programs and contrib are imported by nothing", to))
			} else if !slices.Contains(may, "*") && !slices.Contains(may, to) {
				bad = append(bad, fmt.Sprintf("imports %s; it may import %s of ours", to, orNothing(may)))
			}
		case slices.Contains(standard[p.room()], imp):
			bad = append(bad, fmt.Sprintf("imports %q, which this package does without", imp))
		default:
			bad = append(bad, misplacedLibrary(p.room(), imp)...)
		}
	}
	return bad
}

func misplacedLibrary(room, imp string) []string {
	for _, l := range libraries {
		if under(imp, l.path) && !slices.ContainsFunc(l.in, func(in string) bool { return under(room, in) }) {
			return []string{fmt.Sprintf("imports %s: %s", imp, l.why)}
		}
	}
	return nil
}

// programDeps looks at all that ends up in a program: no test code, no C.
func programDeps(pkgs []pkg) []finding {
	var found []finding
	for _, p := range pkgs {
		if !under(p.room(), "cmd") || p.Name != "main" {
			continue
		}
		for _, banned := range []string{"testing", "runtime/cgo", "go.uber.org/goleak", "pgregory.net/rapid", "github.com/google/go-cmp/cmp"} {
			if slices.Contains(p.Deps, banned) {
				found = append(found, finding{file: p.room(), rule: "imports", text: "links " + banned})
			}
		}
	}
	return found
}

// rowOf finds the table's row for a room. Programs, contrib and test data may import everything.
func rowOf(room string) ([]string, bool) {
	if under(room, "cmd") || under(room, "contrib") || under(room, "testdata") {
		return anything, true
	}
	may, ok := allowed[room]
	return may, ok
}

// under tells whether path is dir or lies below it.
func under(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, dir+"/")
}

func orNothing(names []string) string {
	if len(names) == 0 {
		return "nothing"
	}
	return strings.Join(names, ", ")
}
