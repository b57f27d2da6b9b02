package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"maildir-imapd/contrib/interop/peer"
)

// idleSizes are the steps of the memory rows.
var idleSizes []int

// connections that a server must bear at once.
func connections() int {
	return slices.Max(slices.Concat(idleSizes, readerSizes, []int{*watchers, 100})) + 200
}

// start starts who is to be measured. stock is Dovecot as shipped, for the logins.
func start(dir string) (cs []*contender, stock *contender, err error) {
	if err := raiseLimit(connections()); err != nil {
		return nil, nil, err
	}
	users := map[string]string{}
	for i := range 1000 {
		users[fmt.Sprintf("u%d", i)] = password
	}
	for run := range *runs {
		for box := range boxesPerRun {
			users[userOf(run, box)] = password
		}
	}
	add := func(label, sub string, o peer.Options, f func(peer.Options) (*peer.Server, error)) (*contender, error) {
		o.Dir, o.Users, o.Limit = filepath.Join(dir, sub), users, min(connections(), dovecotIdle+200)
		s, err := f(o)
		if err != nil {
			return nil, err
		}
		return &contender{label: label, srv: s}, nil
	}
	if *against != "dovecot" {
		c, err := add("maildir-imapd", "ours", peer.Options{Extra: daemonLimits()}, peer.StartDaemon)
		if err != nil {
			return cs, nil, err
		}
		cs = append(cs, c)
	}
	if *against != "ours" {
		c, err := add("Dovecot, best settings", "best", peer.Options{Best: true}, startDovecot)
		if err != nil {
			return cs, nil, err
		}
		cs = append(cs, c)
		if *loginFor > 0 && wanted(loginRow) {
			stock, err = add("Dovecot, default", "stock", peer.Options{}, startDovecot)
			if err != nil {
				return cs, nil, err
			}
		}
	}
	return cs, stock, nil
}

// daemonLimits lets one address open as many connections as the memory row does.
func daemonLimits() string {
	n := connections()
	return fmt.Sprintf("max_connections = %d\nper_user = %d\nper_ip = %d\n", n, n, n)
}

// raiseLimit lets the bench and its children open so many connections.
func raiseLimit(n int) error {
	want := uint64(n + 1000)
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return err
	}
	l.Cur, l.Max = max(l.Max, want), max(l.Max, want)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return fmt.Errorf("%d open files: %w", want, err)
	}
	return nil
}

// startDovecot gives it what Debian's package gives it, too: TLS, here with a key like the one that our daemon
// makes for itself.
func startDovecot(o peer.Options) (*peer.Server, error) {
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return nil, err
	}
	cert, key := filepath.Join(o.Dir, "cert.pem"), filepath.Join(o.Dir, "key.pem")
	if err := certificate(cert, key); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	o.Extra += fmt.Sprintf("ssl = yes\nssl_cert = <%s\nssl_key = <%s\nservice imap-login {\n  inet_listener imaps {\n    port = %d\n    ssl = yes\n  }\n}\n", cert, key, port)
	s, err := peer.StartDovecot(o)
	if err == nil {
		s.TLSAddr = fmt.Sprintf("127.0.0.1:%d", port)
	}
	return s, err
}

func certificate(cert, key string) error {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	now := time.Now()
	t := &x509.Certificate{
		SerialNumber: big.NewInt(now.Unix()), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &k.PublicKey, k)
	if err != nil {
		return err
	}
	private, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644),
		os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private}), 0o600))
}
