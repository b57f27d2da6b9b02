package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"maildir-imapd/cmd/internal/usermail"
	"maildir-imapd/imapd/config"
	"maildir-imapd/maildir"
)

// errFindings ends check, doctor, probe, user list and acl explain -may with status 1: they have told what they found.
var errFindings = errors.New("findings")

type checkFlags struct {
	config string
	all    bool
	repair bool
	wait   time.Duration
}

func checkCommand() *cobra.Command {
	var f checkFlags
	cmd := &cobra.Command{
		Use:   "check [-config FILE] [-repair] [-wait TIME] {-all | USER ... | PATH ...}",
		Short: "look for damage in users' mail, and repair it",
		Long: `check looks for damage in the mail of users: in the lists of UIDs, the daemon's own
files, subscriptions, quota, and what programs that died have left. Each finding is
told with what it means and what -repair does about it. Arguments with a '/' are
paths of mail trees. The daemon may be running.

-repair sets aside what it replaces, removes no message, and tells what is left.

It ends with 0 where nothing was found or left, 1 where something was, 2 where it
could not look everywhere, and 64 where it was not understood.
`,
		Example: `  maildir-imapctl check -all
  maildir-imapctl check -repair alice bob@example.org
  maildir-imapctl check /srv/mail/alice`,
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.all == (len(args) > 0) {
				return misused(errors.New("check takes users, paths, or -all; try maildir-imapctl check -h"))
			}
			s, err := openSite(f.config)
			if err != nil {
				return unseen(err)
			}
			return (&checkRun{site: s, cmd: cmd, f: f}).run(args)
		},
	}
	cmd.Flags().StringVar(&f.config, "config", config.DefaultPath, "the daemon's configuration `FILE`")
	cmd.Flags().BoolVar(&f.all, "all", false, "every user of the password file, and the public namespaces")
	cmd.Flags().BoolVar(&f.repair, "repair", false, "repair what was found, then look again")
	cmd.Flags().DurationVar(&f.wait, "wait", 2*time.Second, "how long to wait for a mailbox that another program\nhas locked")
	return cmd
}

// unseen is the end of a check that could not look everywhere.
func unseen(err error) error { return exitError{err, exitUnseen} }

// checkRun is one run over some trees.
type checkRun struct {
	*site
	cmd   *cobra.Command
	f     checkFlags
	found int // and not repaired
	trees int
	bad   []error // where it could not look
}

func (r *checkRun) run(args []string) error {
	find := func() ([]maildir.TreeOptions, error) { return r.named(args) }
	if r.f.all {
		find = r.everything
	}
	trees, err := find()
	if err != nil {
		return unseen(err)
	}
	for _, o := range trees {
		if err := r.inTree(o, r.cmd.ErrOrStderr(), r.tree); err != nil {
			r.bad = append(r.bad, fmt.Errorf("%s: %w", o.Root, err))
		}
	}
	switch {
	case len(r.bad) > 0:
		return unseen(errors.Join(r.bad...))
	case r.found > 0:
		return errFindings
	}
	fmt.Fprintf(r.cmd.OutOrStdout(), "nothing found (trees: %d)\n", r.trees)
	return nil
}

// named are the trees that arguments mean: paths, and users, whose homes the password file may have. Who has no tree
// is no reason to leave out the others.
func (r *checkRun) named(args []string) (trees []maildir.TreeOptions, err error) {
	homes := make(map[string]string)
	if slices.ContainsFunc(args, func(a string) bool { return !strings.Contains(a, "/") }) {
		users, err := usermail.Users(r.c)
		if err != nil {
			return nil, err
		}
		for _, u := range users {
			homes[u.Name] = u.Home
		}
	}
	for _, a := range args {
		var o maildir.TreeOptions
		if strings.Contains(a, "/") {
			if a, err = filepath.Abs(a); err == nil {
				o, err = usermail.At(r.c, a)
			}
		} else {
			o, err = usermail.Own(r.c, usermail.User{Name: a, Home: homes[a]})
		}
		if err != nil {
			r.bad = append(r.bad, err)
			continue
		}
		trees = append(trees, o)
	}
	return trees, nil
}

// everything is the mail of all users of the password file, and what they share.
func (r *checkRun) everything() (trees []maildir.TreeOptions, err error) {
	users, err := usermail.Users(r.c)
	if err != nil {
		return nil, err
	}
	if len(users) == 0 {
		r.bad = append(r.bad, fmt.Errorf("[auth] file = %s has no users: name those who have mail", r.c.Auth.File))
	}
	for _, u := range users {
		o, err := usermail.Own(r.c, u)
		if err != nil {
			r.bad = append(r.bad, err)
			continue
		}
		if there(o.Root) { // who never logged in has no mail
			trees = append(trees, o)
		}
	}
	for _, n := range r.c.Namespaces {
		for _, o := range usermail.AllPublic(r.c, n, users) {
			if o.Root == n.Path || there(o.Root) { // not every domain need have one
				trees = append(trees, o.Folders())
			}
		}
	}
	return trees, nil
}

// there is false only of what is certainly not there.
func there(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// tree looks at one tree.
func (r *checkRun) tree(t openTree) error {
	out := r.cmd.OutOrStdout()
	if t.unusable != "" {
		fmt.Fprintf(out, "%s: not compared with [server] state, which %s\n", t.root, t.unusable)
	}
	ctx := r.cmd.Context()
	look := func() ([]maildir.Finding, error) {
		found, err := t.Check(ctx, maildir.CheckOptions{Wait: r.f.wait, Owner: t.owner})
		if t.unusable != "" {
			maildir.Withhold(found, "nothing now: UIDs may be lost without [server] state, which "+t.unusable)
		}
		return found, err
	}
	found, err := look()
	if err != nil {
		r.tell(found, "")
		return err
	}
	r.trees++
	if !r.f.repair || len(found) == 0 {
		r.tell(found, "-repair ")
		r.found += len(found)
		return nil
	}
	r.tell(found, "repaired: ")
	err = t.Repair(ctx, found)
	left, cerr := look()
	if len(left) > 0 {
		fmt.Fprintf(out, "%s: left after the repair:\n", t.root)
		r.tell(left, "")
	}
	r.found += len(left)
	return errors.Join(err, cerr)
}

// tell prints findings; verb stands before what a repair does.
func (r *checkRun) tell(found []maildir.Finding, verb string) {
	out := r.cmd.OutOrStdout()
	for i := range found {
		f := &found[i]
		v := verb
		if f.ByHand || verb == "" {
			v = "repair: "
		}
		fmt.Fprintf(out, "%s: %s (%d)\n    means: %s\n    %s%s\n", f.Path(), f.What, f.Invariant, f.Means, v, f.Repair)
	}
}
