package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"maildir-imapd/cmd/internal/usermail"
	"maildir-imapd/imapd/config"
)

// Doctor looks for what keeps mail from its users, changes nothing that lasts, and prints for each finding the commands
// that mend it. A check is a file doctor_NAME.go and a line of doctorChecks: it gets the exam, tells what it finds with
// problem, and where it could not look with unseen. What it asks of the machine it asks of the exam's host, so that a
// test can make each finding happen.

// doctorCheck is one thing to look at.
type doctorCheck struct {
	name  string
	about string // what it looks at, for -h
	needs needed
	run   func(x *exam)
}

// needed is what a check cannot do without.
type needed int

const (
	needsAccount needed = 1 << iota // that the daemon runs as
	needsUsers                      // the password file's
	perUser                         // looks at one user's where there is a -user
)

// doctorChecks are in the order in which their findings are of use.
var doctorChecks = []doctorCheck{
	{"config", "mistakes in the configuration, with lines; files that it names", 0, checkConfig},
	{"passwords", "the password file: damage, users, who can read it", 0, checkPasswords},
	{"certificates", "certificates and keys: names, time, signers, who can read them", 0, checkCertificates},
	{"sockets", "units and ports: who listens there, and under which name", 0, checkSockets},
	{"roots", "where mail lies: absent, not mounted, read-only, hidden by the unit", needsAccount | needsUsers, checkRoots},
	{"disk", "what file systems can do, tried as the daemon, and free space", needsAccount | needsUsers, checkDisk},
	{"folders", "what access lists promise, and permissions of files refuse", needsAccount | needsUsers | perUser, checkFolders},
	{"inotify", "how much the kernel lets the daemon watch, and the folders there", needsAccount | needsUsers, checkInotify},
	{"clock", "whether something keeps the clock right; mail from the future", needsUsers, checkClock},
}

type doctorFlags struct {
	config string
	user   string
	as     string
}

func doctorCommand() *cobra.Command {
	var f doctorFlags
	var long strings.Builder
	for _, c := range doctorChecks {
		fmt.Fprintf(&long, "  %-13s %s\n", c.name, c.about)
	}
	cmd := &cobra.Command{
		Use:   "doctor [-config FILE] [-user USER] [-as ACCOUNT] [CHECK ...]",
		Short: "find out what keeps mail from its users",
		Long: `doctor looks at what the daemon needs, and prints what is wrong together with the
commands that mend it; it changes nothing itself. The checks are, and all are made
unless some are named:

` + long.String() + `
With -user it looks only at what that user may do with which folder.

It ends with 0 where nothing was found but what begins with "note:", 1 where something
was, 2 where it could not look everywhere, and 64 where it was not understood.
`,
		Example: `  maildir-imapctl doctor
  maildir-imapctl doctor config passwords
  maildir-imapctl doctor -user alice
  maildir-imapctl doctor -user alice -as alice`,
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			checks, err := chosenChecks(args, f.user != "")
			if err != nil {
				return misused(err)
			}
			x := &exam{host: thisHost, cmd: cmd, file: f.config, user: f.user}
			return x.run(checks, f.as)
		},
	}
	cmd.Flags().StringVar(&f.config, "config", config.DefaultPath, "the daemon's configuration `FILE`")
	cmd.Flags().StringVar(&f.user, "user", "", "the `USER` by whose rights to look")
	cmd.Flags().StringVar(&f.as, "as", "", "the system `ACCOUNT` that the daemon runs as for them:\nby default the owner of [server] state, and the users\nthemselves where they are not in the password file")
	return cmd
}

// chosenChecks are those that are named, else all, or all that look at one user's.
func chosenChecks(names []string, user bool) (checks []doctorCheck, err error) {
	for _, name := range names {
		if !slices.ContainsFunc(doctorChecks, func(c doctorCheck) bool { return c.name == name }) {
			return nil, fmt.Errorf("doctor has no check %q; maildir-imapctl doctor -h lists them", name)
		}
	}
	for _, c := range doctorChecks {
		if slices.Contains(names, c.name) || len(names) == 0 && (!user || c.needs&perUser != 0) {
			checks = append(checks, c)
		}
	}
	return checks, nil
}

// exam is one run.
type exam struct {
	*site
	host
	cmd   *cobra.Command
	file  string // the configuration
	user  string // empty: everybody
	asked config.Errors
	warns []config.Warning

	unit    string // the daemon's; empty: the configuration is of none
	service unitFacts
	users   []usermail.User
	people  usermail.People
	account eyes
	lacks   map[needed]error // why what checks need is not to be had
	said    needed           // of which that is told
	found   int
	noted   int
	bad     []error // where it could not look
}

func (x *exam) run(checks []doctorCheck, as string) error {
	x.prepare(as)
	for _, c := range checks {
		if x.cmd.Context().Err() == nil && (x.site != nil || c.name == "config") && x.has(c.needs) {
			c.run(x)
		}
	}
	switch err := errors.Join(append(x.bad, x.cmd.Context().Err())...); {
	case err != nil:
		return unseen(err)
	case x.found > 0:
		return errFindings
	default:
		what := "nothing found"
		if x.noted > 0 {
			what = "nothing else found"
		}
		if x.account.name != "" {
			what += fmt.Sprintf(" (as account %s)", x.account.name)
		}
		fmt.Fprintln(x.cmd.OutOrStdout(), what)
	}
	return nil
}

// prepare finds out what checks need, as far as it can be had.
func (x *exam) prepare(as string) {
	x.lacks, x.said = make(map[needed]error), 0
	c, warns, err := config.Load(x.file)
	x.warns = warns
	if err != nil {
		if !errors.As(err, &x.asked) {
			x.unseen(err)
		}
		x.unseen(errors.New("without a configuration nothing else can be looked at"))
		return
	}
	x.site = siteOf(c)
	x.findUnit()
	if x.people, err = usermail.LoadPeople(c); err == nil {
		x.users, err = usermail.Users(c)
	}
	x.lacks[needsUsers] = err
	x.account, x.lacks[needsAccount] = x.served(x.user, as, x.users, x.service)
}

// has tells whether what a check needs is there, and once why not.
func (x *exam) has(needs needed) bool {
	all := true
	for _, n := range []needed{needsUsers, needsAccount} {
		if err := x.lacks[n]; err != nil && needs&n != 0 {
			all = false
			if x.said&n == 0 {
				x.said |= n
				x.unseen(err)
			}
		}
	}
	return all
}

// problem tells of something, and what mends it, a line each. Names of files are users' to choose, and what stands
// behind four blanks is for a shell, maybe root's: no name begins a line, and none that a terminal would not show as it
// is becomes part of a command.
func (x *exam) problem(where, what string, mend ...string) {
	x.found++
	x.tell(where, what, mend)
}

// note tells of what keeps no mail from anybody and may be meant so, as it is after the installation.
func (x *exam) note(where, what string, mend ...string) {
	x.noted++
	x.tell("note: "+where, what, mend)
}

func (x *exam) tell(where, what string, mend []string) {
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
