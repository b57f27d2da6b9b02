package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"maildir-imapd/cmd/internal/alertfile"
	"maildir-imapd/cmd/internal/usermail"
	"maildir-imapd/imapd/config"
)

type alertFlags struct {
	config string
	users  []string
	all    bool
	keep   string
	list   bool
	remove bool
}

func alertCommand() *cobra.Command {
	var f alertFlags
	cmd := &cobra.Command{
		Use:   "alert [-config FILE] {{-user USER ... | -all} [-for TIME] TEXT | -list | -remove ID ...}",
		Short: "tell users something in their mail programs",
		Long: `alert makes the daemon say TEXT to users, whose mail programs must show it: once to
every session that is open, at once, and once to every one that begins while the
alert stands, which is a day unless -for says otherwise.

TEXT is one line in the end. Umlauts and the like become plain letters where a mail
program has not asked for UTF-8.
`,
		Example: `  maildir-imapctl alert -all "Down from 18:00 to 18:30"
  maildir-imapctl alert -user alice -user bob -for 3d "Please call the office"
  maildir-imapctl alert -list
  maildir-imapctl alert -remove 20261122T130501.000-1f2e3d4c`,
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(cmd, args); err != nil {
				return misused(fmt.Errorf("%w; try maildir-imapctl alert -h", err))
			}
			s, err := openSite(f.config)
			if err != nil {
				return err
			}
			return s.inState(func() error {
				switch {
				case f.list:
					return s.listAlerts(cmd)
				case f.remove:
					return s.removeAlerts(args)
				}
				return s.addAlerts(cmd, f, args[0])
			})
		},
	}
	cmd.Flags().StringVar(&f.config, "config", config.DefaultPath, "the daemon's configuration `FILE`")
	cmd.Flags().StringArrayVar(&f.users, "user", nil, "the `USER` who is told; may be repeated")
	cmd.Flags().BoolVar(&f.all, "all", false, "everybody is told")
	cmd.Flags().StringVar(&f.keep, "for", "1d", "`TIME` for which it stands, such as 2h or 7d; 0: until\nit is removed")
	cmd.Flags().BoolVar(&f.list, "list", false, "show what stands")
	cmd.Flags().BoolVar(&f.remove, "remove", false, "take alerts back, by the first word of -list")
	return cmd
}

// check finds what the flags do not allow together.
func (f *alertFlags) check(cmd *cobra.Command, args []string) error {
	tells := len(f.users) > 0 || f.all || cmd.Flags().Changed("for")
	switch {
	case f.list && (f.remove || tells || len(args) > 0):
		return errors.New("-list stands alone")
	case f.remove && (tells || len(args) == 0):
		return errors.New("-remove takes the first words of -list, and nothing else")
	case f.list || f.remove:
		return nil
	case f.all == (len(f.users) > 0):
		return errors.New("alert needs -user USER or -all")
	case len(args) != 1:
		return fmt.Errorf("alert takes one text, not %d: put it in quotes", len(args))
	}
	_, err := f.until(time.Now())
	return err
}

// until is when the alert is over.
func (f *alertFlags) until(now time.Time) (time.Time, error) {
	if f.keep == "0" {
		return time.Time{}, nil
	}
	d, err := config.ParseDuration(f.keep)
	if err != nil {
		return time.Time{}, fmt.Errorf("-for: %w", err)
	}
	if d == 0 {
		return time.Time{}, nil
	}
	return now.Add(d).Truncate(time.Second), nil
}

// inState runs f as the owner of [server] state.
func (s *site) inState(f func() error) error {
	begun := false
	err := s.asOwner(s.state.dir, func(int) error {
		begun = true
		return f()
	})
	if err != nil && !begun {
		return fmt.Errorf("[server] state = %s: %w", s.state.dir, err)
	}
	return err
}

func (s *site) addAlerts(cmd *cobra.Command, f alertFlags, text string) error {
	now := time.Now()
	until, err := f.until(now)
	if err != nil {
		return err
	}
	users := f.users
	if f.all {
		users = []string{""}
	} else if err := s.knowsAll(cmd, users); err != nil {
		return err
	}
	for _, u := range users {
		id, err := alertfile.Add(s.state.dir, alertfile.Alert{User: u, Text: oneLine(text), Until: until}, now)
		if err != nil {
			return err
		}
		fmt.Fprintln(cmd.OutOrStdout(), id)
	}
	return nil
}

// knowsAll refuses names that are nobody's, which are slips of the hand. Where the password file cannot be read, or is
// not there since people come by ssh, nobody can tell.
func (s *site) knowsAll(cmd *cobra.Command, names []string) error {
	users, err := usermail.Users(s.c)
	if err != nil || len(users) == 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "maildir-imapctl: note: not looked up in [auth] file = %s\n", s.c.Auth.File)
		return nil
	}
	known := make(map[string]bool, len(users))
	for _, u := range users {
		known[u.Name] = true
	}
	for _, name := range names {
		if !known[name] {
			return fmt.Errorf("user %q is not in [auth] file = %s", name, s.c.Auth.File)
		}
	}
	return nil
}

func (s *site) listAlerts(cmd *cobra.Command) error {
	all, err := alertfile.Load(s.state.dir)
	now := time.Now()
	for _, a := range all {
		if a.Over(now) {
			continue
		}
		user, until := a.User, "-"
		if user == "" {
			user = "-all"
		}
		if !a.Until.IsZero() {
			until = a.Until.Local().Format("2006-01-02T15:04:05")
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s %s %s %s\n", a.ID, user, until, oneLine(a.Text))
	}
	return err
}

func (s *site) removeAlerts(ids []string) error {
	var errs []error
	for _, id := range ids {
		errs = append(errs, alertfile.Remove(s.state.dir, id))
	}
	return errors.Join(errs...)
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
