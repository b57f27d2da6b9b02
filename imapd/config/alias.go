package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Alias is a line of the section [alias]: another name for a mailbox and for what is below it. Both are names as
// clients see them.
type Alias struct {
	Name   string // in the user's own namespace
	Target string
}

const aliasHeader = "[alias]"

// MaxAliases is how many aliases may follow one upon the other from a name to a mailbox.
const MaxAliases = 8

// alias reads a line "name = target". It is no key as others are: the case of names counts, and what they may hold.
// So ini.v1 does not see these lines.
func (s *scanned) alias(line string, number int) {
	name, value, err := aliasLine(line)
	if err != nil {
		s.report(number, aliasHeader, name, err)
		return
	}
	if s.note(aliasHeader, name, number) > 0 {
		first := s.lines[lineOf{aliasHeader, name, 0}]
		s.report(number, aliasHeader, name, bad("keep one of them", "it was already set in line %d", first))
		return
	}
	s.aliases = append(s.aliases, Alias{name, value})
}

func aliasLine(line string) (name, value string, err error) {
	if line[0] == '"' {
		end, err := quoteEnd(line)
		if err != nil {
			return "", "", err
		}
		if name, err = unquote(line[:end]); err != nil {
			return "", "", err
		}
		rest := strings.TrimLeft(line[end:], " \t")
		if rest == "" || rest[0] != '=' {
			return "", "", bad("write name = mailbox", "%s has no = after the name", line)
		}
		value = rest[1:]
	} else {
		var ok bool
		if name, value, ok = strings.Cut(line, "="); !ok {
			return "", "", bad("write name = mailbox", "%q is neither a section nor an alias", line)
		}
		name = strings.TrimSpace(name)
	}
	if name == "" {
		return "", "", bad("write name = mailbox", "the alias has no name")
	}
	value, err = unquote(strings.TrimSpace(value))
	return name, value, err
}

func (l *loader) addAliases() { l.config.Aliases = l.aliases }

var plainKey = regexp.MustCompile(`^[\pL\pN_./-]+( [\pL\pN_./-]+)*$`)

// keyText is a key as it stands in a file.
func keyText(name string) string {
	if plainKey.MatchString(name) {
		return name
	}
	return quoted(name)
}

func aliasKeys(all []Alias) []key {
	keys := make([]key, len(all))
	for i := range all {
		a := &all[i]
		keys[i] = text(a.Name, &a.Target, anyText)
	}
	return keys
}

func (l *loader) validateAliases() {
	c := l.config
	targets := make(map[string]string, len(c.Aliases))
	for _, a := range c.Aliases {
		targets[a.Name] = a.Target
	}
	for _, a := range c.Aliases {
		if err := l.aliasName(a.Name); err != nil {
			l.at(aliasHeader, a.Name, err)
			continue
		}
		if _, err := plainName(a.Target); err != nil || strings.HasSuffix(a.Target, c.Mail.Separator) {
			l.at(aliasHeader, a.Name, bad("write a mailbox as clients see it, such as Public"+c.Mail.Separator+"team", "%q does not name one mailbox", a.Target))
			continue
		}
		if way, loops := l.follow(a.Name, targets); loops {
			l.at(aliasHeader, a.Name, bad("let each alias end at a mailbox", "it leads to no mailbox: %s", way))
		}
	}
}

// aliasName refuses names that would hide what is there, or that lie outside the user's own mail.
func (l *loader) aliasName(name string) error {
	m := &l.config.Mail
	sep := m.Separator
	const do = "choose another name"
	switch {
	case strings.ContainsAny(name, "*%"), strings.HasPrefix(name, sep), strings.HasSuffix(name, sep), strings.Contains(name, sep+sep):
		return bad(do, "it is not the name of a mailbox")
	case strings.EqualFold(name, "INBOX"):
		return bad(do, "INBOX is the user's own")
	case !strings.HasPrefix(name, m.Prefix) || name == strings.TrimSuffix(m.Prefix, sep):
		return bad("write "+m.Prefix+name, "it does not lie in the user's own mail, whose [mail] prefix is %s", m.Prefix)
	}
	for i := range l.config.Namespaces {
		n := &l.config.Namespaces[i]
		if head := n.Head(); head != "" && strings.HasPrefix(name+n.separator(m), head) {
			return bad(do, "it lies in %s, whose prefix is %s", header("namespace", n.Name), n.Prefix)
		}
	}
	return nil
}

// follow replaces aliases at the head of a name as the server does, and tells of more than MaxAliases of them with
// the lines on the way.
func (l *loader) follow(name string, targets map[string]string) (way string, loops bool) {
	var lines []string
	for range MaxAliases + 1 {
		head, target := l.aliasOf(name, targets)
		if head == "" {
			return "", false
		}
		line := fmt.Sprintf("%s = %s (line %d)", head, target, l.lineFor(aliasHeader, head))
		if !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
		name = target + name[len(head):]
	}
	return strings.Join(lines, ", "), true
}

// aliasOf is the longest alias that is name or stands above it.
func (l *loader) aliasOf(name string, targets map[string]string) (head, target string) {
	for head = name; head != ""; {
		if target, ok := targets[head]; ok {
			return head, target
		}
		i := strings.LastIndex(head, l.config.Mail.Separator)
		if i < 0 {
			return "", ""
		}
		head = head[:i]
	}
	return "", ""
}
