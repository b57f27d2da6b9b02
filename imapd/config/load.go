package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gopkg.in/ini.v1"
)

// Problem is one thing wrong in the file.
type Problem struct {
	File    string
	Line    int    // 0: the file as a whole
	Section string // with brackets; "" outside every section
	Key     string
	Err     error // "what; do this"
}

func (p *Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d", p.Line)
	}
	b.WriteString(": ")
	if p.Section != "" {
		b.WriteString(p.Section)
		if p.Key != "" {
			b.WriteString(" " + p.Key)
		}
		b.WriteString(": ")
	} else if p.Key != "" {
		b.WriteString(p.Key + ": ")
	}
	return b.String() + p.Err.Error()
}

func (p *Problem) Unwrap() error { return p.Err }

// Warning is a Problem that does not stop the mail.
type Warning struct{ Problem }

func (w Warning) String() string { return w.Error() }

// Errors is every Problem of one file, in the order of its lines.
type Errors []*Problem

func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, p := range e {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap makes errors.Is and errors.As look at every problem.
func (e Errors) Unwrap() []error {
	all := make([]error, len(e))
	for i, p := range e {
		all[i] = p
	}
	return all
}

// maxFile bounds what is read: a file of another kind, named by mistake, is refused instead of swallowed.
const maxFile = 1 << 20

// Load reads the file at path over the defaults. An absent file at [DefaultPath] is an empty one; any other
// absent file is an error. The error, if any, is of type [Errors].
func Load(path string) (*Config, []Warning, error) {
	data, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) && path == DefaultPath {
		return Default(), nil, nil
	}
	if err != nil {
		return nil, nil, Errors{{File: path, Err: err}}
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, nil, Errors{{File: path, Err: err}}
	}
	return Parse(data, path, dir)
}

func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	var pe *fs.PathError
	switch {
	case errors.As(err, &pe):
		return nil, fmt.Errorf("%w; check the name after -config and the rights of the file", pe.Err)
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, bad("name the file", "it is a directory")
	case info.Size() > maxFile:
		return nil, bad("name the INI file", "it has %d bytes, far too many for a configuration", info.Size())
	}
	data, err := os.ReadFile(path)
	if errors.As(err, &pe) {
		return nil, fmt.Errorf("%w; let the daemon's user read it", pe.Err)
	}
	return data, err
}

// Parse is Load for text that is already read. name stands in messages; dir is what relative paths are
// relative to.
func Parse(data []byte, name, dir string) (*Config, []Warning, error) {
	l := &loader{file: name, scanned: scan(data), config: Default()}
	l.load(dir)
	slices.SortStableFunc(l.warnings, func(a, b Warning) int { return a.Line - b.Line })
	slices.SortStableFunc(l.problems, func(a, b Problem) int { return a.Line - b.Line })
	if len(l.problems) == 0 {
		return l.config, l.warnings, nil
	}
	all := make(Errors, len(l.problems))
	for i := range l.problems {
		all[i] = &l.problems[i]
		all[i].File = name
	}
	return nil, l.warnings, all
}

type loader struct {
	*scanned
	file     string
	config   *Config
	warnings []Warning
}

// options are argued in doc.go.
var options = ini.LoadOptions{
	IgnoreInlineComment:        true,
	IgnoreContinuation:         true,
	AllowShadows:               true,
	AllowDuplicateShadowValues: true,
	PreserveSurroundedQuote:    true,
	KeyValueDelimiters:         "=",
	ChildSectionDelimiter:      "\x00",
}

func (l *loader) load(dir string) {
	f, err := ini.LoadSources(options, l.clean.Bytes())
	if err != nil {
		l.report(0, "", "", err)
		return
	}
	for _, h := range l.headers {
		l.addSection(h)
	}
	l.addAliases()
	for i := range l.config.Namespaces {
		l.settleKind(&l.config.Namespaces[i], f)
	}
	for _, s := range l.config.sections(dir) {
		if sec, err := f.GetSection(s.header()[1 : len(s.header())-1]); err == nil {
			l.loadSection(s, sec)
		}
	}
	if len(l.problems) == 0 {
		l.validate()
	}
}

// addSection makes room for a named section, or warns of one that is not known.
func (l *loader) addSection(h string) {
	kind, name := l.kinds[h][0], l.kinds[h][1]
	line := l.lines[lineOf{header: h}]
	needsName, known := named[kind]
	c := l.config
	switch {
	case !known:
		l.warn(line, h, "", "section", kind, sectionKinds())
	case needsName && name == "":
		l.report(line, h, "", bad(fmt.Sprintf("write [%s %q]", kind, exampleName(kind)), "the section needs a name"))
	case !needsName && name != "" && kind != "tls":
		l.report(line, h, "", bad("write ["+kind+"]", "the section takes no name"))
	case kind == "listener":
		if !slices.ContainsFunc(c.Listeners, func(x Listener) bool { return x.Name == name }) {
			c.Listeners = append(c.Listeners, newListener(name))
		}
	case kind == "namespace":
		c.Namespaces = append(c.Namespaces, newNamespace(name))
	case kind == "mailbox":
		c.Mailboxes = append(c.Mailboxes, Mailbox{Name: name})
	case kind == "tls" && name != "":
		c.Hosts = append(c.Hosts, Host{Name: name})
	}
}

func exampleName(kind string) string {
	switch kind {
	case "listener":
		return "imap"
	case "mailbox":
		return "Trash"
	}
	return "public"
}

func (l *loader) loadSection(s section, sec *ini.Section) {
	h := s.header()
	for _, k := range sec.Keys() {
		i := s.key(k.Name())
		line := l.lines[lineOf{h, k.Name(), 0}]
		if do, idle := s.idle[k.Name()]; idle {
			l.report(line, h, k.Name(), bad(do, "it means nothing here"))
			continue
		}
		if i < 0 {
			l.warn(line, h, k.Name(), "key", k.Name(), keyNames(s.keys))
			continue
		}
		values := []string{k.Value()} // not String(): it interpolates
		if again, twice := l.lines[lineOf{h, k.Name(), 1}]; twice {
			if !s.keys[i].list {
				l.report(again, h, k.Name(), bad("keep one of them", "it was already set in line %d", line))
				continue
			}
			values = k.ValueWithShadows()
		}
		if err := s.keys[i].set(values); err != nil {
			l.report(line, h, k.Name(), err)
		}
	}
}

func (l *loader) warn(line int, h, key, what, got string, known []string) {
	do := "remove it, or see maildir-imapd.ini(5)"
	if near := nearest(got, known); near != "" {
		do = "did you mean " + near + "?"
	}
	l.warnings = append(l.warnings, Warning{Problem{
		File: l.file, Line: line, Section: h, Key: key, Err: bad(do, "unknown %s, ignored", what),
	}})
}

func keyNames(keys []key) []string {
	all := make([]string, len(keys))
	for i, k := range keys {
		all[i] = k.name
	}
	return all
}
