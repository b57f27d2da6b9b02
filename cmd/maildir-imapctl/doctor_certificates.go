package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"maildir-imapd/imapd/config"
)

// soon is how long before its end a certificate should have been renewed: those of ACME are a month before.
const soon = 14 * 24 * time.Hour

// checkCertificates looks at what clients are shown, as strictly as they do.
func checkCertificates(x *exam) {
	if !slices.ContainsFunc(x.c.Listeners, func(l config.Listener) bool { return l.Enabled && l.TLS != config.NoTLS }) {
		return
	}
	name := x.c.Server.Hostname
	if name == "" {
		name, _ = x.hostname()
	}
	switch t := x.c.TLS; {
	case t.Certificate != "":
		x.certificate("[tls]", name, t.Certificate, t.Key)
	default: // no certificate and self_signed = no is no configuration
		x.note("[tls] certificate", "is not set: the daemon signs a certificate of its own, and mail programs ask people whether they trust it",
			fmt.Sprintf("# get one for the name that people give their mail programs, such as: certbot certonly --standalone -d %s", visible(name)),
			fmt.Sprintf("# and name its files in %s: [tls] certificate = and key =", visible(x.file)))
	}
	for _, h := range x.c.Hosts {
		x.certificate(fmt.Sprintf("[tls %q]", h.Name), h.Name, h.Certificate, h.Key)
	}
}

// certificate looks at one, with its key, which has to be good for a name.
func (x *exam) certificate(section, name, file, key string) {
	if key == "" {
		key = file
	}
	for _, path := range slices.Compact([]string{file, key}) {
		real, err := realPath(path)
		switch {
		case errors.Is(err, fs.ErrNotExist) && strings.HasPrefix(path, "/run/credentials/"):
			return // systemd puts it there while the daemon runs
		case errors.Is(err, fs.ErrNotExist):
			x.problem(path, section+" names this file, which is not there", fmt.Sprintf("# name another in %s, or make it", visible(x.file)))
			return
		case err != nil:
			x.unseen(err)
			return
		}
		x.readable(real, "is named by "+section)
		if path == key {
			x.secret(real, "the private key of "+section)
		}
	}
	pair, err := tls.LoadX509KeyPair(file, key)
	switch {
	case errors.Is(err, fs.ErrPermission):
		x.unseen(err)
		return
	case err != nil:
		x.problem(file, fmt.Sprintf("%s: certificate and key cannot be used together: %v", section, err),
			fmt.Sprintf("openssl x509 -noout -pubkey -in %s; openssl pkey -pubout -in %s    # must print the same", shellQuote(file), shellQuote(key)))
		return
	}
	x.validity(file, pair.Leaf)
	x.names(section, file, name, pair.Leaf)
	x.signers(section, file, pair.Leaf, pair.Certificate[1:])
}

// validity compares a certificate's time with the clock.
func (x *exam) validity(file string, leaf *x509.Certificate) {
	now := x.now()
	renew := []string{"# get a new one from who has signed it, " + visible(orElse(leaf.Issuer.CommonName, "whoever that is"))}
	if strings.HasPrefix(file, "/etc/letsencrypt/") {
		renew = []string{"certbot renew"}
	}
	const day = "2006-01-02"
	switch left := leaf.NotAfter.Sub(now); {
	case now.Before(leaf.NotBefore):
		x.problem(file, fmt.Sprintf("the certificate is valid from %s on, and now it is %s", leaf.NotBefore.Format(day), now.UTC().Format(day)), "date    # is the clock right?")
	case left < 0:
		x.problem(file, fmt.Sprintf("the certificate was valid until %s: mail programs refuse it", leaf.NotAfter.Format(day)), renew...)
	case left < soon:
		x.problem(file, fmt.Sprintf("the certificate is valid until %s, %d days more, and should have been renewed", leaf.NotAfter.Format(day), int(left.Hours()/24)), renew...)
	}
}

// names looks whether a certificate is for the server's name.
func (x *exam) names(section, file, name string, leaf *x509.Certificate) {
	asked := name
	if rest, wild := strings.CutPrefix(name, "*."); wild {
		asked = "any." + rest
	}
	if asked == "" || leaf.VerifyHostname(asked) == nil {
		return
	}
	var has []string
	has = append(has, leaf.DNSNames...)
	for _, ip := range leaf.IPAddresses {
		has = append(has, ip.String())
	}
	what := fmt.Sprintf("%s: the certificate is for %s, and not for %s", section, orElse(strings.Join(has, ", "), "no name at all"), name)
	switch {
	case section == "[tls]" && x.c.Server.Hostname == "" && len(has) > 0 && !strings.Contains(name, "."):
		// people do not give their mail programs a name without a domain, which is how most hosts call themselves
	case section != "[tls]":
		x.problem(file, what+", for which clients get it", fmt.Sprintf("# name another certificate for it in %s", visible(x.file)))
	case len(has) > 0:
		x.problem(file, what+", as the server calls itself", fmt.Sprintf("# if people know it as %s, in %s: [server] hostname = %[1]s", visible(strings.TrimPrefix(has[0], "*.")), visible(x.file)))
	default:
		x.problem(file, what, "# get one that has its name as a subject alternative name")
	}
}

// signers looks whether clients can find out who has signed a certificate.
func (x *exam) signers(section, file string, leaf *x509.Certificate, chain [][]byte) {
	if leaf.CheckSignature(leaf.SignatureAlgorithm, leaf.RawTBSCertificate, leaf.Signature) == nil {
		x.note(file, section+": the certificate has signed itself, and mail programs ask people whether they trust it",
			"# get one that mail programs know, such as by certbot(1)")
		return
	}
	if len(chain) > 0 || len(leaf.IssuingCertificateURL) == 0 {
		return // a house's own authority need not tell where its certificate is
	}
	var unknown x509.UnknownAuthorityError
	if _, err := leaf.Verify(x509.VerifyOptions{CurrentTime: leaf.NotAfter.Add(-time.Second)}); errors.As(err, &unknown) {
		x.problem(file, fmt.Sprintf("%s: the file has the certificate alone; without that of %s, which has signed it, many mail programs refuse it", section, orElse(leaf.Issuer.CommonName, "the authority")),
			fmt.Sprintf("# in %s, name the file with both: certbot's fullchain.pem, not cert.pem", visible(x.file)))
	}
}
