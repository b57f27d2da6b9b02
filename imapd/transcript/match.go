package transcript

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// env holds the values bound so far. It is never changed: bind copies.
type env map[string]string

func (e env) bind(name, text string) env {
	n := maps.Clone(e)
	if n == nil {
		n = env{}
	}
	n[name] = text
	return n
}

// matcher compares values; its switches come from the kind of response.
type matcher struct {
	mailbox bool // names are compared exactly, atom and string are one
	fold    bool // strings too compare without case: media types, parameters (RFC 2045 §5.1)
	strict  bool // atom and string differ: nstring
}

// matchResponse compares a response with a pattern and returns the environment with what it bound.
func matchResponse(p, r *response, e env) (env, bool) {
	if p.tag != r.tag {
		return e, false
	}
	if p.tag == "+" {
		return matchContinuation(p, r, e)
	}
	if (p.status == "") != (r.status == "") {
		return e, false
	}
	if p.status != "" {
		return matchStatus(p, r, e)
	}
	if len(p.data) == 0 || len(r.data) == 0 {
		return e, len(p.data) == len(r.data)
	}
	return matchData(p.data, r.data, e)
}

func matchContinuation(p, r *response, e env) (env, bool) {
	if len(p.data) == 0 {
		return e, true
	}
	if len(r.data) == 0 {
		return e, false
	}
	return (&matcher{}).value(p.data[0], r.data[0], e)
}

func matchStatus(p, r *response, e env) (env, bool) {
	if !slices.Contains(strings.Split(p.status, "|"), r.status) {
		return e, false
	}
	switch {
	case p.code == nil:
		// Which codes decorate a completion is the server's choice; what an untagged OK says is its code.
		return e, p.tag != "*" || r.status != "OK" || r.code == nil
	case len(p.code) == 0:
		return e, r.code == nil
	case len(r.code) == 0:
		return e, false
	}
	m := &matcher{}
	e, ok := m.alternatives(p.code[0], r.code[0], e)
	if !ok {
		return e, false
	}
	if p.code[0].text == "CAPABILITY" {
		return m.set(p.code[1:], r.code[1:], 1, e)
	}
	return m.seq(p.code[1:], r.code[1:], e)
}

func (m *matcher) alternatives(p, v value, e env) (env, bool) {
	if p.kind == atom && strings.Contains(p.text, "|") {
		return e, slices.Contains(strings.Split(p.text, "|"), strings.ToUpper(v.text))
	}
	return m.value(p, v, e)
}

// matchData compares untagged data, by the rules of its kind.
func matchData(p, v []value, e env) (env, bool) {
	name := strings.ToUpper(p[0].text)
	if len(p) > 1 && p[1].kind == atom {
		switch second := strings.ToUpper(p[1].text); second {
		case "FETCH", "EXISTS", "RECENT", "EXPUNGE":
			name = second
		}
	}
	m := &matcher{}
	switch name {
	case "CAPABILITY", "ENABLED", "SEARCH":
		if !strings.EqualFold(v[0].text, name) {
			return e, false
		}
		return m.set(p[1:], v[1:], 1, e)
	case "LIST", "LSUB", "XLIST", "STATUS":
		m.mailbox = true
	case "ESEARCH":
		return m.esearch(p, v, e)
	case "FETCH":
		m.strict = true
		if len(p) != 3 || len(v) != 3 || !strings.EqualFold(v[1].text, "FETCH") {
			return e, false
		}
		e, ok := m.value(p[0], v[0], e)
		if !ok || p[2].text == "$_" {
			return e, ok
		}
		return m.set(p[2].items, v[2].items, 2, e)
	}
	return m.seq(p, v, e)
}

// esearch: ESEARCH ["(TAG x)"] ["UID"] then pairs in any order (RFC 4466 §2.6.2).
func (m *matcher) esearch(p, v []value, e env) (env, bool) {
	if !strings.EqualFold(v[0].text, "ESEARCH") {
		return e, false
	}
	head := func(x []value) int {
		n := 1
		if n < len(x) && x[n].kind == list {
			n++
		}
		if n < len(x) && strings.EqualFold(x[n].text, "UID") {
			n++
		}
		return n
	}
	hp, hv := head(p), head(v)
	e, ok := m.seq(p[:hp], v[:hv], e)
	if !ok {
		return e, false
	}
	return m.set(p[hp:], v[hv:], 2, e)
}

func isRest(v value) bool { return v.kind == atom && v.text == "..." }

// seq compares in order; "..." at the end allows more.
func (m *matcher) seq(p, v []value, e env) (env, bool) {
	for i := range p {
		if isRest(p[i]) {
			return e, true
		}
		if i >= len(v) {
			return e, false
		}
		var ok bool
		if e, ok = m.value(p[i], v[i], e); !ok {
			return e, false
		}
	}
	return e, len(p) == len(v)
}

// set compares groups of n values in any order.
func (m *matcher) set(p, v []value, n int, e env) (env, bool) {
	rest := len(p) > 0 && isRest(p[len(p)-1])
	if rest {
		p = p[:len(p)-1]
	}
	if n == 1 {
		p, v = m.dropOptional(p, v)
	}
	if len(p)%n != 0 || len(v)%n != 0 || len(p) > len(v) || !rest && len(p) != len(v) {
		return e, false
	}
	return m.groups(p, v, n, make([]bool, len(v)/n), e)
}

// dropOptional takes the members of a set that may be there or not, written ?name, out of both sides.
func (m *matcher) dropOptional(p, v []value) (must, rest []value) {
	isOptional := func(x value) bool { return x.kind == atom && len(x.text) > 1 && x.text[0] == '?' }
	if !slices.ContainsFunc(p, isOptional) {
		return p, v
	}
	rest = slices.Clone(v)
	for _, x := range p {
		if !isOptional(x) {
			must = append(must, x)
			continue
		}
		rest = slices.DeleteFunc(rest, func(y value) bool { return strings.EqualFold(y.text, x.text[1:]) })
	}
	return must, rest
}

func (m *matcher) groups(p, v []value, n int, used []bool, e env) (env, bool) {
	if len(p) == 0 {
		return e, true
	}
	for g := range used {
		if used[g] {
			continue
		}
		e2, ok := m.group(p[:n], v[g*n:g*n+n], e)
		if !ok {
			continue
		}
		used[g] = true
		if e3, ok := m.groups(p[n:], v, n, used, e2); ok {
			return e3, true
		}
		used[g] = false
	}
	return e, false
}

// group compares one flag, or one attribute with its value.
func (m *matcher) group(p, v []value, e env) (env, bool) {
	if len(p) != 2 {
		return m.seq(p, v, e)
	}
	e, ok := m.value(p[0], v[0], e)
	if !ok {
		return e, false
	}
	sub := *m
	sub.fold = p[0].text == "BODY" || p[0].text == "BODYSTRUCTURE"
	if p[0].text == "FLAGS" {
		sub.strict = false
	}
	return sub.value(p[1], v[1], e)
}

func (m *matcher) value(p, v value, e env) (env, bool) {
	if p.kind == atom && p.text == "$_" {
		return e, true
	}
	if p.kind == list {
		if v.kind != list {
			return e, false
		}
		switch {
		case m.mailbox && len(p.items) > 0 && isKeyword(p.items[0]):
			return m.set(p.items, v.items, 2, e) // STATUS items
		case m.unordered(p.items):
			return m.set(p.items, v.items, 1, e)
		}
		return m.seq(p.items, v.items, e)
	}
	if v.kind == list {
		return e, false
	}
	if p.kind == atom && strings.Contains(p.text, "$") {
		return m.variable(p, v, e)
	}
	return e, m.equal(p, v)
}

// unordered lists are those of flags and mailbox attributes: \Name or bare atoms throughout.
func (m *matcher) unordered(items []value) bool {
	if m.strict && m.fold {
		return false
	}
	for _, it := range items {
		if it.kind != atom || it.text == "NIL" {
			return false
		}
	}
	return len(items) > 0
}

func isKeyword(v value) bool {
	switch v.text {
	case "MESSAGES", "RECENT", "UIDNEXT", "UIDVALIDITY", "UNSEEN", "SIZE", "APPENDLIMIT", "DELETED", "HIGHESTMODSEQ":
		return v.kind == atom
	}
	return false
}

func (m *matcher) equal(p, v value) bool {
	if p.kind != v.kind && (m.strict || p.text == "NIL" || v.text == "NIL") {
		return false
	}
	switch {
	case m.mailbox && !strings.HasPrefix(p.text, `\`) && !strings.EqualFold(p.text, "INBOX") && !isKeyword(p):
		return p.text == v.text
	case p.kind == atom || m.fold || m.mailbox:
		return strings.EqualFold(p.text, v.text)
	case p.text == v.text:
		return true
	}
	return sameInstant(p.text, v.text)
}

// sameInstant lets INTERNALDATE come in any zone.
func sameInstant(a, b string) bool {
	const layout = "_2-Jan-2006 15:04:05 -0700"
	ta, err := time.Parse(layout, a)
	if err != nil {
		return false
	}
	tb, err := time.Parse(layout, b)
	return err == nil && ta.Equal(tb)
}

var variable = regexp.MustCompile(`\$[a-z_][a-z0-9_]*`)

// variable compares a word that contains $names: bound ones by value, the others bind.
func (m *matcher) variable(p, v value, e env) (env, bool) {
	var re strings.Builder
	var names []string
	last := 0
	for _, loc := range variable.FindAllStringIndex(p.text, -1) {
		re.WriteString(regexp.QuoteMeta(p.text[last:loc[0]]))
		name := p.text[loc[0]+1 : loc[1]]
		if text, ok := e[name]; ok {
			re.WriteString(regexp.QuoteMeta(text))
		} else {
			names = append(names, name)
			re.WriteString("(.+?)")
		}
		last = loc[1]
	}
	re.WriteString(regexp.QuoteMeta(p.text[last:]))
	whole, err := regexp.Compile("(?is)^" + re.String() + "$")
	if err != nil {
		return e, false // a bound value that is no UTF-8 is compared with nothing
	}
	sub := whole.FindStringSubmatch(v.text)
	if sub == nil {
		return e, false
	}
	for i, name := range names {
		if name != "_" {
			e = e.bind(name, sub[i+1])
		}
	}
	return e, true
}
