package gate

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"maildir-imapd/imapd/config"
)

// pair writes a certificate for name and its key, and returns their paths.
func pair(t *testing.T, dir, name string, from, until time.Time) (certificate, key string) {
	t.Helper()
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotBefore: from, NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, template, template, secret.Public(), secret)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	certificate, key = filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key")
	for file, block := range map[string]*pem.Block{
		certificate: {Type: "CERTIFICATE", Bytes: der},
		key:         {Type: "PRIVATE KEY", Bytes: pkcs8},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certificate, key
}

func validNow() (from, until time.Time) {
	return time.Now().Add(-time.Hour), time.Now().Add(90 * 24 * time.Hour)
}

func served(t *testing.T, g *Gate, name string) string {
	t.Helper()
	c, _ := dialTLS(t, g.addr(t, "imaps"), &tls.Config{ServerName: name})
	return subject(c.ConnectionState().PeerCertificates[0])
}

// TestUnreadableKeySaysWhatToDo: the key that certbot has made is root's.
func TestUnreadableKeySaysWhatToDo(t *testing.T) {
	if got := rights(&os.PathError{Op: "open", Path: "/key", Err: os.ErrPermission}); !strings.Contains(got, "setfacl") {
		t.Errorf("%q", got)
	}
	_, err := loadPair("/nonexistent", "")
	if err == nil || strings.Contains(err.Error(), "setfacl") {
		t.Errorf("%v", err)
	}
}

func TestServerNames(t *testing.T) {
	dir := t.TempDir()
	from, until := validNow()
	c := testConfig(t)
	c.TLS.Certificate, c.TLS.Key = pair(t, dir, "default.example", from, until)
	for _, name := range []string{"mail.example.net", "*.example.com"} {
		cert, key := pair(t, dir, name, from, until)
		c.Hosts = append(c.Hosts, config.Host{Name: name, Certificate: cert, Key: key})
	}
	g, _ := start(t, c, Options{})
	for ask, want := range map[string]string{
		"mail.example.net": "mail.example.net", "MAIL.example.net": "mail.example.net",
		"imap.example.com": "*.example.com", "a.b.example.com": "default.example",
		"": "default.example", "other.example": "default.example",
	} {
		if got := served(t, g, ask); got != want {
			t.Errorf("%q got %s, want %s", ask, got, want)
		}
	}
}

func TestReloadCertificates(t *testing.T) {
	dir := t.TempDir()
	from, until := validNow()
	c := testConfig(t)
	c.TLS.Certificate, c.TLS.Key = pair(t, dir, "mail.example.org", from, until)
	log := &logBuffer{}
	certs, err := LoadCertificates(c, "mail.example.org", log.logger())
	if err != nil {
		t.Fatal(err)
	}
	g, _ := start(t, c, Options{Certificates: certs})
	old, _ := dialTLS(t, g.addr(t, "imaps"), &tls.Config{})
	first := fingerprint(old.ConnectionState().PeerCertificates[0])
	if said, err := certs.Reload(c, "mail.example.org"); err != nil || len(said) != 0 {
		t.Errorf("same files: %q %v", said, err)
	}

	secret, err := os.ReadFile(c.TLS.Key)
	if err != nil {
		t.Fatal(err)
	}
	refused := func(what, want string) {
		t.Helper()
		if _, err := certs.Reload(c, "mail.example.org"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", what, err)
		}
		n, _ := dialTLS(t, g.addr(t, "imaps"), &tls.Config{})
		if fingerprint(n.ConnectionState().PeerCertificates[0]) != first {
			t.Errorf("%s replaced the good one", what)
		}
	}
	_ = os.WriteFile(c.TLS.Key, secret[:40], 0o600)
	refused("a half-written key", c.TLS.Key)
	pair(t, dir, "mail.example.org", from, until)
	_ = os.WriteFile(c.TLS.Key, secret, 0o600)
	refused("the key of another certificate", "private key does not match")
	pair(t, dir, "mail.example.org", from.Add(-9*time.Hour), from)
	refused("an expired one", "not now")

	pair(t, dir, "mail.example.org", from, until)
	said, err := certs.Reload(c, "mail.example.org")
	if err != nil || len(said) != 1 || !strings.HasPrefix(said[0], "certificate of mail.example.org: sha256 ") {
		t.Errorf("renewed: %q %v", said, err)
	}
	n, _ := dialTLS(t, g.addr(t, "imaps"), &tls.Config{})
	if fingerprint(n.ConnectionState().PeerCertificates[0]) == first {
		t.Error("the new certificate is not served")
	}
	if _, err := old.Write([]byte("x")); err != nil {
		t.Errorf("the reload dropped a connection: %v", err)
	}
}

func TestMinVersion(t *testing.T) {
	c := testConfig(t)
	g, _ := start(t, c, Options{})
	if _, err := tls.Dial("tcp", g.addr(t, "imaps"), &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("TLS 1.1 was accepted")
	}
	if _, got := dialTLS(t, g.addr(t, "imaps"), &tls.Config{MaxVersion: tls.VersionTLS12}); !strings.HasSuffix(got, "TLS 1.2") {
		t.Error(got)
	}
	if _, err := tls.Dial("tcp", g.addr(t, "imaps"), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}}); err == nil {
		t.Error("a browser was let in")
	}
	c.TLS.MinVersion = config.TLS13
	if _, err := g.options.Certificates.Reload(c, "mail.example.org"); err != nil {
		t.Fatal(err)
	}
	if _, err := tls.Dial("tcp", g.addr(t, "imaps"), &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12}); err == nil {
		t.Error("TLS 1.2 was accepted with min_version = 1.3")
	}
}

func TestSelfSigned(t *testing.T) {
	c := testConfig(t)
	c.Server.State = filepath.Join(c.Server.State, "made") // does not exist yet
	file := filepath.Join(c.Server.State, selfSignedFile)
	log := &logBuffer{}
	load := func() *Certificates {
		t.Helper()
		s, err := LoadCertificates(c, "mail.example.org", log.logger())
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	leaf := func(s *Certificates) *x509.Certificate { return s.set.Load().byName[""].Leaf }
	s := load()
	if err := leaf(s).VerifyHostname("mail.example.org"); err != nil {
		t.Error(err)
	}
	if l := log.String(); !strings.Contains(l, "level=WARN") || !strings.Contains(l, "sha256="+fingerprint(leaf(s))) {
		t.Errorf("no fingerprint in the log: %s", l)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key file: %v %v", info, err)
	}
	if again := load(); !leaf(again).Equal(leaf(s)) {
		t.Error("a restart made another certificate")
	}

	s.now = func() time.Time { return leaf(s).NotAfter.Add(-29 * 24 * time.Hour) }
	before := leaf(s)
	if said, err := s.Reload(c, "mail.example.org"); err != nil || len(said) != 1 {
		t.Errorf("renewal: %q %v", said, err)
	}
	if leaf(s).Equal(before) || !bytes.Equal(leaf(s).RawSubjectPublicKeyInfo, before.RawSubjectPublicKeyInfo) {
		t.Error("not renewed with the same key")
	}
	if _, err := s.Reload(c, "new.example.org"); err != nil || leaf(s).VerifyHostname("new.example.org") != nil {
		t.Errorf("not made for the new name: %v", err)
	}

	if err := os.WriteFile(file, []byte("-----BEGIN"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s = load(); leaf(s) == nil || !strings.Contains(log.String(), "the kept one is damaged") {
		t.Error("a damaged file was not replaced")
	}

	c.Server.State = "/dev/null/state"
	s = load()
	before = leaf(s)
	if !strings.Contains(log.String(), "cannot keep the self-signed certificate") {
		t.Error("nothing said of a state directory that cannot be written")
	}
	if _, err := s.Reload(c, "mail.example.org"); err != nil || !leaf(s).Equal(before) {
		t.Errorf("each reload makes another certificate: %v", err)
	}
}

func TestNoTLSNeedsNoCertificate(t *testing.T) {
	c := testConfig(t)
	c.Listeners = c.Listeners[:1]
	c.Listeners[0].TLS = config.NoTLS
	g, _ := start(t, c, Options{})
	if g.options.Certificates.Config() != nil {
		t.Error("there is a TLS configuration")
	}
	if _, got := dial(t, g.addr(t, "imap")); got != "* OK imap none" {
		t.Error(got)
	}
	if _, err := os.Stat(filepath.Join(c.Server.State, selfSignedFile)); err == nil {
		t.Error("a certificate was made for nobody")
	}
}
