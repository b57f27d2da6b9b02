package gate

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// A self-signed certificate lives as long as Apple's clients accept (825 days), and is renewed a month before.
const (
	selfSignedLife  = 825 * 24 * time.Hour
	selfSignedRenew = 30 * 24 * time.Hour
	selfSignedFile  = "self-signed.pem"
)

// selfSigned returns the kept certificate, or a new one where that is absent, about to expire, or for another
// host. Where it cannot be kept it is still used, and the next start makes another one.
func (s *Certificates) selfSigned(state, hostname string) (*tls.Certificate, error) {
	file := filepath.Join(state, selfSignedFile)
	kept, err := loadPair(file, "")
	if err != nil && s.unkept != nil {
		kept, err = s.unkept, nil
	}
	why := ""
	switch {
	case errors.Is(err, fs.ErrNotExist):
		why = "there was none"
	case err != nil:
		why = "the kept one is damaged: " + err.Error()
	case s.now().Add(selfSignedRenew).After(kept.Leaf.NotAfter):
		why = "the kept one expires on " + day(kept.Leaf.NotAfter)
	case kept.Leaf.VerifyHostname(certName(hostname)) != nil:
		why = "the host is now called " + hostname
	default:
		return kept, nil
	}
	// Clients that have pinned the public key go on trusting it.
	var key *ecdsa.PrivateKey
	if err == nil {
		key, _ = kept.PrivateKey.(*ecdsa.PrivateKey)
	}
	cert, data, err := makeSelfSigned(key, hostname, s.now())
	if err != nil {
		return nil, fmt.Errorf("self-signed certificate: %w", err)
	}
	s.log.Warn("made a self-signed certificate; clients will ask whether to trust it", "why", why, "name", hostname,
		"sha256", fingerprint(cert.Leaf), "until", day(cert.Leaf.NotAfter), "file", file)
	s.unkept = nil
	if err := keep(file, data); err != nil {
		s.unkept = cert
		s.log.Warn("cannot keep the self-signed certificate; the next start makes another one", "err", err,
			"do", "make [server] state a directory that the daemon's user can write")
	}
	return cert, nil
}

// certName guards against a machine without a name.
func certName(hostname string) string {
	if hostname == "" {
		return "localhost"
	}
	return hostname
}

func makeSelfSigned(key *ecdsa.PrivateKey, hostname string, now time.Time) (*tls.Certificate, []byte, error) {
	var err error
	if key == nil {
		if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			return nil, nil, err
		}
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, nil, err
	}
	name := certName(hostname)
	template := &x509.Certificate{
		SerialNumber:          serial.Add(serial, big.NewInt(1)), // RFC 5280 §4.1.2.2: positive
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.Add(selfSignedLife - time.Hour),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	if ip := net.ParseIP(name); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{name}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), crypto.Signer(key))
	if err != nil {
		return nil, nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	var b bytes.Buffer
	_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: der}) // a Buffer does not fail
	_ = pem.Encode(&b, &pem.Block{Type: "PRIVATE KEY", Bytes: secret})
	cert, err := tls.X509KeyPair(b.Bytes(), b.Bytes())
	if err != nil {
		return nil, nil, err
	}
	cert.Leaf, err = x509.ParseCertificate(der)
	return &cert, b.Bytes(), err
}

// keep writes the file whole or not at all, readable by the daemon's user only.
func keep(file string, data []byte) error {
	dir := filepath.Dir(file)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".self-signed-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if _, err = f.Write(data); err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	return err
}
