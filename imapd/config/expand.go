package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

// The reasons why a user has no path. The texts are for the log.
var (
	ErrUserName = errors.New("the user name cannot be part of a path")
	ErrNoDomain = errors.New("the user name has no domain for %d")
	ErrNoHome   = errors.New("the user has no home directory for ~ or %h")
)

// CheckUser refuses user names that could lead out of the tree: with '/', NUL or another control character,
// starting with a dot in the name or its parts, or empty.
func CheckUser(user string) error {
	local, domain, at := splitUser(user)
	switch {
	case user == "", local == "", at && domain == "", strings.HasPrefix(user, "."), strings.HasPrefix(domain, "."), len(user) > 255:
		return ErrUserName
	}
	for _, r := range user {
		if r == '/' || r < ' ' || r == 0x7f {
			return ErrUserName
		}
	}
	return nil
}

func splitUser(user string) (local, domain string, at bool) {
	if i := strings.LastIndexByte(user, '@'); i >= 0 {
		return user[:i], user[i+1:], true
	}
	return user, "", false
}

// Expand makes a path of a template: %u the login name, %n its part before the last '@', %d the part after
// it, %h and a leading ~ the home directory, %% a percent sign. home is asked only when it is needed. The
// result is absolute and clean.
func Expand(template, user string, home func() (string, error)) (string, error) {
	if err := CheckUser(user); err != nil {
		return "", fmt.Errorf("%q: %w", user, err)
	}
	local, domain, _ := splitUser(user)
	rest := template
	if rest == "~" || strings.HasPrefix(rest, "~/") {
		rest = "%h" + rest[1:]
	}
	var b strings.Builder
	for i := 0; i < len(rest); i++ {
		if rest[i] != '%' || i+1 == len(rest) {
			b.WriteByte(rest[i])
			continue
		}
		i++
		switch rest[i] {
		case 'u':
			b.WriteString(user)
		case 'n':
			b.WriteString(local)
		case 'd':
			if domain == "" {
				return "", fmt.Errorf("%q in %s: %w", user, template, ErrNoDomain)
			}
			b.WriteString(domain)
		case 'h':
			h, err := home()
			if err != nil {
				return "", fmt.Errorf("%q in %s: %w (%w)", user, template, ErrNoHome, err)
			}
			if !filepath.IsAbs(h) {
				return "", fmt.Errorf("%q in %s: %w (it is %q)", user, template, ErrNoHome, h)
			}
			b.WriteString(h)
		default:
			b.WriteByte(rest[i])
		}
	}
	return filepath.Clean(b.String()), nil
}
