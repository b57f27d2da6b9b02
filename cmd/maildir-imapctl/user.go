package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"maildir-imapd/auth"
)

func userCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "user",
		Short: "add, remove, list and try the users of the password file",
		Long: `user works on the daemon's password file, [auth] file of its configuration. Whatever
it does not change in there stays as it is, and a running daemon takes changes over by
itself. passwd sets the password of a user who is there.
`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return misused(errors.New("user needs add, del, list or verify; try maildir-imapctl user -h"))
		},
		DisableFlagsInUseLine: true,
	}
	for _, c := range []func() *cobra.Command{userAddCommand, userDelCommand, userListCommand, userVerifyCommand} {
		cmd.AddCommand(strict(c()))
	}
	return cmd
}

type userAddFlags struct {
	userFile
	cram   bool
	groups string
	fields auth.Fields
}

func userAddCommand() *cobra.Command {
	var f userAddFlags
	cmd := &cobra.Command{
		Use: "add [-config FILE | -file FILE] [-home DIR] [-quota SIZE] [-quota-messages N]\n" +
			"      [-groups NAME,...] [-cram-md5] USER",
		Short: "add a user",
		Long: `add writes a new user with a password, and what else the password file is to say of
the user. Who is there already is refused. The password is asked for twice on a
terminal, else read as one line from standard input.
`,
		Example: `  maildir-imapctl user add -quota 2G -groups staff,board dora
  pwgen -s 20 1 | maildir-imapctl user add bob@example.org`,
		DisableFlagsInUseLine: true,
		Args:                  oneUser("user add"),
		ValidArgsFunction:     cobra.NoFileCompletions, // those who are there are refused
		RunE:                  func(cmd *cobra.Command, args []string) error { return userAdd(cmd, f, args[0]) },
	}
	f.flags(cmd)
	cmd.Flags().StringVar(&f.fields.Home, "home", "", "the user's home `DIR`, for ~ and %h in [mail] path")
	cmd.Flags().StringVar(&f.fields.Quota, "quota", "", "how much mail (`SIZE`) the user may have, as 500M or 2G;\n0 is no limit, without the flag the configuration's holds")
	cmd.Flags().StringVar(&f.fields.QuotaMessages, "quota-messages", "", "how many messages (`N`) the user may have; 0 is no limit")
	cmd.Flags().StringVar(&f.groups, "groups", "", "the user's groups (`NAMES`, with commas) for access rights")
	cmd.Flags().BoolVar(&f.cram, "cram-md5", false, "also write a CRAM-MD5 line, with which whoever reads\nthe file can log in by CRAM-MD5")
	return cmd
}

func userAdd(cmd *cobra.Command, f userAddFlags, user string) error {
	if f.groups != "" {
		f.fields.Groups = strings.Split(f.groups, ",")
	}
	if err := f.find(); err != nil {
		return err
	}
	content, err := f.read()
	if err != nil {
		return err
	}
	if err := auth.CheckAdd(content, user, f.fields); err != nil {
		return f.refused(user, err)
	}
	password, err := newPassword(cmd, user)
	if err != nil {
		return err
	}
	written, edit, err := f.rewrite(cmd.Context(), func(old []byte) ([]byte, auth.Edit, error) {
		return auth.AddUser(old, user, password, f.cram, f.fields)
	})
	if err != nil {
		return f.refused(user, err)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s: added in %s (%s)\n", user, f.file, strings.Join(edit.Written, ", "))
	switch paths, err := f.mail(auth.User{Name: user, Home: f.fields.Home}); {
	case err != nil:
		fmt.Fprintf(cmd.ErrOrStderr(), "maildir-imapctl: %s: can log in, but there is no place for the mail: %v\n", user, err)
	case len(paths) > 0:
		fmt.Fprintf(cmd.OutOrStdout(), "%s: the mail lies in %s\n", user, paths[0])
	}
	f.warn(cmd.ErrOrStderr(), written)
	return nil
}

// refused says of an error whom it is about, and what to do about one who is there.
func (f *userFile) refused(user string, err error) error {
	if errors.Is(err, auth.ErrUserExists) {
		return fmt.Errorf("%s: %w in %s; maildir-imapctl passwd sets another password", user, err, f.file)
	}
	return fmt.Errorf("%q: %w", user, err)
}

func userDelCommand() *cobra.Command {
	var f userFile
	cmd := &cobra.Command{
		Use:   "del [-config FILE | -file FILE] USER",
		Short: "remove a user; the mail stays",
		Long: `del removes all lines of USER from the password file, so that nobody can log in by that
name, and says where the mail lies: it is not touched. Sessions that are open go on.
`,
		Example:               `  maildir-imapctl user del carol`,
		DisableFlagsInUseLine: true,
		Args:                  oneUser("user del"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.find(); err != nil {
				return err
			}
			return f.drop(cmd, args[0])
		},
	}
	f.flags(cmd)
	return cmd
}

func userVerifyCommand() *cobra.Command {
	var f userFile
	cmd := &cobra.Command{
		Use:   "verify [-config FILE | -file FILE] USER",
		Short: "try a password without logging in",
		Long: `verify asks for a password and says whether USER would log in with it, and by which of
the mechanisms that the daemon offers over TLS: how a mail program can give a password. It
asks nobody but the password file, and ends with 0 where the login would work, else with 1.
The password is asked for on a terminal, else read as one line from standard input.
`,
		Example:               `  maildir-imapctl user verify alice`,
		DisableFlagsInUseLine: true,
		Args:                  oneUser("user verify"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.find(); err != nil {
				return err
			}
			return userVerify(cmd, f, args[0])
		},
	}
	f.flags(cmd)
	return cmd
}

// verifyTime is how long every refusal takes, as the daemon's do: neither why nor whether there is such a user shows in it.
const verifyTime = time.Second

func userVerify(cmd *cobra.Command, f userFile, user string) error {
	content, err := auth.ReadFile(f.file)
	if err != nil {
		return denied(err)
	}
	password, err := knownPassword(cmd, user)
	if err != nil {
		return err
	}
	start := time.Now()
	file, _ := auth.ParseGood(f.file, content)
	proofs, err := file.Prove(user, password)
	account, _ := file.Account(user)
	v := verdictOf(proofs, f.offered(file))
	f.warn(cmd.ErrOrStderr(), content)
	if err == nil && account.Never && len(v.by) > 0 {
		v.by, err = nil, errors.New("the password is right, but the user's line says nologin")
	}
	if len(v.by) == 0 {
		if err == nil {
			err = v.why
		}
		time.Sleep(verifyTime - time.Since(start)%verifyTime)
		return fmt.Errorf("%s: would not log in: %w", user, err)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s: would log in by %s\n", user, strings.Join(v.by, ", "))
	if account.Nets != "" {
		fmt.Fprintf(cmd.OutOrStdout(), "%s: only from %s\n", user, account.Nets)
	}
	for _, m := range v.stale {
		fmt.Fprintf(cmd.OutOrStdout(), "%s: not by %s: the user's line for it has another password\n", user, m)
	}
	for _, m := range v.lacking {
		fmt.Fprintf(cmd.OutOrStdout(), "%s: not by %s: the daemon offers it, and the user has no line for it\n", user, m)
	}
	return nil
}

// verdict is what a password comes to.
type verdict struct {
	by, stale, lacking []string // mechanisms: that work, have another password, have no line of the user's
	why                error    // why none works
}

func verdictOf(proofs []auth.Proof, offered []string) verdict {
	v := verdict{why: auth.ErrBadPassword}
	right := false
	for _, m := range offered {
		found := false
		for _, p := range proofs {
			if p.Mechanism != m {
				continue
			}
			found = true
			if p.OK {
				v.by = append(v.by, m)
			} else {
				v.stale = append(v.stale, m)
			}
		}
		if !found {
			v.lacking = append(v.lacking, m)
		}
	}
	for _, p := range proofs {
		right = right || p.OK
	}
	if right && len(v.by) == 0 {
		v.why = errors.New("the password is right, but [auth] mechanisms and cleartext allow none that the user has a line for")
	}
	return v
}
