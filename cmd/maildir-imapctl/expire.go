package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"maildir-imapd/cmd/internal/usermail"
	"maildir-imapd/imapd/config"
	"maildir-imapd/maildir"
)

type expireFlags struct {
	config string
	all    bool
	dry    bool
}

func expireCommand() *cobra.Command {
	var f expireFlags
	cmd := &cobra.Command{
		Use:   "expire [-config FILE] [-dry-run] {-all | USER ...}",
		Short: "remove messages that have had their time",
		Long: `expire removes from mailboxes what the sections [mailbox "NAME"] of the configuration
let go: messages that came into the mailbox longer ago than expire says, and all but
the newest that keep says. With -all it does so for every user of the password file
and in public folders, for named users in their own mail. The daemon may be running:
clients are told as of any other expunge.

The time counts from when a message came into the mailbox. Where that is not known,
as in a mailbox that nobody has opened yet, it begins with the first look, this one.
`,
		Example: `  maildir-imapctl expire -dry-run -all
  maildir-imapctl expire alice bob@example.org`,
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.all == (len(args) > 0) {
				return misused(errors.New("expire takes users, or -all; try maildir-imapctl expire -h"))
			}
			s, err := openSite(f.config)
			if err != nil {
				return err
			}
			return (&expireRun{site: s, cmd: cmd, f: f, now: time.Now()}).run(args)
		},
	}
	cmd.Flags().StringVar(&f.config, "config", config.DefaultPath, "the daemon's configuration `FILE`")
	cmd.Flags().BoolVar(&f.all, "all", false, "every user of the password file, and the public namespaces")
	cmd.Flags().BoolVar(&f.dry, "dry-run", false, "remove nothing, tell how much it would be")
	return cmd
}

// expireRun is one run over some trees.
type expireRun struct {
	*site
	cmd         *cobra.Command
	f           expireFlags
	now         time.Time
	own, public []expiring
	gone, boxes int
	bad         []error
}

// expiring is a mailbox of the configuration and where it is.
type expiring struct {
	config.Mailbox
	place
}

func (r *expireRun) run(args []string) error {
	r.sections()
	if len(r.bad) > 0 { // nobody's mail goes by half a configuration
		return errors.Join(r.bad...)
	}
	if len(r.own)+len(r.public) == 0 {
		fmt.Fprintln(r.cmd.OutOrStdout(), `nothing to do: no section [mailbox "NAME"] has expire or keep`)
		return nil
	}
	users, err := r.users(args)
	if err != nil {
		return err
	}
	for _, u := range users {
		if r.cmd.Context().Err() != nil {
			break
		}
		o, err := usermail.Own(r.c, u)
		if err != nil {
			r.bad = append(r.bad, err)
		} else if len(r.own) > 0 && there(o.Root) { // who never logged in has no mail
			r.inside(u.Name, o, r.own)
		}
	}
	if r.f.all {
		r.inPublic(users)
	}
	verb := "expired"
	if r.f.dry {
		verb = "would expire"
	}
	fmt.Fprintf(r.cmd.OutOrStdout(), "%s: %d (mailboxes: %d)\n", verb, r.gone, r.boxes)
	return errors.Join(append(r.bad, r.cmd.Context().Err())...)
}

// sections finds out where the mailboxes are that the configuration names.
func (r *expireRun) sections() {
	for _, m := range r.c.Mailboxes {
		if m.Expire == 0 && m.Keep == 0 {
			continue
		}
		p, err := r.resolve(m.Name)
		switch {
		case err != nil:
			r.bad = append(r.bad, fmt.Errorf("[mailbox %q]: %w", m.Name, err))
		case p.space == nil:
			r.own = append(r.own, expiring{m, p})
		case p.space.Kind == config.KindOther:
			r.bad = append(r.bad, fmt.Errorf("[mailbox %q] is in other users' mail: name it as its owners do, which is for all users", m.Name))
		default:
			r.public = append(r.public, expiring{m, p})
		}
	}
}

// users are those whose mail is meant.
func (r *expireRun) users(args []string) ([]usermail.User, error) {
	if r.f.all {
		return usermail.Users(r.c)
	}
	if err := r.knowsAll(r.cmd, args); err != nil {
		return nil, err
	}
	var users []usermail.User
	for _, a := range args {
		u, err := r.userNamed(a)
		if err != nil {
			return nil, err
		}
		users = append(users, u)
	}
	return users, nil
}

func (r *expireRun) inPublic(users []usermail.User) {
	for i := range r.c.Namespaces {
		n := &r.c.Namespaces[i]
		var mine []expiring
		for _, m := range r.public {
			if m.space == n {
				mine = append(mine, m)
			}
		}
		if len(mine) == 0 {
			continue
		}
		for _, o := range usermail.AllPublic(r.c, *n, users) {
			if r.cmd.Context().Err() == nil && (o.Root == n.Path || there(o.Root)) { // not every domain need have one
				r.inside("", o.Folders(), mine)
			}
		}
	}
}

// inside works in one tree, as its owner. What goes wrong in it keeps nobody off the others.
func (r *expireRun) inside(user string, o maildir.TreeOptions, boxes []expiring) {
	err := r.inTree(o, r.cmd.ErrOrStderr(), func(t openTree) error {
		var errs []error
		for _, m := range boxes {
			errs = append(errs, r.mailbox(t, user, m))
		}
		return errors.Join(errs...)
	})
	if err != nil {
		r.bad = append(r.bad, fmt.Errorf("%s: %w", o.Root, err))
	}
}

func (r *expireRun) mailbox(t openTree, user string, m expiring) error {
	o := maildir.ExpireOptions{Keep: m.Keep, DryRun: r.f.dry}
	if m.Expire > 0 {
		o.Before = r.now.Add(-m.Expire)
	}
	n, err := t.Expire(r.cmd.Context(), m.inner, o)
	if n > 0 {
		r.gone += n
		r.boxes++
		whose := t.root
		if user != "" {
			whose = user
		}
		fmt.Fprintf(r.cmd.OutOrStdout(), "%s: %s: %d\n", whose, m.Name, n)
	}
	if errors.Is(err, maildir.ErrNotExist) {
		return nil // not everybody has one
	}
	return err
}
