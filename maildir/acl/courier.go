package acl

import "strings"

// courierAll is all rights that Courier knows.
const courierAll = RightsAll &^ RightPost

// administrators are Courier's group that may do everything everywhere.
const administrators = "administrators"

var theAdministrators = ID{Kind: Group, Name: administrators}

// ParseCourier reads a courierimapacl file. Of two lines with one identifier the later one counts.
func ParseCourier(b []byte) (*List, error) {
	l := &List{Union: true}
	text := string(b)
	at := map[string]int{} // identifier, dash and all, to its entry
	for n, start := 1, 0; start < len(text); n++ {
		line, next := cutLine(text, start)
		switch {
		case n > maxLines:
			return nil, &SyntaxError{n, "too many lines"}
		case strings.IndexByte(line, 0) >= 0:
			return nil, &SyntaxError{n, "a NUL: this is no text"}
		}
		start = next
		word, letters, _ := strings.Cut(line, " ")
		e, ok := courierEntry(word)
		if !ok {
			continue
		}
		e.Rights, e.Line = courierRights(letters), n
		if i, again := at[word]; again {
			l.Entries[i] = e
			continue
		}
		at[word] = len(l.Entries)
		l.Entries = append(l.Entries, e)
	}
	l.Entries = withAdministrators(l.Entries)
	return l, nil
}

func courierEntry(word string) (Entry, bool) {
	bare, negative := strings.CutPrefix(word, "-")
	if strings.ContainsFunc(bare, control) {
		return Entry{}, false
	}
	if bare == administrators {
		bare = theAdministrators.String()
	}
	id, ok := spelled(bare)
	if !ok || id.Kind == Authenticated || id.Kind == GroupOverride || negative && id == theAdministrators {
		return Entry{}, false
	}
	return Entry{ID: id, Negative: negative}, true
}

// courierRights reads the letters. With a blank or a control character among them they are none at all.
func courierRights(letters string) (r Rights) {
	letters = strings.TrimLeft(letters, " ")
	for _, c := range letters {
		switch {
		case c <= ' ':
			return 0
		case c == 'c':
			r |= RightCreate
		case c != 'k': // the protocol's letter for it, which files do not have
			r |= letter(c)
		}
	}
	return r
}

// withAdministrators gives the administrators everything. A negative line of theirs says nothing; those of others
// that are about them too do.
func withAdministrators(entries []Entry) []Entry {
	there := false
	for i := range entries {
		if e := &entries[i]; e.ID == theAdministrators {
			e.Rights |= courierAll
			there = true
		}
	}
	if there {
		return entries
	}
	return append(entries, Entry{ID: theAdministrators, Rights: courierAll})
}
