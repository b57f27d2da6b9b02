package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"maildir-imapd/auth"
	"maildir-imapd/cmd/internal/usermail"
	"maildir-imapd/imapd/config"
)

// userLockWait is how long one change of the password file waits for another.
const userLockWait = 10 * time.Second

// userFile is the password file that passwd and user work on: the one that the daemon reads, unless -file names another.
type userFile struct {
	config string
	file   string
	c      *config.Config // nil with -file: nothing is known but the file
}

func (f *userFile) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.config, "config", config.DefaultPath, "the daemon's configuration `FILE`, which names the\npassword file")
	cmd.Flags().StringVar(&f.file, "file", "", "password `FILE`, whatever the configuration says")
}

// find settles which file is meant.
func (f *userFile) find() error {
	if f.file != "" {
		return nil
	}
	c, _, err := config.Load(f.config)
	if err != nil {
		return fmt.Errorf("the configuration does not say which password file: %w; or name it with -file", err)
	}
	f.c, f.file = c, c.Auth.File
	return nil
}

// read is the file's content: nothing, where there is no file yet.
func (f *userFile) read() ([]byte, error) {
	content, err := auth.ReadFile(f.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return content, denied(err)
}

// denied says to who is not root what to do.
func denied(err error) error {
	if errors.Is(err, fs.ErrPermission) && os.Geteuid() != 0 {
		return fmt.Errorf("%w; run this as root", err)
	}
	return err
}

func (f *userFile) update(ctx context.Context, edit func([]byte) ([]byte, error)) error {
	ctx, cancel := context.WithTimeout(ctx, userLockWait)
	defer cancel()
	return denied(auth.UpdateFile(ctx, f.file, edit))
}

// rewrite has a user's lines written anew, and returns the file as it is then and what was done.
func (f *userFile) rewrite(ctx context.Context, change func(old []byte) ([]byte, auth.Edit, error)) (written []byte, edit auth.Edit, err error) {
	err = f.update(ctx, func(old []byte) ([]byte, error) {
		var err error
		written, edit, err = change(old)
		return written, err
	})
	return written, edit, err
}

// drop removes a user's lines and says where the mail lies, which is not touched.
func (f *userFile) drop(cmd *cobra.Command, user string) error {
	n := 0
	var written []byte
	var was auth.User
	err := f.update(cmd.Context(), func(old []byte) ([]byte, error) {
		file, _ := auth.ParseGood(f.file, old)
		was, _ = file.User(user)
		if written, n = auth.Remove(old, user); n == 0 {
			return nil, fmt.Errorf("%s has no user %q", f.file, user)
		}
		return written, nil
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s: removed from %s (lines: %d)\n", user, f.file, n)
	was.Name = user
	switch paths, err := f.mail(was); {
	case err != nil:
		fmt.Fprintf(cmd.ErrOrStderr(), "maildir-imapctl: %s: where the mail lies cannot be told: %v\n", user, err)
	case len(paths) > 0:
		for _, p := range paths {
			if _, err := os.Lstat(p); errors.Is(err, fs.ErrNotExist) {
				continue
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %s stays as it is\n", user, p)
		}
	}
	f.warn(cmd.ErrOrStderr(), written)
	return nil
}

// mail is where a user's mail lies, and what the configuration puts elsewhere; nothing where there is no configuration.
func (f *userFile) mail(u auth.User) ([]string, error) {
	if f.c == nil {
		return nil, nil
	}
	o, err := usermail.Own(f.c, usermail.User{Name: u.Name, Home: u.Home})
	if err != nil {
		return nil, err
	}
	paths := []string{o.Root}
	for _, p := range []string{o.Control, o.Index} {
		if p != "" {
			paths = append(paths, p)
		}
	}
	return paths, nil
}

// warn tells what hinders a change that is made, or more than the change: lines for which a daemon would refuse the file,
// and that everybody can read it.
func (f *userFile) warn(w io.Writer, content []byte) {
	if _, err := auth.Parse(f.file, content); err != nil {
		fmt.Fprintf(w, "maildir-imapctl: the daemon will not take this file over before these lines are put right:\n%v\n", err)
	}
	st, err := os.Stat(f.file)
	if err != nil || st.Mode().Perm()&0o007 == 0 {
		return
	}
	mend := "chmod o= " + shellQuote(f.file)
	if owner, ok := st.Sys().(*syscall.Stat_t); ok && owner.Uid == 0 && owner.Gid == 0 { // or the daemon could not read it any more
		mend = "give it to a group that only the daemon is in (maildir-imapctl doctor passwords), then " + mend
	}
	fmt.Fprintf(w, "maildir-imapctl: every account of this machine can reach the secrets in %s: %s\n", f.file, mend)
}

// offered is the mechanisms that a daemon with this file offers over TLS; channel binding is SCRAM all the same, and who
// logs in without a name is nobody here.
func (f *userFile) offered(file *auth.File) []string {
	o := auth.Options{File: file}
	if f.c != nil {
		o.Mechanisms = slices.Clone(f.c.Auth.Mechanisms)
		if f.c.Auth.Cleartext == config.CleartextNo {
			o.Mechanisms = slices.DeleteFunc(o.Mechanisms, func(m string) bool { return m == "PLAIN" || m == "LOGIN" })
		}
	}
	return auth.New(o).Mechanisms(auth.Conn{TLS: true})
}
