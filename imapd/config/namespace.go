package config

import (
	"fmt"
	"slices"
	"strings"

	"gopkg.in/ini.v1"
)

// Namespace is a section [namespace "NAME"]: a tree of mailboxes beside the user's own.
type Namespace struct {
	Name      string
	Kind      Kind
	Prefix    string // of KindOther with the "%u" and the separator that end it
	Path      string // template; none for KindOther, whose trees are the users' own
	Layout    Layout
	Separator string   // empty: as [mail] separator
	ACL       []string // "identifier rights", where a folder has no list of its own; none: nobody's
	Anyone    bool     // clients may give rights to anyone and authenticated
	Seen      Seen
	Subscribe []string // whole names
	Hide      []string // names without the prefix
	Domains   []string // those of the users who have it, or with '!' of those who have not; none: all users
	Storage   Limit
	Messages  Limit
}

// Kind says whose mail a namespace shows.
type Kind string

// The values of [namespace] kind.
const (
	KindPublic Kind = "public" // one directory for all
	KindOther  Kind = "other"  // other users' mailboxes, where these users let one in
)

// Seen says whose the \Seen flags of a namespace are.
type Seen string

// The values of [namespace] seen.
const (
	SeenPrivate Seen = "private" // each reader's own
	SeenShared  Seen = "shared"  // one for all
)

// newNamespace is what a namespace starts from. The name "shared" is for other users' mail unless the file says
// otherwise.
func newNamespace(name string) Namespace {
	n := Namespace{Name: name, Kind: KindPublic, Layout: MaildirPP, ACL: []string{"anyone lr"}, Seen: SeenPrivate}
	if name == "shared" {
		n.become(KindOther)
	}
	return n
}

// become gives the section the defaults of a kind.
func (n *Namespace) become(k Kind) {
	if n.Kind == k {
		return
	}
	n.Kind, n.ACL = k, nil
	if k == KindPublic {
		n.ACL = []string{"anyone lr"}
	}
}

// settleKind looks at the kind before the other keys are read: they depend on it.
func (l *loader) settleKind(n *Namespace, f *ini.File) {
	h := header("namespace", n.Name)
	sec, err := f.GetSection(h[1 : len(h)-1])
	if err != nil || !sec.HasKey("kind") {
		return
	}
	v, err := unquote(sec.Key("kind").Value())
	if err != nil {
		return // told when the key is read
	}
	for _, k := range []Kind{KindPublic, KindOther} {
		if strings.EqualFold(v, string(k)) {
			n.become(k)
		}
	}
}

func (n *Namespace) keys(dir string) []key {
	all := []key{
		enum("kind", &n.Kind, KindPublic, KindOther),
		text("prefix", &n.Prefix, anyText),
	}
	if n.Kind != KindOther {
		all = append(all,
			path("path", &n.Path, dir, template),
			enum("layout", &n.Layout, MaildirPP, FS))
	}
	all = append(all, enum("separator", &n.Separator, "", "/", "."))
	if n.Kind != KindOther {
		all = append(all, names("acl", &n.ACL, aclEntry))
	}
	all = append(all,
		boolean("anyone", &n.Anyone),
		enum("seen", &n.Seen, SeenPrivate, SeenShared),
		words("subscribe", &n.Subscribe, plainName))
	if n.Kind != KindOther {
		all = append(all, words("hide", &n.Hide, plainName))
	}
	all = append(all, words("domains", &n.Domains, domain))
	if n.Kind != KindOther {
		all = append(all,
			limit("storage", &n.Storage, true),
			limit("messages", &n.Messages, false))
	}
	return all
}

// idle are the keys that would do nothing where a namespace shows other users' mail.
func (n *Namespace) idle() map[string]string {
	if n.Kind != KindOther {
		return nil
	}
	return map[string]string{
		"path":     "remove it: [mail] path says where users' mail is; or write kind = public",
		"layout":   "remove it: [mail] layout is what users' mail has; or write kind = public",
		"acl":      "remove it: users open their own mailboxes to others; or write kind = public",
		"hide":     "remove it: users' mailboxes hold mail; or write kind = public",
		"storage":  "remove it: what lies in a user's mailbox counts to that user's quota; or write kind = public",
		"messages": "remove it: what lies in a user's mailbox counts to that user's quota; or write kind = public",
	}
}

// For tells whether a user has the namespace.
func (n *Namespace) For(user string) bool {
	_, own, _ := splitUser(user)
	own = strings.ToLower(own)
	if len(n.Domains) == 0 {
		return true
	}
	if n.Domains[0][0] == '!' {
		return !slices.Contains(n.Domains, "!"+own)
	}
	return own != "" && slices.Contains(n.Domains, own)
}

// Head is the prefix up to the user's name, which is all of it in a public namespace.
func (n *Namespace) Head() string {
	if n.Kind == KindOther {
		head, _, _ := strings.Cut(n.Prefix, "%u")
		return head
	}
	return n.Prefix
}

// separator is the namespace's own or that of [mail].
func (n *Namespace) separator(m *Mail) string {
	if n.Separator != "" {
		return n.Separator
	}
	return m.Separator
}

func (l *loader) validateNamespaces() {
	prefixes := map[string]string{}
	others := ""
	for i := range l.config.Namespaces {
		n := &l.config.Namespaces[i]
		h := header("namespace", n.Name)
		switch {
		case n.Kind != KindOther && n.Path == "" && !strings.Contains(n.Prefix, "%u"):
			l.at(h, "path", bad("name the directory", "the section has no path"))
		case n.Kind == KindOther && others != "":
			l.at(h, "kind", bad("keep one of them", "%s shows other users' mail already", others))
		default:
			l.prefix(n, h, prefixes)
		}
		if n.Kind == KindOther {
			others = h
		}
		prefixes[n.Head()] = h
		l.names(n, h)
	}
}

// prefix checks what stands before the names of a namespace.
func (l *loader) prefix(n *Namespace, h string, taken map[string]string) {
	sep := n.separator(&l.config.Mail)
	head := n.Head()
	switch {
	case n.Kind == KindOther && n.Prefix != head+"%u"+sep:
		l.at(h, "prefix", bad("write prefix = Shared"+sep+"%u"+sep, "%q does not end with %q, the name of the user whose mailboxes follow", n.Prefix, "%u"+sep))
	case n.Kind != KindOther && strings.Contains(n.Prefix, "%u"):
		l.at(h, "prefix", bad("write kind = other", "%q is for other users' mailboxes", n.Prefix))
	case strings.Trim(head, sep) == "":
		l.at(h, "prefix", bad("write prefix = Public"+sep, "a public namespace needs a prefix"))
	case !strings.HasSuffix(head, sep):
		l.at(h, "prefix", bad("write "+head+sep, "%q does not end with the separator %q", n.Prefix, sep))
	case strings.EqualFold(head, "INBOX"+sep):
		l.at(h, "prefix", bad("choose another, such as Public"+sep, "%q belongs to the user's own mail", n.Prefix))
	case taken[head] != "":
		l.at(h, "prefix", bad("give each its own", "%q is already the prefix of %s", head, taken[head]))
	}
}

// names checks the lists of a namespace.
func (l *loader) names(n *Namespace, h string) {
	sep, head := n.separator(&l.config.Mail), n.Head()
	for _, name := range n.Subscribe {
		if !strings.HasPrefix(name, head) || name == head || strings.HasSuffix(name, sep) {
			l.at(h, "subscribe", bad(fmt.Sprintf("write whole names such as %sAnnounce", head), "%q is no name below %q", name, head))
		}
	}
	for _, name := range n.Hide {
		if strings.HasPrefix(name, head) || strings.HasPrefix(name, sep) || strings.HasSuffix(name, sep) {
			l.at(h, "hide", bad("write names such as Calendar", "%q is not a name without the prefix", name))
		}
	}
	for _, d := range n.Domains {
		if (d[0] == '!') != (n.Domains[0][0] == '!') {
			l.at(h, "domains", bad("name either those that have it, or with ! those that have not", "%s and %s are of two kinds", n.Domains[0], d))
			break
		}
	}
}

// plainName is the name of one mailbox.
func plainName(v string) (string, error) {
	if v == "" || strings.ContainsAny(v, "*%") {
		return "", bad("write its whole name", "%q does not name one mailbox", v)
	}
	return v, nil
}

// domain is what follows the last @ of a login name; with '!' before it, users of all others are meant.
func domain(v string) (string, error) {
	v = strings.ToLower(v)
	name := strings.TrimPrefix(v, "!")
	if name == "" || strings.ContainsAny(name, "!@/:*%<>\"\\ \t") {
		return "", bad("write domains such as example.org, or !example.org for all others", "%q is no domain", v)
	}
	return v, nil
}
