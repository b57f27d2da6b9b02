package main

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
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// cmdCertificate is "certificate NAME FILE": a new certificate and its key in one file.
func cmdCertificate(ts *testscript.TestScript, _ bool, args []string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), DNSNames: args[:1],
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	ts.Check(err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	ts.Check(err)
	var b bytes.Buffer
	ts.Check(pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: der}))
	ts.Check(pem.Encode(&b, &pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), b.Bytes(), 0o600))
}

// cmdServed is "served ADDR ASKED NAME": a client that asks for ASKED is shown the certificate of NAME.
func cmdServed(ts *testscript.TestScript, _ bool, args []string) {
	c, err := tls.Dial("tcp", of(ts).text(args[0]), &tls.Config{InsecureSkipVerify: true, ServerName: args[1]})
	ts.Check(err)
	defer c.Close()
	if got := c.ConnectionState().PeerCertificates[0].DNSNames[0]; got != args[2] {
		ts.Fatalf("asked for %q and was shown %s, not %s", args[1], got, args[2])
	}
}
