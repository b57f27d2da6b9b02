package transcript

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// Script is a parsed transcript.
type Script struct {
	Path        string
	State       string // greeting, notauth, auth, selected, examined
	Mailbox     string // of selected and examined
	Connections int
	Maildir     string
	Caps        []string
	Dovecot     Verdict
	Needs       []string
	Users       []string // who the connections from the second on log in as
	NoVariant   map[string]bool
	Steps       []Step
}

// Name is the file's name without its extension.
func (s *Script) Name() string { return strings.TrimSuffix(filepath.Base(s.Path), ".txt") }

// Verdict is what the header says of Dovecot.
type Verdict struct {
	Kind string // same, skip, differs
	Why  string
}

// Step is one line of the dialogue.
type Step struct {
	Line int
	Conn int    // 0 for host verbs
	Kind string // C R S U X ? EOF starttls deflate open close quiet, or a host verb
	Text string
}

var (
	stepLine = regexp.MustCompile(`^([1-9]) (C|R|S|U|X|\?):(?: (.*))?$`)
	connVerb = regexp.MustCompile(`^([1-9]) (EOF|starttls|deflate|open|close|quiet)(?: (.*))?$`)
	hostVerb = regexp.MustCompile(`^(deliver|flag|unlink|move|mode|lock|unlock|restart|clock|wait|mkdir|rmdir|acl|fault)(?: (.*))?$`)
	cites    = regexp.MustCompile(`^RFC \d+ §\S+: .+`)
)

// Load parses a transcript file.
func Load(path string) (*Script, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s := &Script{
		Path: path, State: "auth", Mailbox: "INBOX", Connections: 1, Maildir: "empty",
		Dovecot: Verdict{Kind: "same"}, NoVariant: map[string]bool{},
	}
	lines, header, seenHeader := bufio.NewScanner(f), true, false
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, "#"):
		case strings.TrimSpace(line) == "":
			header = header && !seenHeader
		case header && !stepLine.MatchString(line):
			seenHeader = true
			err = s.headerLine(line)
		default:
			header = false
			err = s.stepLine(n, line)
		}
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(s.Steps) == 0 {
		return nil, fmt.Errorf("%s: no steps", path)
	}
	return s, nil
}

// LoadDir parses every transcript of a directory.
func LoadDir(dir string) ([]*Script, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("%s: no transcripts", dir)
	}
	var all []*Script
	for _, path := range paths {
		s, err := Load(path)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

func (s *Script) headerLine(line string) error {
	key, value, ok := strings.Cut(line, ":")
	if !ok {
		return fmt.Errorf("header line without a colon: %q", line)
	}
	value = strings.TrimSpace(value)
	switch key {
	case "state":
		state, mailbox, _ := strings.Cut(value, " ")
		switch state {
		case "greeting", "notauth", "auth", "selected", "examined":
		default:
			return fmt.Errorf("unknown state %q", state)
		}
		s.State = state
		if mailbox != "" {
			s.Mailbox = mailbox
		}
	case "connections":
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 || n > 9 {
			return fmt.Errorf("connections: %q is not 1 to 9", value)
		}
		s.Connections = n
	case "maildir":
		if _, ok := fixtures[value]; !ok {
			return fmt.Errorf("no fixture %q", value)
		}
		s.Maildir = value
	case "caps":
		s.Caps = strings.Fields(value)
	case "needs":
		s.Needs = strings.Fields(value)
	case "users":
		s.Users = strings.Fields(value)
	case "variants":
		for v := range strings.FieldsSeq(value) {
			s.NoVariant[strings.TrimPrefix(v, "no-")] = true
		}
	case "dovecot":
		return s.setVerdict(value)
	default:
		return fmt.Errorf("unknown header %q", key)
	}
	return nil
}

func (s *Script) setVerdict(value string) error {
	kind, why, _ := strings.Cut(value, " ")
	switch {
	case kind == "same" && why == "":
	case kind == "skip" && why != "":
	case kind == "differs" && cites.MatchString(why):
	default:
		return fmt.Errorf("dovecot: want same, skip REASON or differs RFC nnnn §n: REASON, got %q", value)
	}
	s.Dovecot = Verdict{kind, why}
	return nil
}

func (s *Script) stepLine(n int, line string) error {
	if m := stepLine.FindStringSubmatch(line); m != nil {
		return s.add(Step{Line: n, Conn: int(m[1][0] - '0'), Kind: m[2], Text: m[3]})
	}
	if m := connVerb.FindStringSubmatch(line); m != nil {
		return s.add(Step{Line: n, Conn: int(m[1][0] - '0'), Kind: m[2], Text: m[3]})
	}
	if m := hostVerb.FindStringSubmatch(line); m != nil {
		return s.add(Step{Line: n, Kind: m[1], Text: m[2]})
	}
	return fmt.Errorf("not a step: %q", line)
}

func (s *Script) add(st Step) error {
	if st.Conn > s.Connections {
		return fmt.Errorf("connection %d of %d", st.Conn, s.Connections)
	}
	s.Steps = append(s.Steps, st)
	return nil
}
