package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"maildir-imapd/cmd/internal/usermail"
	"maildir-imapd/imapd/config"
	"maildir-imapd/maildir"
	"maildir-imapd/maildir/acl"
)

func aclExplain() *cobra.Command {
	var may string
	cmd := aclSub("explain [-config FILE] [-may RIGHTS] USER MAILBOX", "tell what a user may do with a mailbox, and which lines say so",
		"explain alice Public/team", cobra.ExactArgs(2),
		func(a *aclRun, args []string) error {
			want, err := acl.ParseRights(may)
			if err != nil {
				return misused(fmt.Errorf("-may %s: %w", may, err))
			}
			r, bad, err := a.explain(args[0], args[1])
			switch {
			case err != nil || r.Has(want):
				return err
			case bad != nil:
				return unseen(bad) // mail can wait until it is mended
			}
			return errFindings
		})
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		err := run(cmd, args)
		var known exitError
		if err != nil && may != "" && !errors.Is(err, errFindings) && !errors.As(err, &known) {
			return unseen(err)
		}
		return err
	}
	cmd.Long += "USER may be empty: somebody who has not logged in.\n"
	cmd.Flags().StringVar(&may, "may", "", "end with 1 if the user does not have all `RIGHTS`, and\nwith 2 if that cannot be told")
	return cmd
}

// explain prints and returns a user's rights, and why the list that decides them is not to be used, if so.
func (a *aclRun) explain(user, name string) (r maildir.Rights, bad, err error) {
	a.user = user
	err = a.in(name, user, func(t openTree, p place) error {
		layers, err := t.Layers(a.cmd.Context(), p.inner)
		if err != nil {
			return err
		}
		who := a.people.Who(user)
		who.Anonymous = user == ""
		who.Owner = p.space == nil || p.owner != "" && p.owner == user
		if who.Owner && usermail.Sharing(a.c, user) == nil {
			layers = []maildir.ACLLayer{{From: maildir.ACLSource{Kind: "owner"}}} // files are not looked at
		}
		var decides int
		r, decides = judge(layers, &who)
		groups := "in no group"
		if len(who.Groups) > 0 {
			groups = "in the groups " + strings.Join(who.Groups, ", ")
		}
		fmt.Fprintf(a.cmd.OutOrStdout(), "%s, %s, has %s to %s\n", named(user), groups, letters(r), name)
		for i, l := range layers[:decides+1] {
			a.layer(p, l, &who, i == decides)
			bad = l.Err
		}
		return nil
	})
	return r, bad, err
}

func named(user string) string {
	if user == "" {
		return "who has not logged in"
	}
	return user
}

func letters(r maildir.Rights) string {
	if r == 0 {
		return "no rights"
	}
	return r.String()
}

// layer prints what one list says of somebody.
func (a *aclRun) layer(p place, l maildir.ACLLayer, who *acl.Who, last bool) {
	line := func(what, where, why string) {
		fmt.Fprintf(a.cmd.OutOrStdout(), "  %-12s %s: %s\n", what, where, why)
	}
	if l.Err != nil {
		line("none", sourceLine(p, l.From, lineOf(l.Err)), l.Err.Error()+"; until it is mended nobody has rights, or those of the last good version")
		return
	}
	r, _ := l.List.Rights(who)
	steps := l.List.Explain(who)
	for _, s := range steps {
		where, why := source(p, l.From), "the owner's without a line"
		if s.Entry != nil {
			where, why = sourceLine(p, l.From, s.Entry.Line), s.Entry.String()
		}
		switch given, not := s.Decides&r, s.Decides&^r; {
		case s.Decides == 0:
			line("-", where, why)
		default:
			line(strings.TrimSpace(plus("+", given)+" "+plus("-", not)), where, why)
		}
	}
	switch {
	case len(steps) > 0:
	case !last:
		line("-", source(p, l.From), "says nothing of "+named(who.User))
	case who.Owner:
		line(plus("+", acl.RightsAll), source(p, l.From), "the owner's without a line")
	default:
		line("none", source(p, l.From), "says nothing of "+named(who.User))
	}
}

func plus(sign string, r maildir.Rights) string {
	if r == 0 {
		return ""
	}
	return sign + r.String()
}

func aclList() *cobra.Command {
	return aclSub("list [-config FILE] [-user USER] [NAME]", "show the lists of all folders, or of those whose names begin so",
		"list Public/", cobra.MaximumNArgs(1),
		func(a *aclRun, args []string) error { return a.list(strings.Join(args, "")) })
}

// list goes through the user's own mail where a user is named, and through the public namespaces.
func (a *aclRun) list(head string) error {
	var places []place
	if a.user != "" {
		places = append(places, place{})
	}
	for i := range a.c.Namespaces {
		n := &a.c.Namespaces[i]
		if n.Kind == config.KindOther || a.user != "" && (head == "" || !n.For(a.user)) {
			continue
		}
		if strings.HasPrefix(head, n.Prefix) || strings.HasPrefix(n.Prefix, head) {
			places = append(places, place{space: n})
		}
	}
	if len(places) == 0 {
		return fmt.Errorf("no public namespace has folders that begin with %q; -user USER is for a user's own", head)
	}
	var errs []error
	for _, p := range places {
		errs = append(errs, a.listIn(p, head))
	}
	return errors.Join(errs...)
}

func (a *aclRun) listIn(p place, head string) error {
	o, err := a.tree(p, a.user)
	if err != nil {
		return fmt.Errorf("[namespace %q] %w", p.space.Name, err)
	}
	o.Access = a.access(p)
	prefix := a.c.Mail.Prefix
	if p.space != nil {
		prefix = p.space.Prefix
	}
	return a.inTree(o, a.cmd.ErrOrStderr(), func(t openTree) error {
		entries, err := t.List(a.cmd.Context())
		errs := []error{err}
		for _, e := range entries {
			name := prefix + e.Name
			if p.space == nil && e.Name == "INBOX" {
				name = e.Name
			}
			if !e.NonExistent && strings.HasPrefix(name, head) {
				errs = append(errs, a.listOne(t, p, name, e.Name))
			}
		}
		return errors.Join(errs...)
	})
}

// listOne is one line: name, where the list is from, and its lines. What other programs have called a folder adds none.
func (a *aclRun) listOne(t openTree, p place, name, inner string) error {
	layers, err := t.Layers(a.cmd.Context(), inner)
	if err != nil {
		return err
	}
	l := layers[0]
	if l.Err != nil {
		return fmt.Errorf("%s: %s: %w", name, sourceLine(p, l.From, lineOf(l.Err)), l.Err)
	}
	var lines []string
	for _, e := range l.List.Merged() {
		lines = append(lines, e.String())
	}
	fmt.Fprintf(a.cmd.OutOrStdout(), "%s\t%s\t%s\n", visible(name), visible(source(p, l.From)), strings.Join(lines, ", "))
	return nil
}
