package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"maildir-imapd/auth"
	"maildir-imapd/imapd/config"
)

// passwdLockWait is how long one passwd waits for another.
const passwdLockWait = 10 * time.Second

type passwdFlags struct {
	config string
	file   string
	cram   bool
	remove bool
}

func passwdCommand() *cobra.Command {
	var f passwdFlags
	cmd := &cobra.Command{
		Use:   "passwd [-config FILE | -file FILE] [-cram-md5] [-delete] USER",
		Short: "set a user's password, or remove the user",
		Long: `passwd sets the password of USER in the daemon's password file, [auth] file of
its configuration: it writes a bcrypt and a SCRAM-SHA-256 line and keeps everything
else in the file. The user is added when not there; so is the file. A running daemon
takes the change over by itself.

The password is asked for twice on a terminal, else read as one line from standard
input. It is never an argument: other users could see it.
`,
		Example: `  maildir-imapctl passwd alice
  pwgen -s 20 1 | maildir-imapctl passwd -file /srv/mail/users.passwd bob@example.org
  maildir-imapctl passwd -delete carol`,
		DisableFlagsInUseLine: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("passwd takes one user name, not %d; try maildir-imapctl passwd -h", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.find(); err != nil {
				return err
			}
			return passwd(cmd, f, args[0])
		},
	}
	cmd.Flags().StringVar(&f.config, "config", config.DefaultPath, "the daemon's configuration `FILE`, which names the\npassword file")
	cmd.Flags().StringVar(&f.file, "file", "", "password `FILE`, whatever the configuration says")
	cmd.Flags().BoolVar(&f.cram, "cram-md5", false, "also write a CRAM-MD5 line, with which whoever reads\nthe file can log in by CRAM-MD5; done without asking\nwhere the user has one")
	cmd.Flags().BoolVar(&f.remove, "delete", false, "remove the user's lines")
	return cmd
}

// find settles which file is meant: the one that the daemon reads, unless -file names another.
func (f *passwdFlags) find() error {
	if f.file != "" {
		return nil
	}
	c, _, err := config.Load(f.config)
	if err != nil {
		return fmt.Errorf("the configuration does not say which password file: %w; or name it with -file", err)
	}
	f.file = c.Auth.File
	return nil
}

func passwd(cmd *cobra.Command, f passwdFlags, user string) error {
	if err := auth.CheckName(user); err != nil {
		return fmt.Errorf("%q: %w", user, err)
	}
	if f.remove {
		if f.cram {
			return misused(errors.New("passwd: -delete and -cram-md5 exclude each other"))
		}
		return passwdDelete(cmd, f.file, user)
	}
	password, err := readPassword(cmd.Context(), cmd.InOrStdin(), cmd.ErrOrStderr(), user)
	if err != nil {
		return err
	}
	if err := auth.CheckPassword(password); err != nil {
		return err
	}
	var edit auth.Edit
	var written []byte
	err = updatePasswd(cmd.Context(), f.file, func(old []byte) ([]byte, error) {
		var err error
		written, edit, err = auth.SetPassword(old, user, password, f.cram)
		return written, err
	})
	if err != nil {
		return err
	}
	verb := "changed"
	if edit.Created {
		verb = "added"
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s: %s in %s (%s)\n", user, verb, f.file, strings.Join(edit.Written, ", "))
	for _, kind := range edit.Dropped {
		fmt.Fprintf(cmd.ErrOrStderr(), "maildir-imapctl: %s: the old password's %s line is replaced\n", user, kind)
		if kind == "{PLAIN}" && !f.cram {
			fmt.Fprintf(cmd.ErrOrStderr(), "maildir-imapctl: %s: CRAM-MD5 no longer works for this user unless -cram-md5 is given\n", user)
		}
	}
	warnBad(cmd.ErrOrStderr(), f.file, written)
	return nil
}

func passwdDelete(cmd *cobra.Command, file, user string) error {
	n := 0
	var written []byte
	err := updatePasswd(cmd.Context(), file, func(old []byte) ([]byte, error) {
		if written, n = auth.Remove(old, user); n == 0 {
			return nil, fmt.Errorf("%s has no user %q", file, user)
		}
		return written, nil
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s: removed from %s (lines: %d)\n", user, file, n)
	warnBad(cmd.ErrOrStderr(), file, written)
	return nil
}

func updatePasswd(ctx context.Context, file string, edit func([]byte) ([]byte, error)) error {
	ctx, cancel := context.WithTimeout(ctx, passwdLockWait)
	defer cancel()
	return auth.UpdateFile(ctx, file, edit)
}

// warnBad names the lines for which a daemon would refuse the file: the change is
// made, but would not be seen.
func warnBad(w io.Writer, file string, content []byte) {
	if _, err := auth.Parse(file, content); err != nil {
		fmt.Fprintf(w, "maildir-imapctl: the daemon will not take this file over before these lines are put right:\n%v\n", err)
	}
}
