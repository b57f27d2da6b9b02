package config

import (
	"bytes"
	"strings"
	"testing"
)

func TestCredentialsInPlaceOfPaths(t *testing.T) {
	c, _, err := Parse([]byte("[tls]\ncertificate = chain.pem\nkey = credential:tls.key\n[tls \"a.example\"]\ncertificate = credential:a\n"), "x.ini", "/etc/x")
	if err != nil {
		t.Fatal(err)
	}
	if c.TLS.Certificate != "/etc/x/chain.pem" || c.TLS.Key != "credential:tls.key" || c.Hosts[0].Certificate != "credential:a" {
		t.Errorf("%+v %+v", c.TLS, c.Hosts)
	}
	var printed bytes.Buffer
	if err := c.Print(&printed); err != nil || !strings.Contains(printed.String(), "\nkey = credential:tls.key\n") {
		t.Errorf("%v in\n%s", err, printed.String())
	}
}

func TestBadCredentials(t *testing.T) {
	for line, want := range map[string]string{
		"[tls]\ncertificate = credential:\n":       `"credential:" names no credential`,
		"[tls]\ncertificate = credential:a/b\n":    `"credential:a/b" names no credential`,
		"[tls]\ncertificate = credential:..\n":     `"credential:.." names no credential`,
		"[auth]\nfile = credential:passwd\n":       "only certificates and keys",
		"[server]\nmotd = credential:motd\n":       "only certificates and keys",
		"[mail]\nfollow = /a, credential:passwd\n": "only certificates and keys",
	} {
		if _, _, err := Parse([]byte(line), "x.ini", "/"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", line, err)
		}
	}
}
