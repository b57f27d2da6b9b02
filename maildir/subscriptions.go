package maildir

import (
	"bytes"
	"strings"
)

const (
	subscriptionsFile = "subscriptions"
	subscriptionsV2   = "V\t2\n\n"
)

// subscriptions is the file of that name in memory. Version 2 begins with
// "V\t2" and an empty line; then every line is a mailbox as it stands on disk
// (escaped, modified UTF-7), its levels separated by TAB, each tab-escaped.
// Version 1 has no header and the layout's separator ('.', in fs '/') between
// the levels. Lines that are not of
// our tree, such as whole names of other namespaces, are kept as they are.
type subscriptions struct {
	lines []string // as version 2 has them
}

func parseSubscriptions(b []byte, layout Layout) (*subscriptions, error) {
	s := &subscriptions{}
	if len(b) == 0 {
		return s, nil
	}
	rest, v2 := bytes.CutPrefix(b, []byte("V\t"))
	if v2 {
		head, lines, _ := bytes.Cut(rest, []byte{'\n'})
		if string(head) != "2" {
			return nil, corrupt(subscriptionsFile, 1, "unknown version %q", head)
		}
		b = lines
	}
	for line := range strings.SplitSeq(string(b), "\n") {
		if line = strings.TrimSuffix(line, "\r"); line == "" {
			continue
		}
		if !v2 {
			line = fromVersion1(line, layout)
		}
		s.lines = append(s.lines, line)
	}
	return s, nil
}

// fromVersion1 turns the separator into TAB. In Maildir++ a line with a '/' is
// no name of this tree and stays whole.
func fromVersion1(line string, layout Layout) string {
	sep := "/"
	if layout == MaildirPP {
		if strings.IndexByte(line, '/') >= 0 {
			return tabEscape(line)
		}
		sep = "."
	}
	return strings.ReplaceAll(tabEscape(line), sep, "\t")
}

// encode appends the file in version 2.
func (s *subscriptions) encode(b []byte) []byte {
	b = append(b, subscriptionsV2...)
	for _, l := range s.lines {
		b = append(b, l...)
		b = append(b, '\n')
	}
	return b
}

// list decodes the names, each once, in the file's order.
func (s *subscriptions) list(n names) []string {
	out := make([]string, 0, len(s.lines))
	seen := make(map[string]bool, len(s.lines))
	for _, l := range s.lines {
		if name, ok := n.subscription(l); ok && !seen[name] {
			seen[name] = true
			out = append(out, name)
		}
	}
	return out
}

// set adds or removes a name and tells whether that changed anything. whole
// is for names of other namespaces: no levels, one entry.
func (s *subscriptions) set(n names, name string, on, whole bool) bool {
	kept := s.lines[:0:0]
	for _, l := range s.lines {
		if d, ok := n.subscription(l); ok && d == name {
			if on {
				return false
			}
			continue
		}
		kept = append(kept, l)
	}
	if on {
		kept = append(kept, n.subscriptionLine(name, whole))
	}
	changed := len(kept) != len(s.lines)
	s.lines = kept
	return changed
}

// subscription decodes a line.
func (n names) subscription(line string) (string, bool) {
	var b strings.Builder
	for c := range strings.SplitSeq(line, "\t") {
		d, ok := n.decode(tabUnescape(c))
		if !ok {
			return "", false
		}
		if b.Len() > 0 {
			b.WriteByte(n.sep)
		}
		b.WriteString(d)
	}
	return n.clean(b.String()), true
}

// subscriptionLine encodes a name. One of another namespace keeps its '/', but
// has its dots escaped like all others, unless they are levels: Dovecot takes a
// bare one for a level.
func (n names) subscriptionLine(name string, whole bool) string {
	if whole {
		c := strings.ReplaceAll(n.encode(name), `\2f`, "/")
		if n.sep == '.' {
			c = strings.ReplaceAll(c, `\2e`, ".")
		}
		return tabEscape(c)
	}
	parts := strings.Split(name, string(n.sep))
	for i := range parts {
		parts[i] = tabEscape(n.encode(parts[i]))
	}
	return strings.Join(parts, "\t")
}

var (
	tabEscaper   = strings.NewReplacer("\x01", "\x011", "\t", "\x01t", "\n", "\x01n", "\r", "\x01r", "\x00", "\x010")
	tabUnescaper = strings.NewReplacer("\x011", "\x01", "\x01t", "\t", "\x01n", "\n", "\x01r", "\r", "\x010", "\x00")
)

func tabEscape(s string) string { return tabEscaper.Replace(s) }

func tabUnescape(s string) string {
	if strings.IndexByte(s, 1) < 0 {
		return s
	}
	return tabUnescaper.Replace(s)
}

// parseCourierSubscriptions reads courierimapsubscribed: full IMAP names, one a
// line, "INBOX.Sent" for the folder Sent. Those of shared folders ("#shared.x")
// have no place here.
func parseCourierSubscriptions(b []byte) *subscriptions {
	s := &subscriptions{}
	for line := range strings.SplitSeq(string(b), "\n") {
		line = strings.TrimSuffix(line, "\r")
		if len(line) < len(inbox) || !strings.EqualFold(line[:len(inbox)], inbox) {
			continue
		}
		switch rest := line[len(inbox):]; {
		case rest == "":
			s.lines = append(s.lines, inbox)
		case rest[0] == '.' && len(rest) > 1:
			s.lines = append(s.lines, fromVersion1(rest[1:], MaildirPP))
		}
	}
	return s
}
