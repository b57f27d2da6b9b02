package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"maildir-imapd/auth"
)

type passwdFlags struct {
	userFile
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
		Args:                  oneUser("passwd"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.find(); err != nil {
				return err
			}
			return passwd(cmd, f, args[0])
		},
	}
	f.flags(cmd)
	cmd.Flags().BoolVar(&f.cram, "cram-md5", false, "also write a CRAM-MD5 line, with which whoever reads\nthe file can log in by CRAM-MD5; done without asking\nwhere the user has one")
	cmd.Flags().BoolVar(&f.remove, "delete", false, "remove the user's lines, as user del does")
	return cmd
}

// oneUser is for commands that take a user and nothing else.
func oneUser(command string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 1 {
			return fmt.Errorf("%s takes one user name, not %d; try maildir-imapctl %[1]s -h", command, len(args))
		}
		return nil
	}
}

func passwd(cmd *cobra.Command, f passwdFlags, user string) error {
	if err := auth.CheckName(user); err != nil {
		return fmt.Errorf("%q: %w", user, err)
	}
	if f.remove {
		if f.cram {
			return misused(errors.New("passwd: -delete and -cram-md5 exclude each other"))
		}
		return f.drop(cmd, user)
	}
	password, err := newPassword(cmd, user)
	if err != nil {
		return err
	}
	written, edit, err := f.rewrite(cmd.Context(), func(old []byte) ([]byte, auth.Edit, error) {
		return auth.SetPassword(old, user, password, f.cram)
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
	f.warn(cmd.ErrOrStderr(), written)
	return nil
}
