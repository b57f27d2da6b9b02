package config

import (
	"slices"
	"strings"
)

// words is a list of values without white space: "a b, c".
func words(name string, p *[]string, check checked) key {
	return listKey(name, p, " \t,", check)
}

// names is a list of values that may hold white space: `Sent, "Sent Items", Gesendete Elemente`.
func names(name string, p *[]string, check checked) key {
	return listKey(name, p, ",", check)
}

func paths(name string, p *[]string, dir string) key {
	return words(name, p, func(v string) (string, error) {
		v, err := plainPath(v)
		if err != nil {
			return "", err
		}
		return absolute(dir, v), nil
	})
}

func listKey(name string, p *[]string, separators string, check checked) key {
	return key{
		name: name,
		list: true,
		set: func(values []string) error {
			var all []string
			for _, v := range values {
				items, err := split(v, separators)
				if err != nil {
					return err
				}
				for _, item := range items {
					item, err := check(item)
					if err != nil {
						return err
					}
					if slices.Contains(all, item) {
						return bad("remove one of them", "%q stands there twice", item)
					}
					all = append(all, item)
				}
			}
			*p = all
			return nil
		},
		get: func() string {
			items := make([]string, len(*p))
			for i, item := range *p {
				items[i] = maybeQuoted(item, separators)
			}
			if separators == "," {
				return strings.Join(items, ", ")
			}
			return strings.Join(items, " ")
		},
	}
}

// split cuts a value at separators outside double quotes and unquotes the pieces. Empty pieces are dropped,
// quoted empty ones kept.
func split(v, separators string) ([]string, error) {
	var items []string
	for v != "" {
		if v = strings.TrimLeft(v, " \t,"); v == "" {
			break
		}
		end := len(v)
		if v[0] == '"' {
			n, err := quoteEnd(v)
			if err != nil {
				return nil, err
			}
			end = n
			next := strings.TrimLeft(v[end:], " \t")
			if next != "" && next[0] != ',' && (separators == "," || len(next) == len(v)-end) {
				return nil, bad("put a comma after it", "text follows the quote in %s", v)
			}
		} else if i := strings.IndexAny(v, separators); i >= 0 {
			end = i
		}
		item, err := unquote(strings.TrimSpace(v[:end]))
		if err != nil {
			return nil, err
		}
		items = append(items, item)
		v = v[end:]
	}
	return items, nil
}

// quoteEnd returns the length of the quoted string that v starts with.
func quoteEnd(v string) (int, error) {
	for i := 1; i < len(v); i++ {
		switch v[i] {
		case '\\':
			i++
		case '"':
			return i + 1, nil
		}
	}
	return 0, bad(`end it with "`, "the quote in %s is never closed", v)
}

func unquote(v string) (string, error) {
	switch {
	case v == "":
		return "", nil
	case v[0] == '\'' || v[0] == '`':
		return "", bad(`use double quotes, or none`, "%s starts with %c, which does not quote", v, v[0])
	case v[0] != '"':
		return v, nil
	}
	end, err := quoteEnd(v)
	if err != nil {
		return "", err
	}
	if end != len(v) {
		return "", bad("quote all of it or nothing", "text follows the quote in %s", v)
	}
	var b strings.Builder
	for i := 1; i < end-1; i++ {
		if v[i] == '\\' {
			i++
			if v[i] != '"' && v[i] != '\\' {
				return "", bad(`write \\ for a backslash`, `\%c means nothing in %s`, v[i], v)
			}
		}
		b.WriteByte(v[i])
	}
	return b.String(), nil
}

func quoted(v string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v) + `"`
}

// maybeQuoted quotes v where an unquoted v would read as something else. Only a list item (separators not
// empty) has to be quoted when it is empty.
func maybeQuoted(v, separators string) string {
	switch {
	case v == "":
		if separators != "" {
			return `""`
		}
		return ""
	case strings.ContainsAny(v[:1], "\"'`#;"),
		strings.TrimSpace(v) != v,
		separators != "" && strings.ContainsAny(v, separators),
		strings.ContainsAny(v, "\""),
		hasComment(v):
		return quoted(v)
	}
	return v
}

func hasComment(v string) bool {
	for i := 1; i < len(v); i++ {
		if (v[i] == '#' || v[i] == ';') && isSpace(v[i-1]) {
			return true
		}
	}
	return false
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' }
