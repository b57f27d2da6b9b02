package config

import (
	"errors"
	"testing"
)

func TestExpand(t *testing.T) {
	home := func() (string, error) { return "/home/ann", nil }
	none := func() (string, error) { return "", errors.New("no such account") }
	for _, tt := range []struct {
		template, user string
		home           func() (string, error)
		want           string
		err            error
	}{
		{"/srv/mail/%u", "ann", none, "/srv/mail/ann", nil},
		{"/srv/%d/%n/Maildir", "ann@example.org", none, "/srv/example.org/ann/Maildir", nil},
		{"/srv/%d/%n", "a@b@example.org", none, "/srv/example.org/a@b", nil},
		{"~/Maildir", "ann", home, "/home/ann/Maildir", nil},
		{"~", "ann", home, "/home/ann", nil},
		{"%h/.maildir", "ann", home, "/home/ann/.maildir", nil},
		{"/srv/100%%/%u", "ann", none, "/srv/100%/ann", nil},
		{"/srv/~/%u", "ann", none, "/srv/~/ann", nil},
		{"~/Maildir", "ann", none, "", ErrNoHome},
		{"~/Maildir", "ann", func() (string, error) { return "", nil }, "", ErrNoHome},
		{"~/Maildir", "ann", func() (string, error) { return "relative", nil }, "", ErrNoHome},
		{"/srv/%d/%n", "ann", none, "", ErrNoDomain},
		{"/srv/%u", "", none, "", ErrUserName},
		{"/srv/%u", "..", none, "", ErrUserName},
		{"/srv/%u", ".ann", none, "", ErrUserName},
		{"/srv/%u", "a/../../b", none, "", ErrUserName},
		{"/srv/%u", "ann\x00", none, "", ErrUserName},
		{"/srv/%u", "ann\n", none, "", ErrUserName},
		{"/srv/%d/%n", "ann@..", none, "", ErrUserName},
		{"/srv/%d/%n", "@example.org", none, "", ErrUserName},
		{"/srv/%d/%n", "ann@", none, "", ErrUserName},
		{"/srv/%n", "..@example.org", none, "", ErrUserName},
	} {
		got, err := Expand(tt.template, tt.user, tt.home)
		if got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("Expand(%q, %q) = %q, %v; want %q, %v", tt.template, tt.user, got, err, tt.want, tt.err)
		}
	}
}
