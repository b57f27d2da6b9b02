package main

import (
	"context"
	"crypto/hmac"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/xdg-go/scram"

	"maildir-imapd/auth"
)

// checkMode is: mode FILE OCTAL.
func checkMode(ts *testscript.TestScript, neg bool, args []string) {
	st, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	if got := fmt.Sprintf("%o", st.Mode().Perm()); (got == args[1]) == neg {
		ts.Fatalf("mode of %s is %s", args[0], got)
	}
}

// verifyPassword is: [!] verify FILE USER PASSWORD MECHANISM, a login of the given kind
// against the file as the daemon would read it.
func verifyPassword(ts *testscript.TestScript, neg bool, args []string) {
	f, err := auth.LoadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	a := auth.New(auth.Options{File: f, Delay: time.Millisecond})
	err = login(a, args[1], args[2], args[3])
	var refused *auth.Error
	switch {
	case neg && !errors.As(err, &refused):
		ts.Fatalf("login as %s by %s: want a refusal, got %v", args[1], args[3], err)
	case !neg && err != nil:
		ts.Fatalf("login as %s by %s: %v", args[1], args[3], err)
	}
}

func login(a *auth.Authenticator, user, password, mech string) error {
	ctx, c := context.Background(), auth.Conn{TLS: true}
	if mech == "PLAIN" {
		_, err := a.Login(ctx, user, password, c)
		return err
	}
	x, err := a.Start(mech, c)
	if err != nil {
		return err
	}
	if mech == "CRAM-MD5" {
		challenge, _, err := x.Next(ctx, nil)
		if err != nil {
			return err
		}
		_, _, err = x.Next(ctx, []byte(user+" "+cramDigest(password, challenge)))
		return err
	}
	client, err := scram.SHA256.NewClient(user, password, "")
	if err != nil {
		return err
	}
	conv := client.NewConversation()
	var challenge []byte
	for {
		response, err := conv.Step(string(challenge))
		if err != nil {
			return err
		}
		var done bool
		challenge, done, err = x.Next(ctx, []byte(response))
		if err != nil || done {
			return err
		}
	}
}

// raceChanges is: race FILE N, N runs at once, each adding a user of its own.
func raceChanges(ts *testscript.TestScript, neg bool, args []string) {
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	self, err := exec.LookPath("maildir-imapctl")
	if err != nil {
		for _, dir := range strings.Split(ts.Getenv("PATH"), ":") {
			if _, serr := os.Stat(dir + "/maildir-imapctl"); serr == nil {
				self, err = dir+"/maildir-imapctl", nil
				break
			}
		}
	}
	ts.Check(err)
	var wg sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		wg.Go(func() {
			cmd := exec.Command(self, "passwd", "-file", ts.MkAbs(args[0]), fmt.Sprintf("user%d", i))
			cmd.Stdin = strings.NewReader(fmt.Sprintf("password %d\n", i))
			out, err := cmd.CombinedOutput()
			if err != nil {
				errs[i] = fmt.Errorf("run %d: %w: %s", i, err, out)
			}
		})
	}
	wg.Wait()
	ts.Check(errors.Join(errs...))
	if neg {
		ts.Fatalf("race cannot be negated")
	}
}

func cramDigest(password string, challenge []byte) string {
	mac := hmac.New(md5.New, []byte(password))
	mac.Write(challenge)
	return hex.EncodeToString(mac.Sum(nil))
}
