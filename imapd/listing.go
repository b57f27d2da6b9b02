package imapd

import (
	"context"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir"
)

// listed is one line of a LIST answer in the making.
type listed struct {
	name        string
	separator   byte
	nonExistent bool // there is no such mailbox: a level of hierarchy, or a stale subscription
	noInferiors bool
	children    bool
	subscribed  bool
	uses        []imap.MailboxAttr
}

// listing is the mailboxes of all namespaces, by name, in the order they are said.
type listing struct {
	order  []*listed
	byName map[string]*listed
}

func newListing() *listing { return &listing{byName: map[string]*listed{}} }

// add returns the entry of that name, made where it is not there yet.
func (l *listing) add(name string, separator byte) (e *listed, made bool) {
	if e := l.byName[name]; e != nil {
		return e, false
	}
	e = &listed{name: name, separator: separator, nonExistent: true}
	l.order = append(l.order, e)
	l.byName[name] = e
	return e, true
}

// mailboxes lists every mailbox of every namespace, and the names that only are above them.
func (s *session) mailboxes(ctx context.Context) (*listing, error) {
	l := newListing()
	for i := range s.mail.Namespaces {
		ns := &s.mail.Namespaces[i]
		entries, err := ns.Tree.List(ctx)
		if err != nil {
			if i == 0 {
				return nil, err
			}
			s.log.Warn("listing a namespace failed; it is left out", "prefix", ns.Prefix, "err", err)
			continue
		}
		l.addTree(ns, entries)
	}
	return l, nil
}

func (l *listing) addTree(ns *Namespace, entries []maildir.Entry) {
	for i := range entries {
		e, _ := l.add(ns.outer(entries[i].Name), ns.Separator)
		e.nonExistent = entries[i].NonExistent
		e.noInferiors = entries[i].NoInferiors
		e.children = entries[i].HasChildren
		e.uses = entries[i].SpecialUse
	}
	if root := strings.TrimSuffix(ns.Prefix, string(ns.Separator)); root != "" && len(entries) > 0 {
		inbox := ns.Kind == Personal && root == "INBOX"
		if !inbox || len(entries) > 1 {
			e, _ := l.add(root, ns.Separator)
			e.children = true
		}
	}
}

// subscriptions are the user's subscribed names, as the client knows them, with their separators.
func (s *session) subscriptions(ctx context.Context) ([]listed, error) {
	own := s.personal()
	names, err := own.Tree.Subscriptions(ctx)
	if err != nil {
		return nil, err
	}
	subs := make([]listed, 0, len(names))
	for _, n := range names {
		e := listed{name: own.outer(n), separator: own.Separator}
		for i := 1; i < len(s.mail.Namespaces); i++ {
			if ns := &s.mail.Namespaces[i]; ns.Prefix != "" && strings.HasPrefix(n, ns.Prefix) {
				e = listed{name: n, separator: ns.Separator}
			}
		}
		subs = append(subs, e)
	}
	return subs, nil
}

// subscribe marks subscriptions, and adds what is above them; names that are not there are added as non-existent
// (RFC 5258 §3.1: SUBSCRIBED lists them all the same).
func (l *listing) subscribe(subs []listed) {
	for i := range subs {
		e, _ := l.add(subs[i].name, subs[i].separator)
		e.subscribed = true
		for parent := e.parent(); parent != ""; {
			p, made := l.add(parent, e.separator)
			if !made {
				break // and so are those above it
			}
			p.children = true
			parent = p.parent()
		}
	}
}

// below tells whether some name below e satisfies is. The listing is sorted: they stand together.
func (l *listing) below(e *listed, is func(*listed) bool) bool {
	prefix := e.name + string(e.separator)
	first, _ := slices.BinarySearchFunc(l.order, e.key()+"\x00", func(x *listed, key string) int {
		if x.name == "INBOX" { // stands before all others
			return -1
		}
		return strings.Compare(x.key(), key)
	})
	for _, sub := range l.order[first:] {
		if !strings.HasPrefix(sub.name, prefix) {
			break
		}
		if is(sub) {
			return true
		}
	}
	return false
}

// parent is the name one level up, empty at the top.
func (e *listed) parent() string {
	if i := strings.LastIndexByte(e.name, e.separator); i > 0 {
		return e.name[:i]
	}
	return ""
}

// sorted puts INBOX first and the rest in the order of their names, children behind their parents.
func (l *listing) sorted() []*listed {
	slices.SortFunc(l.order, func(a, b *listed) int {
		if ai, bi := a.name == "INBOX", b.name == "INBOX"; ai != bi {
			if ai {
				return -1
			}
			return 1
		}
		return strings.Compare(a.key(), b.key())
	})
	return l.order
}

// key orders a separator before every other character.
func (e *listed) key() string { return strings.ReplaceAll(e.name, string(e.separator), "\x00") }

// matches tells whether a name matches a list pattern: "*" is anything, "%" anything but the separator
// (RFC 9051 §6.3.9). INBOX matches in any case, also above others. The cost is bounded by len(pattern) × len(name).
func matches(pattern, name string, separator byte) bool {
	if inbox := "INBOX"; len(pattern) >= len(inbox) && strings.EqualFold(pattern[:len(inbox)], inbox) &&
		(name == inbox || strings.HasPrefix(name, inbox+string(separator))) {
		pattern = inbox + pattern[len(inbox):]
	}
	// can[i]: pattern read so far matches name[:i].
	can := make([]bool, len(name)+1)
	can[0] = true
	for p := 0; p < len(pattern); p++ {
		switch c := pattern[p]; c {
		case '*', '%':
			for i := 1; i <= len(name); i++ {
				if can[i-1] && (c == '*' || name[i-1] != separator) {
					can[i] = true
				}
			}
		default:
			for i := len(name); i > 0; i-- {
				can[i] = can[i-1] && name[i-1] == c
			}
			can[0] = false
		}
	}
	return can[len(name)]
}
