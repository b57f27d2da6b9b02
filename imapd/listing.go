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
	hidden      bool // shown only to who asks for it by name
	uses        []imap.MailboxAttr
	rights      maildir.Rights // 0: nobody has asked yet
}

// listing is mailboxes of several namespaces, by name, in the order they are said.
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

// mailboxes lists the mailboxes of all namespaces that some pattern can reach, or of all when there is no pattern,
// and the names that only are above them.
func (s *session) mailboxes(ctx context.Context, patterns ...string) (*listing, error) {
	l, aliases := newListing(), s.aliases()
	looked := map[*Namespace][]maildir.Entry{}
	entries := func(ctx context.Context, ns *Namespace) ([]maildir.Entry, error) {
		if all, ok := looked[ns]; ok {
			return all, nil
		}
		all, err := ns.Tree.List(ctx)
		if err != nil && ns.Kind != Personal {
			s.log.Warn("listing a namespace failed; it is left out", "prefix", ns.Prefix, "err", err)
		}
		looked[ns] = all
		return all, err
	}
	for i := range s.mail.Namespaces {
		ns := &s.mail.Namespaces[i]
		if ns.Kind != Personal && !reach(patterns, strings.TrimSuffix(ns.Prefix, string(ns.Separator)), ns.Separator) {
			continue
		}
		all, err := entries(ctx, ns)
		if err != nil && i == 0 {
			return nil, err
		}
		l.addTree(ns, all, func(name string) bool {
			alias, _ := s.aliasOf(aliases, name)
			return alias != ""
		})
	}
	s.addAliases(ctx, l, aliases, patterns, entries)
	return l, nil
}

// reach tells whether a pattern may match a name or what is below it, as far as its text before the first wildcard
// says.
func reach(patterns []string, name string, separator byte) bool {
	for _, p := range patterns {
		head := literalHead(p)
		if len(head) < len(p) && strings.HasPrefix(name, head) || head == name || strings.HasPrefix(head, name+string(separator)) {
			return true
		}
	}
	return len(patterns) == 0
}

// addTree lists a namespace but for what an alias covers: whoever selects such a name gets to what is behind the alias.
func (l *listing) addTree(ns *Namespace, entries []maildir.Entry, covered func(name string) bool) {
	for i := range entries {
		name := ns.outer(entries[i].Name)
		if covered(name) {
			continue
		}
		e, _ := l.add(name, ns.Separator)
		e.fill(&entries[i])
	}
	if root := strings.TrimSuffix(ns.Prefix, string(ns.Separator)); root != "" && len(entries) > 0 {
		inbox := ns.Kind == Personal && root == "INBOX"
		if !inbox || len(entries) > 1 {
			e, _ := l.add(root, ns.Separator)
			e.children = true
		}
	}
}

// fill takes over what a tree says of a mailbox.
func (e *listed) fill(from *maildir.Entry) {
	e.nonExistent, e.noInferiors, e.children = from.NonExistent, from.NoInferiors, from.HasChildren
	e.hidden, e.uses, e.rights = from.Hidden, from.SpecialUse, from.Rights
}

// addParents adds what is above a name, and returns the first name up that was there before, nil for none.
func (l *listing) addParents(e *listed) *listed {
	for parent := e.parent(); parent != ""; {
		p, made := l.add(parent, e.separator)
		if !made {
			return p // and so are those above it
		}
		p.children = true
		parent = p.parent()
	}
	return nil
}

// shown tells whether a pattern shows a mailbox: a hidden one only when it spells its name, or what of it is hidden,
// without a wildcard, or when the mailbox is one of the subscribed ones that are asked for.
func (l *listing) shown(e *listed, pattern string) bool {
	if !matches(pattern, e.name, e.separator) {
		return false
	}
	if !e.hidden || e.subscribed {
		return true
	}
	top := e
	for p := l.byName[top.parent()]; p != nil && p.hidden; p = l.byName[top.parent()] {
		top = p
	}
	return reach([]string{pattern}, top.name, top.separator) && len(literalHead(pattern)) >= len(top.name)
}

// literalHead is a pattern's text before the first wildcard, with INBOX as it is spelled here.
func literalHead(pattern string) string {
	if i := strings.IndexAny(pattern, "*%"); i >= 0 {
		pattern = pattern[:i]
	}
	if inbox := "INBOX"; len(pattern) >= len(inbox) && strings.EqualFold(pattern[:len(inbox)], inbox) {
		pattern = inbox + pattern[len(inbox):]
	}
	return pattern
}

// subscribe marks subscriptions, and adds what is above them; names that are not there are added as non-existent
// (RFC 5258 §3.1: SUBSCRIBED lists them all the same).
func (l *listing) subscribe(subs []listed) {
	for i := range subs {
		e, _ := l.add(subs[i].name, subs[i].separator)
		e.subscribed = true
		l.addParents(e)
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
