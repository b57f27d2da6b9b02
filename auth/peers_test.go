package auth

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	return path
}

// What doveadm writes is accepted here, whatever the password.
func TestDoveadmWritesForUs(t *testing.T) {
	doveadm := tool(t, "doveadm")
	schemes := []string{"PLAIN", "CLEARTEXT", "SHA", "SHA1", "SHA256", "SHA512", "SSHA", "SSHA256", "SSHA512", "CRAM-MD5", "HMAC-MD5",
		"SCRAM-SHA-1", "SCRAM-SHA-256", "CRYPT", "BLF-CRYPT", "MD5-CRYPT", "SHA256-CRYPT", "SHA512-CRYPT", "ARGON2I", "ARGON2ID",
		"PLAIN.b64", "SSHA256.hex", "CRAM-MD5.b64", "SCRAM-SHA-256.hex"}
	for i, password := range []string{"secret", "pässwörd with blanks", strings.Repeat("long", 18)} {
		for _, scheme := range schemes {
			if i > 0 && strings.HasPrefix(scheme, "ARGON2") {
				continue // a second each
			}
			out, err := exec.Command(doveadm, "pw", "-s", scheme, "-p", password).Output()
			if err != nil {
				t.Fatalf("doveadm pw -s %s: %v", scheme, err)
			}
			v, err := parseSecret(strings.TrimSpace(string(out)))
			if err != nil || !v.check(password) || v.check(password+"x") {
				t.Errorf("%s of %q: %v", scheme, password, err)
			}
		}
	}
}

// What maildir-imapctl passwd writes is accepted by doveadm.
func TestWeWriteForDoveadm(t *testing.T) {
	doveadm := tool(t, "doveadm")
	for _, password := range []string{"secret", "pässwörd with blanks", strings.Repeat("long", 18)} {
		secrets, err := makeSecrets([]string{"bcrypt", "SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5"}, password)
		if err != nil {
			t.Fatal(err)
		}
		secrets["bcrypt"] = "{BLF-CRYPT}" + secrets["bcrypt"] // -t wants the scheme named
		for kind, secret := range secrets {
			if out, err := exec.Command(doveadm, "pw", "-t", secret, "-p", password).CombinedOutput(); err != nil {
				t.Errorf("doveadm refuses our %s of %q: %v: %s", kind, password, err, out)
			}
			if exec.Command(doveadm, "pw", "-t", secret, "-p", "x"+password).Run() == nil {
				t.Errorf("doveadm takes a wrong password for %s", kind)
			}
		}
	}
}

func TestHtpasswdWritesForUs(t *testing.T) {
	htpasswd := tool(t, "htpasswd")
	file := filepath.Join(t.TempDir(), "users")
	for i, flags := range []string{"-cbB", "-bm", "-bs", "-b2", "-b5"} {
		user := "user" + string(rune('0'+i))
		if out, err := exec.Command(htpasswd, flags, file, user, "pä ss").CombinedOutput(); err != nil {
			t.Skipf("htpasswd %s: %v: %s", flags, err, out)
		}
	}
	f, err := LoadFile(file)
	if err != nil || f.Len() != 5 {
		t.Fatalf("%v, %v", f, err)
	}
	for name, a := range f.users {
		if !tryAll(a.forPlain(), "pä ss") || tryAll(a.forPlain(), "pä s") {
			t.Errorf("%s (%s)", name, a.forPlain()[0])
		}
	}
	// DES, and a password in clear: refused, with the line.
	for _, flags := range []string{"-bd", "-bp"} {
		bad := filepath.Join(t.TempDir(), "bad")
		if out, err := exec.Command(htpasswd, "-c"+flags[1:], bad, "des", "hunter2").CombinedOutput(); err != nil {
			t.Skipf("htpasswd %s: %v: %s", flags, err, out)
		}
		if _, err := LoadFile(bad); err == nil || !strings.Contains(err.Error(), bad+":1: ") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("htpasswd %s: %v", flags, err)
		}
	}
}

// htpasswd -v takes the bcrypt line that we write. It looks at every line of a user, so
// the others stay out of its file; Apache itself looks at the first only, which is
// bcrypt's.
func TestWeWriteForHtpasswd(t *testing.T) {
	htpasswd := tool(t, "htpasswd")
	content, _, err := SetPassword([]byte("# users\n"), "alice", "pä ss", true)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "users")
	lines := splitLines(content)
	if !bytes.HasPrefix(lines[1], []byte("alice:$2y$")) {
		t.Fatalf("bcrypt is not first:\n%s", content)
	}
	if err := os.WriteFile(file, lines[1], 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(htpasswd, "-vb", file, "alice", "pä ss").CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, bytes.TrimSpace(out))
	}
	if exec.Command(htpasswd, "-vb", file, "alice", "wrong").Run() == nil {
		t.Error("a wrong password is taken")
	}
}
