package main

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"maildir-imapd/imapd/config"
)

// renewTime is how long before its end a certificate should have been renewed.
const renewTime = 14 * 24 * time.Hour

// certificate is what a report says of one.
type certificate struct {
	Names   []string  `json:"names"`
	Issuer  string    `json:"issuer"`
	From    time.Time `json:"from"`
	Until   time.Time `json:"until"`
	Trusted bool      `json:"trusted"` // by those whom this machine, or -ca, trusts
	Own     bool      `json:"own"`     // it is the one that the configuration of this host names
	Chain   int       `json:"chain"`   // how many were sent
}

// judge describes a certificate and tells what is wrong with it. It is trusted where mail programs would take it without a
// question, and where it is this host's own: nobody else has its key.
func (p *prober) judge(t target, chain []*x509.Certificate, r *probed) bool {
	if len(chain) == 0 {
		return r.wrong("the server shows no certificate")
	}
	leaf := chain[0]
	c := &certificate{Names: certNames(leaf), Issuer: issuerName(leaf), From: leaf.NotBefore, Until: leaf.NotAfter, Chain: len(chain)}
	r.Certificate = c
	var own []*x509.Certificate
	if t.own {
		own = p.own()
	}
	c.Own = slices.ContainsFunc(own, leaf.Equal)
	var wrong []string
	now := time.Now()
	switch {
	case now.After(leaf.NotAfter):
		wrong = append(wrong, fmt.Sprintf("the certificate expired %s ago, on %s: renew it", days(now.Sub(leaf.NotAfter)), leaf.NotAfter.Format(time.DateOnly)))
	case now.Before(leaf.NotBefore):
		wrong = append(wrong, fmt.Sprintf("the certificate does not count before %s: is a clock wrong?", leaf.NotBefore.Format(time.DateOnly)))
	}
	named := leaf.VerifyHostname(t.name) == nil
	switch {
	case named || t.guess && c.Own:
	case t.guess: // anybody can have one for a name of their own
		r.note("the certificate is for %s, and nobody has said that this server is called so: [server] hostname", cmp.Or(strings.Join(c.Names, ", "), "no name"))
	default:
		wrong = append(wrong, fmt.Sprintf("the certificate is for %s, not for %s: mail programs that are told %[2]s warn", cmp.Or(strings.Join(c.Names, ", "), "no name"), t.name))
	}
	if why := p.distrust(chain); why != "" {
		wrong = append(wrong, why)
	}
	c.Trusted = len(wrong) == 0 && (named || c.Own)
	if len(wrong) == 0 && leaf.NotAfter.Sub(now) < renewTime {
		wrong = append(wrong, fmt.Sprintf("the certificate ends in %s, on %s: renew it", days(leaf.NotAfter.Sub(now)), leaf.NotAfter.Format(time.DateOnly)))
	}
	if !c.Own && len(own) > 0 {
		wrong = append(wrong, "the certificate is not the one that the configuration names: the daemon has not taken that over, see its log; or another server listens here")
	}
	for _, w := range wrong {
		if p.trust {
			r.note("%s (taken, because of -k)", w)
		} else {
			r.wrong("%s", w)
		}
	}
	return c.Trusted || c.Own
}

// distrust says why a chain does not lead to somebody who is trusted, whatever its times and names.
func (p *prober) distrust(chain []*x509.Certificate) string {
	leaf := chain[0]
	o := x509.VerifyOptions{Roots: p.roots, Intermediates: x509.NewCertPool(), CurrentTime: leaf.NotBefore.Add(leaf.NotAfter.Sub(leaf.NotBefore) / 2)}
	if now := time.Now(); now.After(leaf.NotBefore) && now.Before(leaf.NotAfter) {
		o.CurrentTime = now
	}
	for _, c := range chain[1:] {
		o.Intermediates.AddCert(c)
	}
	_, err := leaf.Verify(o)
	var unknown x509.UnknownAuthorityError
	switch {
	case err == nil:
		return ""
	case bytes.Equal(leaf.RawIssuer, leaf.RawSubject):
		return "the certificate is signed by itself: mail programs ask whether to trust it"
	case errors.As(err, &unknown) && len(chain) == 1:
		return fmt.Sprintf("the certificate is by %s, whom this machine does not trust, and is sent alone: if it is one that everybody trusts, put the whole chain into the file (fullchain.pem)", issuerName(leaf))
	case errors.As(err, &unknown):
		return fmt.Sprintf("the certificate is by %s, whom this machine does not trust (-ca FILE trusts another)", issuerName(leaf))
	}
	return "the certificate is not good: " + strings.TrimPrefix(err.Error(), "x509: ")
}

// certNames is for whom a certificate is.
func certNames(c *x509.Certificate) []string {
	names := slices.Clone(c.DNSNames)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 && c.Subject.CommonName != "" {
		names = append(names, c.Subject.CommonName)
	}
	return names
}

func issuerName(c *x509.Certificate) string {
	if bytes.Equal(c.RawIssuer, c.RawSubject) {
		return "itself"
	}
	name := cmp.Or(c.Issuer.CommonName, c.Issuer.String())
	if len(c.Issuer.Organization) > 0 && c.Issuer.CommonName != "" {
		name += " (" + c.Issuer.Organization[0] + ")"
	}
	return name
}

// days is a time as people count what is left of a certificate.
func days(d time.Duration) string {
	if n := int(d / (24 * time.Hour)); n > 0 {
		return count(n, "day")
	}
	return "less than a day"
}

func readRoots(file string) (*x509.CertPool, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("-ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b) {
		return nil, fmt.Errorf("-ca %s: has no certificate in PEM form", file)
	}
	return pool, nil
}

// ownCertificates are those that the configuration names, or the self-signed one. What cannot be read is left out.
func ownCertificates(c *config.Config) (all []*x509.Certificate) {
	files := []string{c.TLS.Certificate}
	if c.TLS.Certificate == "" {
		files[0] = filepath.Join(c.Server.State, "self-signed.pem")
	}
	for _, h := range c.Hosts {
		files = append(files, h.Certificate)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
			if block.Type != "CERTIFICATE" {
				continue
			}
			if leaf, err := x509.ParseCertificate(block.Bytes); err == nil {
				all = append(all, leaf)
			}
			break
		}
	}
	return all
}
