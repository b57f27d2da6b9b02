package transcript

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Outcome is what a transcript shows of a command.
type Outcome string

// The outcomes. WrongState is a BAD in a state where the command is not legal.
const (
	OK         Outcome = "OK"
	NO         Outcome = "NO"
	BAD        Outcome = "BAD"
	WrongState Outcome = "wrong state"
)

// Command says which outcomes a command must have a transcript for.
type Command struct {
	Name   string // upper case, "UID FETCH"
	States string // the legal ones, of: n(ot authenticated) a(uthenticated) s(elected)
	No     bool   // it can be refused
}

// Commands are those of RFC 9051 §6, RFC 3501 §6 and the extensions that we announce. NOOP, CHECK and the
// like know no NO: RFC 9051 gives them none. UNSUBSCRIBE takes any name, so that stale ones can be got rid of.
var Commands = []Command{
	{"CAPABILITY", "nas", false}, {"NOOP", "nas", false}, {"LOGOUT", "nas", false}, {"ID", "nas", false},
	{"STARTTLS", "n", false}, {"LOGIN", "n", true}, {"AUTHENTICATE", "n", true},
	{"ENABLE", "as", false}, {"SELECT", "as", true}, {"EXAMINE", "as", true},
	{"CREATE", "as", true}, {"DELETE", "as", true}, {"RENAME", "as", true},
	{"SUBSCRIBE", "as", true}, {"UNSUBSCRIBE", "as", false},
	{"LIST", "as", false}, {"LSUB", "as", false}, {"XLIST", "as", false}, {"STATUS", "as", true},
	{"APPEND", "as", true}, {"NAMESPACE", "as", false}, {"IDLE", "as", false}, {"COMPRESS", "as", true},
	{"GETQUOTA", "as", true}, {"GETQUOTAROOT", "as", true}, {"SETQUOTA", "as", true},
	{"GETACL", "as", true}, {"SETACL", "as", true}, {"DELETEACL", "as", true}, {"LISTRIGHTS", "as", true}, {"MYRIGHTS", "as", true},
	{"CHECK", "s", false}, {"CLOSE", "s", false}, {"UNSELECT", "s", false}, {"EXPUNGE", "s", true},
	{"ESEARCH", "as", true}, {"SEARCH", "s", true}, {"FETCH", "s", true}, {"STORE", "s", true}, {"COPY", "s", true}, {"MOVE", "s", true},
	{"UID EXPUNGE", "s", true}, {"UID SEARCH", "s", true}, {"UID FETCH", "s", false},
	{"SORT", "s", true}, {"UID SORT", "s", true}, {"THREAD", "s", true}, {"UID THREAD", "s", true},
	{"UID STORE", "s", true}, {"UID COPY", "s", true}, {"UID MOVE", "s", true},
}

// Wants are the outcomes that need a transcript.
func (c Command) Wants() []Outcome {
	out := []Outcome{OK, BAD}
	if c.Name == "SETQUOTA" { // known, and granted to nobody
		out = out[1:]
	}
	if c.No {
		out = append(out, NO)
	}
	if c.States != "nas" {
		out = append(out, WrongState)
	}
	return out
}

// Coverage is what a set of transcripts shows.
type Coverage struct {
	Outcomes map[string]map[Outcome]bool // command -> outcome
	Codes    map[string]bool             // response codes that a transcript demands
}

// Cover reads it off the transcripts, playing the states of their connections in mind.
func Cover(scripts []*Script) Coverage {
	c := Coverage{Outcomes: map[string]map[Outcome]bool{}, Codes: map[string]bool{}}
	for _, s := range scripts {
		state := make([]byte, s.Connections+1)
		pending := make([]map[string]string, s.Connections+1) // tag -> command
		begin := map[string]byte{"greeting": 'n', "notauth": 'n', "auth": 'a', "selected": 's', "examined": 's'}[s.State]
		for i := range state {
			state[i], pending[i] = begin, map[string]string{}
		}
		for _, st := range s.Steps {
			switch st.Kind {
			case "open":
				state[st.Conn] = begin
			case "C", "R":
				for _, line := range clientLines(st) {
					if tag, name := commandOf(line); name != "" {
						pending[st.Conn][tag] = name
					}
				}
			case "S", "U":
				c.response(st, pending[st.Conn], &state[st.Conn])
			}
		}
	}
	return c
}

// clientLines are the lines that a step sends.
func clientLines(st Step) []string {
	if st.Kind == "C" {
		return []string{st.Text}
	}
	text, err := strconv.Unquote(st.Text)
	if err != nil {
		return nil
	}
	return strings.Split(text, "\r\n")
}

// commandOf is the tag and the name of a command line; no name for what is none.
func commandOf(line string) (tag, name string) {
	f := strings.Fields(line)
	if len(f) < 2 {
		return "", ""
	}
	name = strings.ToUpper(f[1])
	if name == "UID" && len(f) > 2 {
		name += " " + strings.ToUpper(f[2])
	}
	return f[0], name
}

func (c *Coverage) response(st Step, pending map[string]string, state *byte) {
	r, err := parseResponse([]byte(st.Text+"\r\n"), true)
	if err != nil || r.status == "" {
		return
	}
	if len(r.code) > 0 {
		for code := range strings.SplitSeq(strings.ToUpper(r.code[0].text), "|") {
			c.Codes[code] = true
		}
	}
	name, ok := pending[r.tag]
	if !ok {
		return
	}
	if c.Outcomes[name] == nil {
		c.Outcomes[name] = map[Outcome]bool{}
	}
	legal := true
	if i := slices.IndexFunc(Commands, func(k Command) bool { return k.Name == name }); i >= 0 {
		legal = strings.IndexByte(Commands[i].States, *state) >= 0
	}
	for status := range strings.SplitSeq(r.status, "|") {
		switch {
		case status == "BAD" && !legal:
			c.Outcomes[name][WrongState] = true
		default:
			c.Outcomes[name][Outcome(status)] = true
		}
	}
	*state = after(name, r.status, *state)
}

// after is the state that a command leaves (RFC 9051 §3).
func after(name, status string, state byte) byte {
	switch name {
	case "LOGIN", "AUTHENTICATE":
		if status == "OK" {
			return 'a'
		}
	case "SELECT", "EXAMINE":
		switch status {
		case "OK":
			return 's'
		case "NO":
			return 'a'
		}
	case "CLOSE", "UNSELECT":
		if status == "OK" {
			return 'a'
		}
	}
	return state
}

// Missing lists the outcomes that no transcript shows, of the commands that are named: the engine passes
// its own table, so that a new command cannot come without transcripts.
func (c Coverage) Missing(names []string) []string {
	var out []string
	for _, name := range names {
		i := slices.IndexFunc(Commands, func(k Command) bool { return k.Name == name })
		if i < 0 {
			out = append(out, name+": not in transcript.Commands")
			continue
		}
		for _, want := range Commands[i].Wants() {
			if !c.Outcomes[name][want] {
				out = append(out, fmt.Sprintf("%s: %s", name, want))
			}
		}
	}
	return out
}

// MissingCodes lists the response codes that the code uses and no transcript shows.
func (c Coverage) MissingCodes(used []string) []string {
	var out []string
	for _, code := range used {
		if !c.Codes[code] {
			out = append(out, code)
		}
	}
	return out
}

// UsedCodes finds the response codes in Go sources below dir, tests apart: go-imap's constants by name, and
// constants of ours that are declared with the type imap.ResponseCode.
func UsedCodes(dir string) ([]string, error) {
	used := map[string]bool{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			addCodes(n, used)
			return true
		})
		return nil
	})
	return slices.Sorted(maps.Keys(used)), err
}

func addCodes(n ast.Node, used map[string]bool) {
	switch n := n.(type) {
	case *ast.SelectorExpr:
		if code, ok := imapCodes[strings.TrimPrefix(n.Sel.Name, "ResponseCode")]; ok && strings.HasPrefix(n.Sel.Name, "ResponseCode") {
			used[code] = true
		}
	case *ast.ValueSpec: // codeX imap.ResponseCode = "X"
		if sel, ok := n.Type.(*ast.SelectorExpr); ok && sel.Sel.Name == "ResponseCode" {
			for _, v := range n.Values {
				addLiteral(v, used)
			}
		}
	case *ast.CallExpr: // imap.ResponseCode("X")
		if sel, ok := n.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "ResponseCode" && len(n.Args) == 1 {
			addLiteral(n.Args[0], used)
		}
	}
}

func addLiteral(e ast.Expr, used map[string]bool) {
	if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
		if s, err := strconv.Unquote(lit.Value); err == nil {
			used[s] = true
		}
	}
}

// imapCodes are go-imap's constants, ResponseCodeX, by the end of their names.
var imapCodes = map[string]string{
	"Alert": "ALERT", "AlreadyExists": "ALREADYEXISTS", "AuthenticationFailed": "AUTHENTICATIONFAILED",
	"AuthorizationFailed": "AUTHORIZATIONFAILED", "BadCharset": "BADCHARSET", "Cannot": "CANNOT",
	"ClientBug": "CLIENTBUG", "ContactAdmin": "CONTACTADMIN", "Corruption": "CORRUPTION", "Expired": "EXPIRED",
	"HasChildren": "HASCHILDREN", "InUse": "INUSE", "Limit": "LIMIT", "NonExistent": "NONEXISTENT",
	"NoPerm": "NOPERM", "OverQuota": "OVERQUOTA", "Parse": "PARSE", "PrivacyRequired": "PRIVACYREQUIRED",
	"ServerBug": "SERVERBUG", "TryCreate": "TRYCREATE", "Unavailable": "UNAVAILABLE", "UnknownCTE": "UNKNOWN-CTE",
	"TooMany": "TOOMANY", "NoPrivate": "NOPRIVATE", "TooBig": "TOOBIG",
}
