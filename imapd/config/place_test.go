package config

import "testing"

func TestSharePlace(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"127.0.0.1:143", "127.0.0.1:143", true},
		{"127.0.0.1:143", "127.0.0.1:993", false},
		{"127.0.0.1:143", "127.0.0.2:143", false},
		{"127.0.0.1:143", ":143", true},
		{"127.0.0.1:143", "0.0.0.0:143", true},
		{"[::1]:143", "[::]:143", true},
		{"[::1]:143", "127.0.0.1:143", false},
		{"[::1]:143", "[0:0:0:0:0:0:0:1]:143", true},
		{"localhost:143", "127.0.0.1:143", true},
		{"localhost:143", ":143", true},
		{"127.0.0.1:0", "127.0.0.1:0", false},
		{"127.0.0.1:143", "mail.example.org:143", false},
		{"/run/imap", "/run/imap", true},
		{"/run/imap", "/run/./imap", true},
		{"/run/imap", "/run/metrics", false},
		{"/run/imap", "127.0.0.1:143", false},
	} {
		if got := sharePlace(tt.a, tt.b); got != tt.want {
			t.Errorf("%s and %s: %v", tt.a, tt.b, got)
		}
		if got := sharePlace(tt.b, tt.a); got != tt.want {
			t.Errorf("%s and %s: %v", tt.b, tt.a, got)
		}
	}
}
