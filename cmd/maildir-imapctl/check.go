package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"maildir-imapd/auth"
	"maildir-imapd/imapd/config"
	"maildir-imapd/maildir"
)

// errFindings ends check with status 1: it has told what it found.
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

It ends with 0 where nothing was found or left, 1 where something was, and 2 where
it could not look everywhere.
`,
		Example: `  maildir-imapctl check -all
  maildir-imapctl check -repair alice bob@example.org
  maildir-imapctl check /srv/mail/alice`,
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.all == (len(args) > 0) {
				return failed{errors.New("check takes users, paths, or -all; try maildir-imapctl check -h")}
			}
			c, _, err := config.Load(f.config)
			if err != nil {
				return failed{err}
			}
			return (&checkRun{cmd: cmd, f: f, c: c, state: stateOf(c)}).run(args)
		},
	}
	cmd.Flags().StringVar(&f.config, "config", config.DefaultPath, "the daemon's configuration `FILE`")
	cmd.Flags().BoolVar(&f.all, "all", false, "every user of the password file, and the public namespaces")
	cmd.Flags().BoolVar(&f.repair, "repair", false, "repair what was found, then look again")
	cmd.Flags().DurationVar(&f.wait, "wait", 2*time.Second, "how long to wait for a mailbox that another program\nhas locked")
	return cmd
}

// failed is an error that ends the program with status 2.
type failed struct{ error }

func (f failed) Unwrap() error { return f.error }

// checkRun is one run over some trees.
type checkRun struct {
	cmd   *cobra.Command
	f     checkFlags
	c     *config.Config
	state stateDir
	found int // and not repaired
	trees int
	bad   error
}

// mailRoot is one tree to be looked at.
type mailRoot struct {
	path string
	o    maildir.TreeOptions
}

func (r *checkRun) run(args []string) error {
	roots, err := r.roots(args)
	if err != nil {
		return failed{err}
	}
	for _, root := range roots {
		if err := r.asOwner(root.path, func(owner int) error { return r.tree(root, owner) }); err != nil {
			r.bad = errors.Join(r.bad, fmt.Errorf("%s: %w", root.path, err))
		}
	}
	switch {
	case r.bad != nil:
		return failed{r.bad}
	case r.found > 0:
		return errFindings
	}
	fmt.Fprintf(r.cmd.OutOrStdout(), "nothing found (trees: %d)\n", r.trees)
	return nil
}

// roots are the trees that the arguments mean.
func (r *checkRun) roots(args []string) (roots []mailRoot, err error) {
	own := maildir.TreeOptions{Separator: r.c.Mail.Separator[0], Layout: layoutOf(r.c.Mail.Layout), Follow: r.c.Mail.Follow, DiskUTF8: r.c.Mail.UTF8}
	if r.f.all || !allPaths(args) {
		file, err := auth.LoadFile(r.c.Auth.File)
		if err != nil {
			return nil, err
		}
		homes := make(map[string]string)
		for _, u := range file.Users() {
			homes[u.Name] = u.Home
			if r.f.all {
				args = append(args, u.Name)
			}
		}
		for i, name := range args {
			if strings.Contains(name, "/") {
				continue
			}
			if args[i], err = config.Expand(r.c.Mail.Path, name, func() (string, error) { return homeOf(name, homes[name]) }); err != nil {
				return nil, err
			}
		}
	}
	for _, path := range args {
		o := own
		if o.Root, err = filepath.Abs(path); err != nil {
			return nil, err
		}
		if _, serr := os.Stat(o.Root); r.f.all && errors.Is(serr, os.ErrNotExist) {
			continue // who never logged in has no mail
		}
		roots = append(roots, mailRoot{o.Root, o})
	}
	return append(roots, r.public()...), nil
}

// public are the namespaces that all users share.
func (r *checkRun) public() (roots []mailRoot) {
	for _, n := range r.c.Namespaces {
		if !r.f.all || strings.ContainsAny(n.Path, "%~") {
			continue
		}
		o := maildir.TreeOptions{Root: n.Path, Separator: r.c.Mail.Separator[0], Layout: layoutOf(n.Layout), Follow: r.c.Mail.Follow, DiskUTF8: r.c.Mail.UTF8, NoInbox: true}
		if n.Separator != "" {
			o.Separator = n.Separator[0]
		}
		roots = append(roots, mailRoot{n.Path, o})
	}
	return roots
}

func allPaths(args []string) bool {
	for _, a := range args {
		if !strings.Contains(a, "/") {
			return false
		}
	}
	return true
}

func layoutOf(l config.Layout) maildir.Layout {
	if l == config.FS {
		return maildir.FS
	}
	return maildir.MaildirPP
}

func homeOf(name, home string) (string, error) {
	if home != "" {
		return home, nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return "", err
	}
	return u.HomeDir, nil
}

// tree looks at one tree. owner is whose rights that is done with, -1 for the caller's own.
func (r *checkRun) tree(root mailRoot, owner int) error {
	out := r.cmd.OutOrStdout()
	so := maildir.StoreOptions{Log: slog.New(slog.NewTextHandler(r.cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelError}))}
	usable, serr := maildir.StateFor(r.state.dir, root.path)
	if usable {
		so.State = r.state.dir
	}
	why := ""
	if serr != nil {
		why = "nothing now: UIDs may be lost without [server] state, which " + r.state.unusable(serr)
		fmt.Fprintf(out, "%s: not compared with [server] state, which %s\n", root.path, r.state.unusable(serr))
	}
	store, err := maildir.NewStore(so)
	if err != nil {
		return err
	}
	defer store.Close()
	tree, err := store.Tree(root.o)
	if err != nil {
		return err
	}
	ctx := r.cmd.Context()
	look := func() ([]maildir.Finding, error) {
		found, err := tree.Check(ctx, maildir.CheckOptions{Wait: r.f.wait, Owner: owner})
		if why != "" {
			maildir.Withhold(found, why)
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
	err = tree.Repair(ctx, found)
	left, cerr := look()
	if len(left) > 0 {
		fmt.Fprintf(out, "%s: left after the repair:\n", root.path)
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
