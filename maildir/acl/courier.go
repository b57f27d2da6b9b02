package acl

import "strings"

// courierAll is all rights that Courier knows.
const courierAll = RightsAll &^ RightPost

// administrators are Courier's group that may do everything everywhere.
const administrators = "administrators"

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
		return Entry{ID: ID{Kind: Group, Name: administrators}, Negative: negative}, true
	}
	id, ok := spelled(bare)
	if !ok || id.Kind == Authenticated || id.Kind == GroupOverride {
		return Entry{}, false
	}
	return Entry{ID: id, Negative: negative}, true
}

func courierRights(letters string) (r Rights) {
	for _, c := range letters {
		switch c {
		case 'c':
			r |= RightCreate
		case 'k': // the protocol's letter for it, which files do not have
		default:
			r |= letter(c)
		}
	}
	return r
}

// withAdministrators gives the administrators everything, and lets no negative line of theirs take l and a. Other
// negative lines may: it is what Courier does as it reads the file.
func withAdministrators(entries []Entry) []Entry {
	ours := ID{Kind: Group, Name: administrators}
	there := false
	for i := range entries {
		switch e := &entries[i]; {
		case e.ID != ours:
		case e.Negative:
			e.Rights &^= RightLookup | RightAdmin
		default:
			e.Rights |= courierAll
			there = true
		}
	}
	if there {
		return entries
	}
	return append(entries, Entry{ID: ours, Rights: courierAll})
}
