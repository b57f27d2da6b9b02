package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"maildir-imapd/imapd/config"
)

// daemonDir is where the daemon is built, once: probe is to be right about the real one.
var daemonDir string

var daemonBinary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "probe-*")
	if err != nil {
		return "", err
	}
	daemonDir = dir
	path := filepath.Join(dir, "maildir-imapd")
	if out, err := exec.Command("go", "build", "-o", path, "../maildir-imapd").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

// tidy removes the daemon behind the tests.
type tidy struct{ *testing.M }

func (m tidy) Run() int {
	defer func() { _ = os.RemoveAll(daemonDir) }()
	return m.M.Run()
}

// startDaemon is: daemon FILE, with PORT1 and PORT2 in FILE replaced by free ports, which $PORT1 and $PORT2 are then.
func startDaemon(ts *testscript.TestScript, _ bool, args []string) {
	path, err := daemonBinary()
	ts.Check(err)
	text := ts.ReadFile(args[0])
	var held []net.Listener
	for _, name := range []string{"PORT1", "PORT2"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		ts.Check(err)
		held = append(held, l) // until both are found, or they could be the same
		_, port, _ := net.SplitHostPort(l.Addr().String())
		ts.Setenv(name, port)
		text = strings.ReplaceAll(text, name, port)
	}
	for _, l := range held {
		l.Close()
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
	cmd := exec.Command(path, "-config", ts.MkAbs(args[0]))
	cmd.Dir = ts.Getenv("WORK")
	log, err := cmd.StderrPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	ts.Defer(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	var seen bytes.Buffer
	in := bufio.NewReader(io.TeeReader(log, &seen))
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			ts.Fatalf("the daemon ended: %s", seen.String())
		}
		if strings.Contains(line, "msg=ready") {
			break
		}
	}
	go func() { _, _ = io.Copy(io.Discard, in) }()
}

// startFake is: fake FILE [CERTIFICATE], a server whose address is $FAKE and port $FAKEPORT. FILE begins with its greeting;
// "> WORD" begins what it answers to a command, where TAG is the tag. A first line of !silent, !close or !flood makes it say
// nothing, hang up, or never end; !slow before an answer delays it. With a certificate, TLS comes first; a + before it is for
// STARTTLS.
func startFake(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { l.Close() })
	f := fake{answers: make(map[string]string)}
	word := ""
	for text := range strings.Lines(ts.ReadFile(args[0])) {
		if w, ok := strings.CutPrefix(text, "> "); ok {
			word = strings.TrimSpace(w)
			continue
		}
		f.answers[word] += strings.TrimRight(text, "\n") + "\r\n"
	}
	if len(args) > 1 {
		name, after := strings.CutPrefix(args[1], "+")
		cert, err := tls.LoadX509KeyPair(ts.MkAbs(name), ts.MkAbs(name))
		ts.Check(err)
		f.tls, f.later = &tls.Config{Certificates: []tls.Certificate{cert}}, after
	}
	ts.Setenv("FAKE", l.Addr().String())
	_, port, _ := net.SplitHostPort(l.Addr().String())
	ts.Setenv("FAKEPORT", port)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go f.serve(c)
		}
	}()
}

type fake struct {
	answers map[string]string
	tls     *tls.Config
	later   bool
}

func (f *fake) serve(c net.Conn) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	if f.tls != nil && !f.later {
		c = tls.Server(c, f.tls)
	}
	switch greeting := f.answers[""]; {
	case strings.HasPrefix(greeting, "!silent"):
		_, _ = io.Copy(io.Discard, c)
		return
	case strings.HasPrefix(greeting, "!close"):
		return
	case strings.HasPrefix(greeting, "!flood"):
		for _, err := c.Write(bytes.Repeat([]byte("x"), 4096)); err == nil; _, err = c.Write(bytes.Repeat([]byte("x"), 4096)) {
		}
		return
	default:
		fmt.Fprint(c, greeting)
	}
	in := bufio.NewReader(c)
	for {
		text, err := in.ReadString('\n')
		if err != nil {
			return
		}
		words := strings.Fields(text)
		if len(words) < 2 {
			continue
		}
		word := strings.ToUpper(words[1])
		answer, ok := f.answers[word]
		if !ok {
			answer = "TAG OK done\r\n"
		}
		if rest, ok := strings.CutPrefix(answer, "!slow\r\n"); ok {
			time.Sleep(slowLogin + 50*time.Millisecond)
			answer = rest
		}
		fmt.Fprint(c, strings.ReplaceAll(answer, "TAG", words[0]))
		if word == "STARTTLS" && f.tls != nil {
			c = tls.Server(c, f.tls)
			in = bufio.NewReader(c)
		}
	}
}

// makeCertificate is: certificate FILE NAME DAYS [ISSUER-FILE], valid from ten days ago for DAYS from now on.
func makeCertificate(ts *testscript.TestScript, _ bool, args []string) {
	var days int
	_, err := fmt.Sscan(args[2], &days)
	ts.Check(err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: args[1]}, DNSNames: args[1:2],
		NotBefore: time.Now().Add(-10 * 24 * time.Hour), NotAfter: time.Now().Add(time.Duration(days)*24*time.Hour + time.Hour),
		IsCA: args[1] == "CA", BasicConstraintsValid: true,
	}
	issuer, signer := template, any(key)
	if len(args) > 3 {
		pair, err := tls.LoadX509KeyPair(ts.MkAbs(args[3]), ts.MkAbs(args[3]))
		ts.Check(err)
		issuer, signer = pair.Leaf, pair.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, key.Public(), signer)
	ts.Check(err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	ts.Check(err)
	var b bytes.Buffer
	ts.Check(errors.Join(pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.Encode(&b, &pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b.Bytes(), 0o600))
}

func TestHostTargets(t *testing.T) {
	for in, want := range map[string][]target{
		"mail.example.org":      {{network: "tcp", addr: "mail.example.org:143", name: "mail.example.org", tls: config.StartTLS, sniff: false}, {network: "tcp", addr: "mail.example.org:993", name: "mail.example.org", tls: config.Implicit, sniff: false}},
		"mail.example.org:993":  {{network: "tcp", addr: "mail.example.org:993", name: "mail.example.org", tls: config.Implicit, sniff: false}},
		"mail.example.org:imap": {{network: "tcp", addr: "mail.example.org:143", name: "mail.example.org", tls: config.StartTLS, sniff: false}},
		"[::1]:1143":            {{network: "tcp", addr: "[::1]:1143", name: "::1", tls: config.StartTLS, sniff: true}},
		"::1":                   {{network: "tcp", addr: "[::1]:143", name: "::1", tls: config.StartTLS, sniff: false}, {network: "tcp", addr: "[::1]:993", name: "::1", tls: config.Implicit, sniff: false}},
	} {
		got, err := hostTargets(in)
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v, %v", in, got, err)
		}
	}
	for _, bad := range []string{"", ":993", "imaps://mail.example.org/", "a b"} {
		if got, err := hostTargets(bad); err == nil {
			t.Errorf("%q: %v", bad, got)
		}
	}
}

// TestProbeGuess: where the configuration has no name for the server, its own certificate may have any, and nobody else's
// is trusted for that.
func TestProbeGuess(t *testing.T) {
	a := newAuthority(t)
	now := time.Now()
	_, leaf := a.sign(&x509.Certificate{SerialNumber: big.NewInt(7), DNSNames: []string{"mail.example.org"}, NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(0, 3, 0)}, nil)
	p := prober{roots: x509.NewCertPool()}
	p.roots.AddCert(leaf)
	for _, tt := range []struct {
		name                  string
		guess, own            bool
		wrong, notes, trusted bool
	}{
		{"mail.example.org", false, false, false, false, true},
		{"mail.example.org", true, false, false, false, true},
		{"mail", false, false, true, false, false},
		{"mail", true, true, false, false, true},
		{"mail", true, false, false, true, false},
	} {
		p.own = func() []*x509.Certificate {
			if tt.own {
				return []*x509.Certificate{leaf}
			}
			return nil
		}
		var r probed
		ok := p.judge(target{name: tt.name, own: true, guess: tt.guess}, []*x509.Certificate{leaf}, &r)
		if wrong, notes := len(r.Wrong) > 0, len(r.Notes) > 0; wrong != tt.wrong || notes != tt.notes || r.Certificate.Trusted != tt.trusted || ok != tt.trusted {
			t.Errorf("%+v: wrong %q, notes %q, trusted %v %v", tt, r.Wrong, r.Notes, r.Certificate.Trusted, ok)
		}
	}
}

func TestNear(t *testing.T) {
	for in, want := range map[string]string{
		":143": "127.0.0.1:143", "0.0.0.0:143": "127.0.0.1:143", "[::]:993": "[::1]:993", "192.0.2.1:143": "192.0.2.1:143", "/run/imap": "/run/imap",
	} {
		if got := near(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

// A server that sends for ever, a little at a time, is left when all steps have had their time.
func TestProbeEnds(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		for _, err := io.WriteString(c, "* OK hello\r\n"); err == nil; _, err = io.WriteString(c, "* OK still here\r\n") {
			time.Sleep(time.Millisecond)
		}
	}()
	p := prober{timeout: 200 * time.Millisecond}
	start := time.Now()
	r := p.probe(context.Background(), target{network: "tcp", addr: l.Addr().String(), name: "localhost", tls: config.StartTLS})
	if took := time.Since(start); took > 5*time.Second || len(r.Wrong) == 0 {
		t.Errorf("after %v: %v", took, r.Wrong)
	}
	if r.Wrong != nil && !strings.Contains(strings.Join(r.Wrong, " "), "CAPABILITY") {
		t.Error(r.Wrong)
	}
}

// What a server sends that cannot be read is told as that, and ends nothing but its connection.
func TestProbeNonsense(t *testing.T) {
	for _, answer := range []string{"* 1 FETCH (BODYSTRUCTURE " + strings.Repeat("(", 32<<20), "* ( what\r\n"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close()
			in := bufio.NewReader(c)
			fmt.Fprint(c, "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hello\r\n")
			_, _ = in.ReadString('\n')
			fmt.Fprint(c, "* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\np1 OK\r\n")
			_, _ = in.ReadString('\n')
			_, _ = io.WriteString(c, answer)
			_, _ = io.Copy(io.Discard, c)
		}()
		p := prober{timeout: 5 * time.Second, user: "ann", password: "secret"}
		r := p.probe(context.Background(), target{network: "tcp", addr: l.Addr().String(), name: "localhost", tls: config.StartTLS})
		l.Close()
		if got := strings.Join(r.Wrong, "\n"); !strings.Contains(got, "cannot log in by PLAIN: ") || strings.Contains(got, "interrupted") {
			t.Error(got)
		}
	}
}

func TestHarmless(t *testing.T) {
	if got := harmless("a\x1b[31mb\u202ec\r\n\xff"); got != "a?[31mb?c???" {
		t.Errorf("%q", got)
	}
}

// A password is used with a server that is known, and within this machine.
func TestUnsafe(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	far := from{a, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1)}}
	for _, x := range []struct {
		name string
		p    prober
		t    target
		l    line
		want string
	}{
		{"trusted", prober{}, target{}, line{conn: far, secure: true, trusted: true}, ""},
		{"not trusted", prober{}, target{}, line{conn: far, secure: true}, "the certificate is not trusted"},
		{"not trusted, here", prober{}, target{}, line{conn: from{a, &net.TCPAddr{IP: net.IPv6loopback}}, secure: true}, "the certificate is not trusted"},
		{"old TLS", prober{}, target{}, line{conn: far, secure: true, trusted: true, broken: true}, "the version of TLS is broken"},
		{"no TLS", prober{}, target{}, line{conn: far}, "there is no TLS"},
		{"no TLS, here", prober{}, target{}, line{conn: from{a, &net.TCPAddr{IP: net.IPv6loopback}}}, ""},
		{"no TLS, a socket", prober{}, target{network: "unix"}, line{conn: from{a, nil}}, ""},
		{"-k", prober{trust: true}, target{}, line{conn: far}, ""},
	} {
		if got := x.p.unsafe(x.t, &x.l); got != x.want {
			t.Errorf("%s: %q", x.name, got)
		}
	}
}

// from is a connection that comes from elsewhere.
type from struct {
	net.Conn
	remote net.Addr
}

func (f from) RemoteAddr() net.Addr { return f.remote }
