package maildir

import (
	"strings"
	"unicode/utf8"
)

const (
	inbox    = "INBOX"
	trashDir = "..DOVECOT-TRASHED" // a mailbox on its way out; Dovecot knows the name too

	maxDepth    = 32
	maxNameLen  = 1000 // bytes of UTF-8, far below what paths may have
	maxFileName = 255
)

// names translates between mailbox names as clients see them (UTF-8, INBOX,
// the configured separator) and paths below the tree's root.
//
// On disk a component is modified UTF-7 (or UTF-8), after four escapes, the
// ones that Dovecot's listescape plugin writes: '.' as \2e where it is the
// layout's separator (and at the head of "." and ".." elsewhere), a leading
// '~' as \7e, '\' as \5c, and '/' as \2f where names may hold one. What other
// programs made without escapes is understood too; see decode.
type names struct {
	layout  Layout
	sep     byte
	utf8    bool
	noInbox bool
}

func newNames(o *TreeOptions) names {
	n := names{layout: o.Layout, sep: o.Separator, utf8: o.DiskUTF8, noInbox: o.NoInbox}
	if n.sep == 0 {
		n.sep = '/'
	}
	return n
}

// clean gives a name its one spelling: INBOX in capitals, also as first component.
func (n names) clean(name string) string {
	if n.noInbox || len(name) < len(inbox) || !strings.EqualFold(name[:len(inbox)], inbox) {
		return name
	}
	if len(name) == len(inbox) || name[len(inbox)] == n.sep {
		return inbox + name[len(inbox):]
	}
	return name
}

func (n names) isInbox(name string) bool { return !n.noInbox && name == inbox }

// path is where a mailbox of this name lies or would be made, below the root:
// "" for INBOX, ".A.B" or "A/B".
func (n names) path(name string) string {
	if n.isInbox(name) {
		return ""
	}
	var b strings.Builder
	for c := range strings.SplitSeq(name, string(n.sep)) {
		if n.layout == MaildirPP {
			b.WriteByte('.')
		} else if b.Len() > 0 {
			b.WriteByte('/')
		}
		b.WriteString(n.encode(c))
	}
	return b.String()
}

// encode writes one component as it stands on disk.
func (n names) encode(c string) string {
	if strings.ContainsAny(c, `.~/\`) {
		c = n.escape(c)
	}
	if n.utf8 {
		return c
	}
	return encodeMUTF7(c)
}

func (n names) escape(c string) string {
	var b strings.Builder
	for i := range len(c) {
		switch ch := c[i]; {
		case ch == '.' && (n.layout == MaildirPP || i == 0 && (c == "." || c == "..")):
			b.WriteString(`\2e`)
		case ch == '~' && i == 0:
			b.WriteString(`\7e`)
		case ch == '/':
			b.WriteString(`\2f`)
		case ch == '\\':
			b.WriteString(`\5c`)
		default:
			b.WriteByte(ch)
		}
	}
	return b.String()
}

// decode reads one component. What is no modified UTF-7 is taken for UTF-8;
// what is neither is no mailbox. A backslash before anything that encode does
// not write stands for itself.
func (n names) decode(disk string) (string, bool) {
	c := disk
	if !n.utf8 {
		if d, err := decodeMUTF7(disk); err == nil {
			c = d
		}
	}
	if !utf8.ValidString(c) || c == "" {
		return "", false
	}
	if strings.IndexByte(c, '\\') < 0 {
		return c, true
	}
	var b strings.Builder
	for i := 0; i < len(c); i++ {
		if c[i] == '\\' && i+3 <= len(c) {
			if ch := unescape(c[i+1 : i+3]); ch != 0 && ch != n.sep {
				b.WriteByte(ch)
				i += 2
				continue
			}
		}
		b.WriteByte(c[i])
	}
	return b.String(), true
}

func unescape(hex string) byte {
	switch strings.ToLower(hex) {
	case "2e":
		return '.'
	case "7e":
		return '~'
	case "2f":
		return '/'
	case "5c":
		return '\\'
	}
	return 0
}

// folderName reads a directory name of Maildir++, ".A.B".
func (n names) folderName(dir string) (string, bool) {
	if len(dir) < 2 || dir[0] != '.' || dir[1] == '.' {
		return "", false
	}
	var b strings.Builder
	for c := range strings.SplitSeq(dir[1:], ".") {
		d, ok := n.decode(c)
		if !ok {
			return "", false
		}
		if b.Len() > 0 {
			b.WriteByte(n.sep)
		}
		b.WriteString(d)
	}
	name := n.clean(b.String())
	return name, !n.isInbox(name)
}

// verify says why a mailbox must not be made or renamed to name; the reason is
// for the client. Mailboxes found on disk need not pass it.
func (n names) verify(name string) error {
	switch {
	case name == "":
		return badName("empty mailbox name")
	case len(name) > maxNameLen:
		return badName("mailbox name is longer than %d bytes", maxNameLen)
	case !utf8.ValidString(name):
		return badName("mailbox name is not valid UTF-8")
	}
	for _, r := range name {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 {
			return badName("control characters are not allowed in mailbox names")
		}
	}
	parts := strings.Split(name, string(n.sep))
	if len(parts) > maxDepth {
		return badName("mailbox name has more than %d levels", maxDepth)
	}
	for _, c := range parts {
		if c == "" {
			return badName("mailbox name has an empty level")
		}
		if isControlName(c) || c == "." || c == ".." { // the dots would be escaped, but confuse whoever reads them
			return badName("%q is reserved", c)
		}
		if n.layout == FS && (c == trashDir || len(n.encode(c)) > maxFileName) {
			return badName("%q cannot be a directory name", c)
		}
	}
	if n.layout == MaildirPP && len(n.path(name)) > maxFileName {
		return badName("mailbox name takes more than %d bytes on disk", maxFileName)
	}
	return nil
}

// isMaildirName tells the three directories that every Maildir has.
func isMaildirName(c string) bool { return c == "cur" || c == "new" || c == "tmp" }

// isControlName tells the names that lie beside messages and control a
// mailbox or a tree: no mailbox is made under one of them.
func isControlName(c string) bool {
	switch c {
	case "subscriptions", "subscriptions.lock", "mailboxes.lock", "maildirsize", "maildirfolder":
		return true
	}
	return isMaildirName(c) || strings.HasPrefix(c, "dovecot-") || strings.HasPrefix(c, "dovecot.") ||
		strings.HasPrefix(c, "courierimap") || strings.HasPrefix(c, "maildir-imapd")
}

// parent is the name one level up, "" at the top.
func (n names) parent(name string) string {
	return name[:max(0, strings.LastIndexByte(name, n.sep))]
}

// below tells whether name lies below top.
func (n names) below(name, top string) bool {
	return len(name) > len(top) && name[len(top)] == n.sep && name[:len(top)] == top
}

// compare sorts names by levels, so that what is below a mailbox follows it
// at once; INBOX comes first.
func (n names) compare(a, b string) int {
	if !n.noInbox {
		ai, bi := a == inbox || n.below(a, inbox), b == inbox || n.below(b, inbox)
		if ai != bi {
			if ai {
				return -1
			}
			return 1
		}
	}
	for i := range min(len(a), len(b)) {
		switch ca, cb := a[i], b[i]; {
		case ca == cb:
		case ca == n.sep:
			return -1
		case cb == n.sep:
			return 1
		case ca < cb:
			return -1
		default:
			return 1
		}
	}
	return len(a) - len(b)
}
