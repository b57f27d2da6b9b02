package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"maildir-imapd/imapd/config"
)

// TestProbeOldTLS: a password is not sent over a version of TLS that is called broken, whatever the certificate.
func TestProbeOldTLS(t *testing.T) {
	a := newAuthority(t)
	now := time.Now()
	key, leaf := a.sign(&x509.Certificate{SerialNumber: big.NewInt(7), DNSNames: []string{"mail.example.org"}, NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(0, 3, 0)}, nil)
	for _, version := range []uint16{tls.VersionTLS11, tls.VersionTLS12} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		f := fake{
			answers: map[string]string{"": "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hello\r\n", "CAPABILITY": "* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\nTAG OK done\r\n"},
			tls:     &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.Raw}, PrivateKey: key}}, MinVersion: tls.VersionTLS10, MaxVersion: version},
		}
		go func() {
			if c, err := l.Accept(); err == nil {
				f.serve(c)
			}
		}()
		p := prober{timeout: 5 * time.Second, user: "ann", password: "secret", roots: x509.NewCertPool()}
		p.roots.AddCert(leaf)
		r := p.probe(context.Background(), target{network: "tcp", addr: l.Addr().String(), name: "mail.example.org", tls: config.Implicit})
		l.Close()
		kept := slices.ContainsFunc(r.Wrong, func(w string) bool { return strings.Contains(w, "password was not used, because the version of TLS") })
		if kept != (version == tls.VersionTLS11) || kept != (r.LoggedInBy == "") {
			t.Errorf("%s: logged in by %q: %q", tls.VersionName(version), r.LoggedInBy, r.Wrong)
		}
	}
}
