package config

import (
	"fmt"
	"math"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// key binds one key of the file to one field.
type key struct {
	name string
	list bool                        // may be repeated: the lines add up
	set  func(values []string) error // raw values, in the order of the file; one only unless list
	get  func() string               // as written in a file
}

// problem is what is wrong with a value, and what to do about it.
type problem struct{ what, do string }

func (p *problem) Error() string { return p.what + "; " + p.do }

func bad(do, what string, a ...any) error { return &problem{what: fmt.Sprintf(what, a...), do: do} }

// checked turns a value into its canonical form or says what is wrong with it.
type checked func(string) (string, error)

func scalar(name string, set func(string) error, get func() string) key {
	return key{
		name: name,
		set: func(values []string) error {
			v, err := unquote(values[0])
			if err != nil {
				return err
			}
			return set(v)
		},
		get: func() string { return maybeQuoted(get(), "") },
	}
}

func text(name string, p *string, check checked) key {
	return scalar(name, func(v string) (err error) {
		if v, err = check(v); err == nil {
			*p = v
		}
		return err
	}, func() string { return *p })
}

func path(name string, p *string, dir string, check checked) key {
	return text(name, p, func(v string) (string, error) {
		v, err := check(v)
		if err != nil {
			return "", err
		}
		return absolute(dir, v), nil
	})
}

// absolute makes a path relative to the INI file's directory absolute; ~ and %h are so already, and a credential is none.
func absolute(dir, v string) string {
	if v == "" || filepath.IsAbs(v) || v == "~" || strings.HasPrefix(v, "~/") || strings.HasPrefix(v, "%h") {
		return v
	}
	if _, ok := CredentialName(v); ok {
		return v
	}
	return filepath.Join(dir, v)
}

func boolean(name string, p *bool) key {
	return scalar(name, func(v string) error {
		switch strings.ToLower(v) {
		case "yes", "true", "on", "1":
			*p = true
		case "no", "false", "off", "0":
			*p = false
		default:
			return bad("write yes or no", "%q is neither yes nor no", v)
		}
		return nil
	}, func() string {
		if *p {
			return "yes"
		}
		return "no"
	})
}

func enum[T ~string](name string, p *T, allowed ...T) key {
	return scalar(name, func(v string) error {
		var list []string
		for _, a := range allowed {
			if strings.EqualFold(v, string(a)) {
				*p = a
				return nil
			}
			if a != "" {
				list = append(list, string(a))
			}
		}
		if v == "" {
			return bad("write one of "+strings.Join(list, ", "), "the value is empty")
		}
		if near := nearest(strings.ToLower(v), list); near != "" {
			return bad("did you mean "+near+"?", "%q is not one of %s", v, strings.Join(list, ", "))
		}
		return bad("write one of them", "%q is not one of %s", v, strings.Join(list, ", "))
	}, func() string { return string(*p) })
}

func count(name string, p *int, least int) key {
	return scalar(name, func(v string) error {
		if least == 0 && strings.EqualFold(v, "unlimited") {
			v = "0"
		}
		n, err := strconv.Atoi(v)
		switch {
		case err != nil:
			return bad("write a number such as 100", "%q is not a whole number", v)
		case n < least || n > math.MaxInt32:
			return bad(fmt.Sprintf("write a number from %d to %d", least, math.MaxInt32), "%d is out of range", n)
		}
		*p = n
		return nil
	}, func() string { return strconv.Itoa(*p) })
}

func duration(name string, p *time.Duration) key {
	return scalar(name, func(v string) error {
		d, err := parseDuration(v)
		if err == nil {
			*p = d
		}
		return err
	}, func() string { return formatDuration(*p) })
}

// ParseDuration reads a length of time as the file has it: 30s, 5m, 2h, 1d.
func ParseDuration(v string) (time.Duration, error) { return parseDuration(v) }

func parseDuration(v string) (time.Duration, error) {
	const do = "write a number and a unit: 500ms, 30s, 5m, 2h or 1d"
	if days, ok := strings.CutSuffix(v, "d"); ok {
		n, err := strconv.ParseInt(days, 10, 64)
		if err != nil || n < 0 || n > 36500 {
			return 0, bad(do, "%q is not a length of time", v)
		}
		return time.Duration(n) * 24 * time.Hour, nil
	}
	d, err := time.ParseDuration(v)
	if err == nil && d >= 0 {
		return d, nil
	}
	if _, err := strconv.ParseUint(v, 10, 32); err == nil {
		return 0, bad("write "+v+"s for seconds", "%q has no unit", v)
	}
	return 0, bad(do, "%q is not a length of time", v)
}

func formatDuration(d time.Duration) string {
	for _, u := range []struct {
		unit time.Duration
		sign string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}, {time.Millisecond, "ms"}} {
		if d != 0 && d%u.unit == 0 {
			return strconv.FormatInt(int64(d/u.unit), 10) + u.sign
		}
	}
	return d.String()
}

func size(name string, p *int64, least, most int64) key {
	return scalar(name, func(v string) error {
		n, err := parseSize(v)
		if err == nil && n < least {
			err = bad("write at least "+formatSize(least), "%s is too small", formatSize(n))
		}
		if err == nil && n > most {
			err = bad("write at most "+formatSize(most), "%s would let one client take the memory", formatSize(n))
		}
		if err == nil {
			*p = n
		}
		return err
	}, func() string { return formatSize(*p) })
}

const sizeUnits = "KMGT"

func parseSize(v string) (int64, error) {
	number := strings.TrimSuffix(strings.TrimSuffix(strings.ToUpper(v), "B"), "I")
	shift := 0
	if number != "" {
		if i := strings.IndexByte(sizeUnits, number[len(number)-1]); i >= 0 {
			shift, number = 10*(i+1), number[:len(number)-1]
		}
	}
	n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64>>shift {
		return 0, bad("write a number of bytes, or one with K, M or G: 64K, 100M", "%q is not a size", v)
	}
	return n << shift, nil
}

// Size writes a size as the file would have it.
func Size(n int64) string { return formatSize(n) }

func formatSize(n int64) string {
	unit := ""
	for i := 0; i < len(sizeUnits) && n != 0 && n%1024 == 0; i++ {
		n, unit = n/1024, sizeUnits[i:i+1]
	}
	return strconv.FormatInt(n, 10) + unit
}
