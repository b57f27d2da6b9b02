package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"maildir-imapd/cmd/internal/usermail"
	"maildir-imapd/imapd/config"
)

// Doctor looks for what keeps users from what they were promised, changes nothing, and prints for each finding the
// commands that mend it. A check is a file doctor_NAME.go and a line of doctorChecks: it gets the exam, tells what it
// finds with problem, and where it could not look with unseen.

// doctorCheck is one thing to look at.
type doctorCheck struct {
	name string
	run  func(x *exam)
}

// doctorChecks are in the order in which their findings are of use.
var doctorChecks = []doctorCheck{
	{"folders", checkFolders},
}

type doctorFlags struct {
	config string
	user   string
	as     string
}

func doctorCommand() *cobra.Command {
	var f doctorFlags
	cmd := &cobra.Command{
		Use:   "doctor [-config FILE] [-user USER] [-as ACCOUNT]",
		Short: "find out why users cannot do what they may",
		Long: `doctor walks through the mail of a user and the public folders, and compares what
access lists promise with what the permissions of the file system let the daemon do.
Each finding comes with the commands that mend it; doctor itself changes nothing.
Without -user it looks at everybody's mail, and at what public folders promise anybody.

It ends with 0 where nothing was found, 1 where something was, 2 where it could not
look everywhere, and 64 where it was not understood.
`,
		Example: `  maildir-imapctl doctor
  maildir-imapctl doctor -user alice
  maildir-imapctl doctor -user alice -as alice`,
		DisableFlagsInUseLine: true,
		Args:                  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := openSite(f.config)
			if err != nil {
				return unseen(err)
			}
			x := &exam{site: s, cmd: cmd, user: f.user}
			if x.people, err = usermail.LoadPeople(s.c); err != nil {
				return unseen(err)
			}
			if x.users, err = usermail.Users(s.c); err != nil {
				return unseen(err)
			}
			if x.account, err = s.served(f.user, f.as, x.users); err != nil {
				return unseen(err)
			}
			return x.run()
		},
	}
	cmd.Flags().StringVar(&f.config, "config", config.DefaultPath, "the daemon's configuration `FILE`")
	cmd.Flags().StringVar(&f.user, "user", "", "the `USER` by whose rights to look")
	cmd.Flags().StringVar(&f.as, "as", "", "the system `ACCOUNT` that the daemon runs as for them:\nby default the owner of [server] state, and the users\nthemselves where they are not in the password file")
	return cmd
}

// exam is one run.
type exam struct {
	*site
	cmd     *cobra.Command
	user    string // empty: everybody
	users   []usermail.User
	people  usermail.People
	account eyes
	found   int
	bad     []error // where it could not look
}

func (x *exam) run() error {
	out := x.cmd.OutOrStdout()
	for _, c := range doctorChecks {
		if x.cmd.Context().Err() == nil {
			c.run(x)
		}
	}
	switch err := errors.Join(append(x.bad, x.cmd.Context().Err())...); {
	case err != nil:
		return unseen(err)
	case x.found > 0:
		return errFindings
	}
	fmt.Fprintf(out, "nothing found (as account %s)\n", x.account.name)
	return nil
}

// problem tells of something, and what mends it, a line each. Names of files are users' to choose, and what stands
// behind four blanks is for a shell, maybe root's: no name begins a line, and none that a terminal would not show as it
// is becomes part of a command.
func (x *exam) problem(where, what string, mend ...string) {
	x.found++
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", visible(where), visible(what))
	for _, m := range mend {
		if visible(m) != m {
			m = "# the name has characters that cannot be shown: mend it by hand"
		}
		fmt.Fprintf(&b, "    %s\n", m)
	}
	fmt.Fprint(x.cmd.OutOrStdout(), b.String())
}

// visible is a text in one line, with escapes as Go has them for what cannot be shown.
func visible(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && n == 1 || !unicode.IsGraphic(r) {
			b.WriteString(strings.Trim(strconv.QuoteToASCII(s[:n]), `"`))
		} else {
			b.WriteString(s[:n])
		}
		s = s[n:]
	}
	return b.String()
}

// unseen tells of a place where it could not be looked.
func (x *exam) unseen(err error) { x.bad = append(x.bad, err) }
