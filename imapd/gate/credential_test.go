package gate

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCredentials: a pair from systemd's directory is served; without the directory the error says what to do, and a
// look at the configuration says what it has not looked at.
func TestCredentials(t *testing.T) {
	dir := t.TempDir()
	from, until := validNow()
	certificate, key := pair(t, dir, "mail.example.org", from, until)
	c := testConfig(t)
	c.TLS.Certificate, c.TLS.Key = certificate, "credential:tls.key"

	t.Setenv("CREDENTIALS_DIRECTORY", "")
	if _, err := LoadCertificates(c, "x", slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "LoadCredential=tls.key:/FILE") {
		t.Errorf("without credentials: %v", err)
	}
	if err := CheckCertificates(c); err != nil {
		t.Errorf("check without credentials: %v", err)
	}
	if got := strings.Join(Unchecked(c), "\n"); got != "[tls] key = credential:tls.key" {
		t.Errorf("unchecked: %q", got)
	}

	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	if err := CheckCertificates(c); err == nil || !strings.Contains(err.Error(), "LoadCredential=tls.key:/FILE") {
		t.Errorf("with others only: %v", err)
	}
	if err := os.Rename(key, filepath.Join(dir, "tls.key")); err != nil {
		t.Fatal(err)
	}
	if err := CheckCertificates(c); err != nil || len(Unchecked(c)) != 0 {
		t.Errorf("with credentials: %v, %v", err, Unchecked(c))
	}
	s, err := LoadCertificates(c, "x", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if got := subject(s.set.Load().byName[""].Leaf); got != "mail.example.org" {
		t.Errorf("served: %s", got)
	}
}

func TestHiddenByTheUnit(t *testing.T) {
	for path, want := range map[string]bool{"/var/lib/dehydrated/nothing.pem": true, "/nothing.pem": false} {
		if _, err := readPEM(path); err == nil || strings.Contains(err.Error(), "the unit hides it") != want {
			t.Errorf("%s: %v", path, err)
		}
	}
}
