package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"maildir-imapd/cmd/internal/usermail"
	"maildir-imapd/imapd/config"
	"maildir-imapd/maildir"
	"maildir-imapd/maildir/acl"
)

// aclFlags are those of all commands below acl.
type aclFlags struct {
	config string
	user   string
}

func aclCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "acl",
		Short: "show, explain and change who may do what with mailboxes",
		Long: `acl shows and changes the lists that say who may do what with a mailbox (RFC 4314):
the file dovecot-acl beside the mail, or what holds where there is none. Mailboxes
are named as clients name them, such as Public/team, Shared/bob/work, or a user's own
with -user. Sessions of the daemon heed a change at their next command.

Identifiers are anyone, authenticated, owner, user=NAME, group=NAME and
group-override=NAME, a dash in front takes rights away. Rights are letters of
lrswipkxtea, see maildir-imapctl(8).
`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return misused(errors.New("acl needs get, set, delete, list or explain; try maildir-imapctl acl -h"))
		},
		DisableFlagsInUseLine: true,
	}
	for _, c := range []func() *cobra.Command{aclGet, aclSet, aclDelete, aclList, aclExplain} {
		cmd.AddCommand(strict(c()))
	}
	return cmd
}

// aclSub is a command below acl. Flags stand before its arguments, among which there may be dashes.
func aclSub(use, short, example string, args cobra.PositionalArgs, run func(a *aclRun, args []string) error) *cobra.Command {
	var f aclFlags
	cmd := &cobra.Command{
		Use: use, Short: short, Long: short + ".\n", Example: "  maildir-imapctl acl " + example,
		Args:                  args,
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := openSite(f.config)
			if err != nil {
				return err
			}
			a := &aclRun{site: s, cmd: cmd, user: f.user}
			if a.people, err = usermail.LoadPeople(s.c); err != nil {
				return err
			}
			return run(a, args)
		},
	}
	cmd.Flags().SetInterspersed(false)
	cmd.Flags().StringVar(&f.config, "config", config.DefaultPath, "the daemon's configuration `FILE`")
	if !strings.HasPrefix(use, "explain") {
		cmd.Flags().StringVar(&f.user, "user", "", "the `USER` whose own mailbox is meant, or who has the\nnamespace")
	}
	return cmd
}

func aclGet() *cobra.Command {
	return aclSub("get [-config FILE] [-user USER] MAILBOX", "show the list of a mailbox", "get Public/team",
		cobra.ExactArgs(1), func(a *aclRun, args []string) error { return a.get(args[0]) })
}

func aclSet() *cobra.Command {
	return aclSub("set [-config FILE] [-user USER] MAILBOX IDENTIFIER RIGHTS ...", "change rights: letters replace, +letters add, -letters take",
		"set Public/team group=staff lrswi user=bob +k -user=eve w", pairs,
		func(a *aclRun, args []string) error { return a.set(args[0], args[1:]) })
}

func aclDelete() *cobra.Command {
	return aclSub("delete [-config FILE] [-user USER] MAILBOX IDENTIFIER ...", "remove what a list says of somebody", "delete Public/team user=bob",
		cobra.MinimumNArgs(2), func(a *aclRun, args []string) error { return a.remove(args[0], args[1:]) })
}

func pairs(_ *cobra.Command, args []string) error {
	if len(args) < 3 || len(args)%2 == 0 {
		return errors.New("acl set takes a mailbox, then identifiers each with rights")
	}
	return nil
}

// aclRun is one command.
type aclRun struct {
	*site
	cmd    *cobra.Command
	user   string
	people usermail.People
}

// access lets the tool do everything, and says who the owner is, whose own lines count.
func (a *aclRun) access(p place) *maildir.Access {
	owner := p.owner
	if p.space == nil {
		owner = a.user
	}
	who := a.people.Who(owner)
	access := &maildir.Access{}
	if p.space != nil && p.space.Kind != config.KindOther {
		access = usermail.PublicAccess(p.space, who)
	} else {
		who.Owner = true
	}
	access.Who, access.All = func() acl.Who { return who }, true
	return access
}

// in opens the tree that a mailbox is in, by a user's eyes where it depends on them.
func (a *aclRun) in(name, user string, f func(t openTree, p place) error) error {
	p, err := a.resolve(name)
	if err != nil {
		return err
	}
	o, err := a.tree(p, user)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	o.Access = a.access(p)
	return a.inTree(o, io.Discard, func(t openTree) error { return f(t, p) })
}

func (a *aclRun) get(name string) error {
	return a.in(name, a.user, func(t openTree, p place) error { return a.show(t, p) })
}

// show prints the first list that is asked.
func (a *aclRun) show(t openTree, p place) error {
	layers, err := t.Layers(a.cmd.Context(), p.inner)
	if err != nil {
		return err
	}
	first := layers[0]
	if first.Err != nil {
		return fmt.Errorf("%s: %w", sourceLine(p, first.From, lineOf(first.Err)), first.Err)
	}
	out := a.cmd.OutOrStdout()
	fmt.Fprintf(out, "# %s\n", source(p, first.From))
	for _, e := range first.List.Merged() {
		fmt.Fprintln(out, e.String())
	}
	return nil
}

func (a *aclRun) set(name string, args []string) error {
	var changes []acl.Change
	for i := 0; i < len(args); i += 2 {
		c, err := changeOf(args[i])
		if err != nil {
			return misused(err)
		}
		text, minus := undash(args[i+1])
		if minus {
			text = "-" + text
		}
		if c.Op, c.Rights, err = acl.ParseChange(text); err != nil {
			return misused(fmt.Errorf("rights %q: %w; they are letters of lrswipkxtea", args[i+1], err))
		}
		changes = append(changes, c)
	}
	return a.change(name, changes)
}

func (a *aclRun) remove(name string, ids []string) error {
	var changes []acl.Change
	for _, id := range ids {
		c, err := changeOf(id)
		if err != nil {
			return misused(err)
		}
		c.Op = acl.Delete
		changes = append(changes, c)
	}
	return a.change(name, changes)
}

// changeOf reads an identifier; a dash in front is of a negative line.
func changeOf(text string) (c acl.Change, err error) {
	text, c.Negative = undash(text)
	c.ID, err = acl.ParseID(text)
	return c, err
}

// undash cuts off a dash, which the reading of flags may have made two of.
func undash(s string) (rest string, was bool) {
	rest, was = strings.CutPrefix(s, "-")
	return strings.TrimPrefix(rest, "-"), was
}

func (a *aclRun) change(name string, changes []acl.Change) error {
	return a.in(name, a.user, func(t openTree, p place) error {
		for _, c := range changes {
			if err := t.SetACL(a.cmd.Context(), p.inner, c); err != nil {
				return err
			}
		}
		if err := a.show(t, p); err != nil {
			return err
		}
		return a.warnOwner(t, p)
	})
}

// warnOwner tells of an owner who can no longer change the list by a mail client, and of lists that nobody asks for.
func (a *aclRun) warnOwner(t openTree, p place) error {
	if p.space != nil && p.space.Kind != config.KindOther {
		return nil
	}
	owner := p.owner
	if p.space == nil {
		owner = a.user
	}
	warn := func(format string, args ...any) {
		fmt.Fprintf(a.cmd.ErrOrStderr(), "maildir-imapctl: note: "+format+"\n", args...)
	}
	if usermail.Sharing(a.c, owner) == nil {
		warn("%s's lists count for nothing: no namespace shows the mailboxes to others", owner)
		return nil
	}
	layers, err := t.Layers(a.cmd.Context(), p.inner)
	if err != nil {
		return err
	}
	who := a.people.Who(owner)
	who.Owner = true
	if r, _ := judge(layers, &who); !r.Has(acl.RightAdmin) {
		warn("%s no longer has the right a: only an administrator can change this list now", owner)
	}
	return nil
}

// judge asks the layers one after the other, as the server does.
func judge(layers []maildir.ACLLayer, who *acl.Who) (r maildir.Rights, decides int) {
	for i, l := range layers {
		switch {
		case l.List == nil && l.Err != nil:
			return 0, i
		case l.From.Kind == "owner":
			return acl.RightsAll, i
		}
		r, matched := l.List.Rights(who)
		if matched || i == len(layers)-1 {
			return r, i
		}
	}
	return 0, len(layers)
}

// source is where a list is from, for people.
func source(p place, from maildir.ACLSource) string { return sourceLine(p, from, 0) }

func sourceLine(p place, from maildir.ACLSource, line int) string {
	switch {
	case from.Path != "" && line > 0:
		return fmt.Sprintf("%s:%d", from.Path, line)
	case from.Path != "":
		return from.Path
	case p.space == nil, p.space.Kind == config.KindOther:
		return "no list: all is the owner's"
	}
	return fmt.Sprintf("no list: [namespace %q] acl", p.space.Name)
}

// lineOf is the line of a file that an error is about, 0 for none.
func lineOf(err error) int {
	var bad *acl.SyntaxError
	if errors.As(err, &bad) {
		return bad.Line
	}
	return 0
}
