package main

import (
	"bytes"
	"crypto/x509"
	"errors"
	"math/big"
	"os"
	"strings"
	"testing"
)

// TestDoctorWhole: on a machine on which all is well, every check says so, and nothing is left that was not there; what
// is wrong anywhere is told, whatever else is wrong; and help tells of each check.
func TestDoctorWhole(t *testing.T) {
	a := newAuthority(t)
	key, cert := a.sign(&x509.Certificate{SerialNumber: big.NewInt(2), DNSNames: []string{"mail.example.org"}, NotBefore: examTime.AddDate(0, -1, 0), NotAfter: examTime.AddDate(0, 2, 0)}, a.cert)
	e := newExam(t, "[tls]\ncertificate = cert.pem\nkey = key.pem\n[namespace \"public\"]\nprefix = Public/\npath = public\n")
	e.write("cert.pem", certText(cert))
	e.write("key.pem", keyText(t, key))
	for _, dir := range []string{"mail/ann/.Work/new", "mail/ann/.Work/tmp", "mail/bob/new", "mail/bob/tmp", "public/.News/cur", "public/.News/new", "public/.News/tmp"} {
		e.mkdir(dir)
	}
	for _, dir := range []string{"mail/ann/cur", "mail/ann/new", "mail/ann/.Work/cur", "mail/ann/.Work/new", "mail/bob/cur", "mail/bob/new", "public/.News/cur", "public/.News/new"} {
		if err := os.Chtimes(e.path(dir), examTime, examTime); err != nil {
			t.Fatal(err)
		}
	}
	units := map[string]string{"maildir-imapd.service": goodService, "maildir-imapd-imap.socket": goodImap, "maildir-imapd-imaps.socket": goodImaps}
	e.packaged(units)
	for _, name := range []string{"cert.pem", "key.pem", "mail", "public", "state"} {
		e.link(e.path(name), "host/etc/maildir-imapd/"+name)
	}
	e.tcp(tcpLine(any143, listens, 101), tcpLine(any993, listens, 102))
	e.process(1, "systemd", "/usr/lib/systemd/systemd", "/init.scope", 101, 102)

	was := thisHost
	thisHost = e.exam.host
	defer func() { thisHost = was }()
	doctor := func(args ...string) (string, int) {
		var out bytes.Buffer
		root := rootCommand()
		root.SetOut(&out)
		root.SetArgs(longFlags(append([]string{"doctor", "-config", e.exam.file}, args...)))
		err := root.ExecuteContext(t.Context())
		if err != nil && !errors.Is(err, errFindings) {
			t.Log(err)
		}
		return strings.ReplaceAll(out.String(), e.dir, "DIR"), exitStatus(err)
	}
	before := treeOf(t, e.dir)
	if out, status := doctor(); status != 0 || !strings.HasPrefix(out, "nothing found (as account ") || strings.Count(out, "\n") != 1 {
		t.Errorf("status %d:\n%s", status, out)
	}
	if after := treeOf(t, e.dir); after != before {
		t.Errorf("it has changed something:\n%s\nwas\n%s", after, before)
	}

	delete(units, "maildir-imapd-imaps.socket")
	e.write("users", "# nobody\n")
	e.write("host/proc/sys/fs/inotify/max_user_watches", "3\n")
	e.exam.host.clock = func() (bool, error) { return false, nil }
	thisHost = e.exam.host
	if err := errors.Join(os.Chmod(e.path("key.pem"), 0o644), os.RemoveAll(e.path("public/.News/new"))); err != nil {
		t.Fatal(err)
	}
	out, status := doctor()
	if status != exitFailed {
		t.Errorf("status %d", status)
	}
	for _, want := range []string{"/users: has no users", "the private key of [tls]", "[listener \"imaps\"]: systemd has no socket", "/.News/new: is not there", "max_user_watches: is 3", "the clock: "} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	help, _ := doctor("-h")
	for _, c := range doctorChecks {
		if !strings.Contains(help, "\n  "+c.name+" ") || !strings.Contains(help, c.about) {
			t.Errorf("-h says nothing of %s:\n%s", c.name, help)
		}
	}
}

// treeOf lists what is below a directory, without times: what is tried out leaves those of directories.
func treeOf(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	var walk func(string)
	walk = func(path string) {
		entries, err := os.ReadDir(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			b.WriteString(path + "/" + e.Name() + " " + e.Type().String() + "\n")
			if e.IsDir() {
				walk(path + "/" + e.Name())
			}
		}
	}
	walk(dir)
	return b.String()
}
