package config

import (
	"strconv"
	"strings"
	"unicode"
)

// limit is a size or a number that may be missing, and "unlimited".
func limit(name string, p *Limit, isSize bool) key {
	return scalar(name, func(v string) error {
		n, err := parseLimit(v, isSize)
		if err == nil {
			*p = n
		}
		return err
	}, func() string {
		switch {
		case !p.Set:
			return ""
		case p.N == 0:
			return "unlimited"
		case isSize:
			return formatSize(p.N)
		}
		return strconv.FormatInt(p.N, 10)
	})
}

// budget is a size of least at least; otherwise is the one where it is missing.
func budget(name string, p *Limit, otherwise, least int64) key {
	return scalar(name, func(v string) error {
		if v == "" {
			*p = Limit{N: otherwise}
			return nil
		}
		n := int64(0)
		err := size(name, &n, least, 1<<62).set([]string{v})
		if err == nil {
			*p = Limit{Set: true, N: n}
		}
		return err
	}, func() string {
		if !p.Set {
			return ""
		}
		return formatSize(p.N)
	})
}

func parseLimit(v string, isSize bool) (Limit, error) {
	switch {
	case v == "":
		return Limit{}, nil
	case v == "0", strings.EqualFold(v, "unlimited"):
		return Limit{Set: true}, nil
	case isSize:
		n, err := parseSize(v)
		if err == nil && n < 1<<10 {
			err = bad("write 1K or more, or unlimited", "%s is too small for any mail", formatSize(n))
		}
		return Limit{true, n}, err
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < 0 {
		return Limit{}, bad("write a number such as 100000, or unlimited", "%q is not a number of messages", v)
	}
	return Limit{true, n}, nil
}

// oneLine is text that clients are sent within a response (RFC 9051 §9, TEXT-CHAR).
func oneLine(v string) (string, error) {
	if strings.IndexFunc(v, func(r rune) bool { return r > unicode.MaxASCII || unicode.IsControl(r) }) >= 0 {
		return "", bad("write it in ASCII, on one line", "older clients can be sent nothing else")
	}
	return v, nil
}
