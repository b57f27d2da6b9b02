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
	"io/fs"
	"math/big"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// authority signs certificates.
type authority struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test Authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: examTime.AddDate(-1, 0, 0), NotAfter: examTime.AddDate(5, 0, 0), KeyUsage: x509.KeyUsageCertSign,
	}
	a.key, a.cert = a.sign(template, nil)
	return a
}

// sign makes a certificate, self-signed without a parent.
func (a *authority) sign(template, parent *x509.Certificate) (*ecdsa.PrivateKey, *x509.Certificate) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	signer := a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return key, cert
}

func certText(c *x509.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
}

func keyText(t *testing.T, key *ecdsa.PrivateKey) string {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func TestDoctorCertificates(t *testing.T) {
	a := newAuthority(t)
	const tlsIni = "[tls]\ncertificate = cert.pem\nkey = key.pem\n"
	leaf := func(change func(*x509.Certificate)) *x509.Certificate {
		c := &x509.Certificate{SerialNumber: big.NewInt(2), DNSNames: []string{"mail.example.org"}, NotBefore: examTime.AddDate(0, -1, 0), NotAfter: examTime.AddDate(0, 2, 0)}
		if change != nil {
			change(c)
		}
		return c
	}
	for _, tt := range []struct {
		name, ini string
		cert      *x509.Certificate
		alone     bool // signed by itself
		then      func(e *examined)
		want      []string
	}{
		{name: "good", ini: tlsIni, cert: leaf(nil)},
		{name: "none, and its own", want: []string{"note: [tls] certificate: is not set: the daemon signs a certificate of its own", "    # get one * -d mail.example.org", "    # and name its files in DIR/imapd.ini"}},
		{name: "not wanted", ini: "[listener \"imap\"]\ntls = none\n[listener \"imaps\"]\nenabled = no\n"},
		{name: "self-signed", ini: tlsIni, cert: leaf(nil), alone: true, want: []string{"note: DIR/cert.pem: [tls]: the certificate has signed itself", "    # get one"}},
		{
			name: "over", ini: tlsIni, cert: leaf(func(c *x509.Certificate) { c.NotAfter = examTime.AddDate(0, 0, -3) }),
			want: []string{"DIR/cert.pem: the certificate was valid until 2026-11-19: mail programs refuse it", "    # get a new one from who has signed it, Test Authority"},
		},
		{
			name: "nearly over", ini: tlsIni, cert: leaf(func(c *x509.Certificate) { c.NotAfter = examTime.AddDate(0, 0, 3) }),
			want: []string{"DIR/cert.pem: the certificate is valid until 2026-11-25, 3 days more", "    # get a new"},
		},
		{
			name: "not yet", ini: tlsIni, cert: leaf(func(c *x509.Certificate) { c.NotBefore = examTime.AddDate(0, 0, 3) }),
			want: []string{"DIR/cert.pem: the certificate is valid from 2026-11-25 on, and now it is 2026-11-22", "    date    #"},
		},
		{
			name: "another name", ini: tlsIni, cert: leaf(func(c *x509.Certificate) { c.DNSNames = []string{"*.example.net", "example.com"} }),
			want: []string{"DIR/cert.pem: [tls]: the certificate is for *.example.net, example.com, and not for mail.example.org", "    # if people know it as example.net, in DIR/imapd.ini: [server] hostname = example.net"},
		},
		{name: "no word of the host's name", ini: tlsIni, cert: leaf(nil), then: func(e *examined) { e.unnamed("mail") }},
		{
			name: "another domain", ini: tlsIni, cert: leaf(nil), then: func(e *examined) { e.unnamed("mail.example.net") },
			want: []string{"DIR/cert.pem: [tls]: the certificate is for mail.example.org, and not for mail.example.net", "    # if people know it as mail.example.org"},
		},
		{
			name: "no name", ini: tlsIni, cert: leaf(func(c *x509.Certificate) { c.DNSNames, c.Subject.CommonName = nil, "mail.example.org" }),
			want: []string{"DIR/cert.pem: [tls]: the certificate is for no name at all", "    # get one"},
		},
		{name: "an address", ini: tlsIni, cert: leaf(func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = []net.IP{net.IPv4(192, 0, 2, 1)}, nil }), want: []string{"DIR/cert.pem: * is for 192.0.2.1,", "    # if"}},
		{name: "for further names", ini: tlsIni + "[tls \"*.example.org\"]\ncertificate = cert.pem\nkey = key.pem\n", cert: leaf(func(c *x509.Certificate) { c.DNSNames = append(c.DNSNames, "*.example.org") })},
		{
			name: "not for a further name", ini: tlsIni + "[tls \"imap.example.net\"]\ncertificate = cert.pem\nkey = key.pem\n", cert: leaf(nil),
			want: []string{"DIR/cert.pem: [tls \"imap.example.net\"]: the certificate is for mail.example.org, and not for imap.example.net, for which", "    # name another"},
		},
		{
			name: "without who has signed it", ini: tlsIni, cert: leaf(func(c *x509.Certificate) { c.IssuingCertificateURL = []string{"http://ca.example/ca.crt"} }),
			want: []string{"DIR/cert.pem: [tls]: the file has the certificate alone; without that of Test Authority", "    # in DIR/imapd.ini, name the file with both"},
		},
		{
			name: "with who has signed it", ini: tlsIni, cert: leaf(func(c *x509.Certificate) { c.IssuingCertificateURL = []string{"http://ca.example/ca.crt"} }),
			then: func(e *examined) {
				b, _ := os.ReadFile(e.path("cert.pem"))
				e.write("cert.pem", string(b)+certText(a.cert))
			},
		},
		{
			name: "another's key", ini: tlsIni, cert: leaf(nil), then: func(e *examined) { e.write("key.pem", keyText(t, a.key)) },
			want: []string{"DIR/cert.pem: [tls]: certificate and key cannot be used together: tls: private key does not match", "    openssl x509"},
		},
		{name: "damaged", ini: tlsIni, cert: leaf(nil), then: func(e *examined) { e.write("cert.pem", "what") }, want: []string{"DIR/cert.pem: [tls]: certificate and key cannot", "    openssl"}},
		{name: "not there", ini: tlsIni, want: []string{"DIR/cert.pem: [tls] names this file, which is not there", "    # name"}},
		{
			name: "a key for everybody", ini: tlsIni, cert: leaf(nil), then: func(e *examined) { _ = os.Chmod(e.path("key.pem"), 0o644) },
			want: []string{"DIR/key.pem: every account of this machine can read the private key of [tls] (-rw-r--r-- ", "    chmod o= DIR/key.pem"},
		},
		{
			name: "both in one file", ini: "[tls]\ncertificate = cert.pem\n", cert: leaf(nil), then: func(e *examined) {
				b, _ := os.ReadFile(e.path("cert.pem"))
				k, _ := os.ReadFile(e.path("key.pem"))
				e.write("cert.pem", string(b)+string(k))
				_ = os.Chmod(e.path("cert.pem"), 0o604)
			},
			want: []string{"DIR/cert.pem: every account of this machine can read the private key", "    chmod o= DIR/cert.pem"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := newExam(t, tt.ini)
			if tt.cert != nil {
				parent := a.cert
				if tt.alone {
					parent = nil
				}
				key, cert := a.sign(tt.cert, parent)
				e.write("cert.pem", certText(cert))
				e.write("key.pem", keyText(t, key))
			}
			if tt.then != nil {
				tt.then(e)
			}
			e.finds("certificates", tt.want...)
		})
	}
}

// unnamed takes the server's name out of the configuration, and gives the machine one.
func (e *examined) unnamed(name string) {
	b, err := os.ReadFile(e.path("imapd.ini"))
	if err != nil {
		e.t.Fatal(err)
	}
	e.write("imapd.ini", strings.Replace(string(b), "hostname = mail.example.org\n", "", 1))
	e.exam.hostname = func() (string, error) { return name, nil }
}

// TestDoctorCredentials: what systemd hands to the daemon is there only while that runs.
func TestDoctorCredentials(t *testing.T) {
	const dir = "/run/credentials/maildir-imapd.service/"
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Skip("the daemon runs here")
	}
	newExam(t, "[tls]\ncertificate = "+dir+"cert\nkey = "+dir+"key\n").finds("certificates")
}

func TestDoctorClock(t *testing.T) {
	e := newExam(t, "")
	past := examTime.Add(-time.Hour)
	old := func(names ...string) {
		for _, name := range names {
			if err := os.Chtimes(e.path(name), past, past); err != nil {
				t.Fatal(err)
			}
		}
	}
	all := []string{"mail/ann/cur", "mail/ann/new", "mail/ann/.Work/cur", "mail/bob/cur"}
	old(all...)
	e.finds("clock")
	e.exam.clock = func() (bool, error) { return false, nil }
	e.finds("clock", "the clock: nothing keeps it right, says the kernel", "    # install what keeps it right")
	e.mkdir("host/run/systemd/system")
	e.finds("clock", "the clock: nothing keeps it right", "    timedatectl set-ntp true ")
	e.process(70, "systemd-timesyn", "/usr/lib/systemd/systemd-timesyncd", "/system.slice/systemd-timesyncd.service")
	e.finds("clock", "the clock: systemd-timesyncd is to keep it right and has had no answer", "    timedatectl timesync-status ")
	e.process(60, "chronyd", "/usr/sbin/chronyd", "/system.slice/chrony.service")
	e.finds("clock") // which need not tell the kernel
	for _, pid := range []string{"60", "70"} {
		if err := os.RemoveAll(e.path("host/proc/" + pid)); err != nil {
			t.Fatal(err)
		}
	}
	e.write("host/run/systemd/container", "docker\n")
	e.finds("clock", "note: the clock: nothing keeps it right, says the kernel, and a container cannot", "    # there: timedatectl")
	e.exam.clock = func() (bool, error) { return false, fmt.Errorf("clock: %w", unix.EPERM) }
	e.finds("clock", "note: the clock: is kept by the machine that this container runs on", "    # there: timedatectl")
	e.exam.clock = func() (bool, error) { return true, nil }
	past = examTime.Add(ahead + time.Hour)
	e.write("mail/ann/.Work/dovecot-uidlist", "3 V1 N1\n")
	old("mail/ann/.Work/cur", "mail/ann/.Work/dovecot-uidlist")
	e.finds("clock", "DIR/mail/ann: 2 directories and lists are from the future, such as DIR/mail/ann/.Work/cur of 2026-11-22 13:02:00", "    find DIR/mail/ann '(' ")
	e.touches()
	e.exam.clock = func() (bool, error) { return false, errors.New("not to be had") }
	if err := e.exam.run([]doctorCheck{{"clock", "", 0, checkClock}}, ""); err == nil || !strings.Contains(err.Error(), "not to be had") || exitStatus(err) != exitUnseen {
		t.Error(err)
	}
}

// touches runs what mends times, in a tree whose owner has put links there for root's touch to follow.
func (e *examined) touches() {
	e.t.Helper()
	e.link(e.path("planned"), "mail/ann/dovecot-planned")
	e.write("secret", "")
	e.link(e.path("secret"), "mail/ann/dovecot-secret")
	now := time.Now()
	for name, at := range map[string]time.Time{"mail/ann/.Work/cur": now.Add(time.Hour), "secret": now.Add(-time.Hour)} {
		if err := os.Chtimes(e.path(name), at, at); err != nil {
			e.t.Fatal(err)
		}
	}
	if out, err := exec.Command("touch", "-h", "-d", "tomorrow", e.path("mail/ann/dovecot-planned"), e.path("mail/ann/dovecot-secret")).CombinedOutput(); err != nil {
		e.t.Fatalf("%v: %s", err, out)
	}
	e.exam.now, e.found = time.Now, 0
	e.out.Reset()
	checkClock(e.exam)
	_, mend, _ := strings.Cut(e.out.String(), "    ")
	if out, err := exec.Command("sh", "-c", mend).CombinedOutput(); err != nil {
		e.t.Fatalf("%s: %v: %s", mend, err, out)
	}
	if _, err := os.Lstat(e.path("planned")); err == nil {
		e.t.Errorf("a user had a file made by root: %s", mend)
	}
	if st, err := os.Stat(e.path("secret")); err != nil || st.ModTime().After(now.Add(-time.Minute)) {
		e.t.Errorf("a user had root touch another's file: %s", mend)
	}
	if st, err := os.Stat(e.path("mail/ann/.Work/cur")); err != nil || st.ModTime().After(time.Now()) {
		e.t.Errorf("not mended: %s", mend)
	}
	e.exam.now = func() time.Time { return examTime }
}

func TestDoctorInotify(t *testing.T) {
	e := newExam(t, "")
	e.finds("inotify")
	e.write("host/proc/sys/fs/inotify/max_user_watches", "20\n") // for 3 folders and the daemon's own files
	e.finds("inotify", "/proc/sys/fs/inotify/max_user_watches: is 20; the mail of 2 users has 3 folders, which take 6 watches when they are all open, and other programs of * have 0",
		"    echo fs.inotify.max_user_watches=65536 >/etc/sysctl.d/60-maildir-imapd-watches.conf && sysctl -p /etc/sysctl.d/60-maildir-imapd-watches.conf")
	e.write("host/proc/sys/fs/inotify/max_user_watches", "24\n")
	e.finds("inotify")
	// Another program of the same account takes some; the daemon's own are counted already.
	for pid, comm := range map[string]string{"41": "editor", "42": daemonName} {
		e.write("host/proc/"+pid+"/comm", comm+"\n")
		e.link("anon_inode:inotify", "host/proc/"+pid+"/fd/7")
		e.link("socket:[1]", "host/proc/"+pid+"/fd/8")
		e.write("host/proc/"+pid+"/fdinfo/7", "pos:\t0\ninotify wd:1 ino:2\ninotify wd:2 ino:3\ninotify wd:3 ino:4\n")
	}
	e.finds("inotify", "/proc/sys/fs/inotify/max_user_watches: is 24; * have 3", "    echo ")
	e.write("host/proc/sys/fs/inotify/max_user_watches", "8192\n")
	e.write("host/proc/sys/fs/inotify/max_user_instances", "1\n")
	e.finds("inotify", "/proc/sys/fs/inotify/max_user_instances: is 1, and other programs of * have 1", "    echo fs.inotify.max_user_instances=128 >")
}
