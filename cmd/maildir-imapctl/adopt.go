package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"maildir-imapd/imapd/config"
	"maildir-imapd/maildir"
)

type adoptFlags struct {
	config  string
	dryRun  bool
	layout  string
	newUIDs bool
	control string
}

func adoptCommand() *cobra.Command {
	var f adoptFlags
	cmd := &cobra.Command{
		Use:   "adopt [-config FILE] [-dry-run] [-control DIR] [-layout LAYOUT] [-new-uids] PATH",
		Short: "take over a tree of Maildirs from Dovecot or Courier",
		Long: `adopt takes over the Maildirs of one user, which lie at PATH: UIDs, UIDVALIDITY,
keywords and subscriptions. The daemon does the same for each folder when it is first
opened; adopt does it for all of them at once and tells what is kept, what cannot be,
and which settings keep the folder names that mail programs know.

Stop the other server first. Its files are not changed, but by Dovecot's rules for
files that it shares with the daemon; it can take the tree back at any time. Started
as root, adopt works as the owner of PATH.
`,
		Example: `  maildir-imapctl adopt -dry-run /home/alice/Maildir
  for d in /home/*/Maildir; do maildir-imapctl adopt "$d"; done`,
		DisableFlagsInUseLine: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("adopt takes one path, not %d; try maildir-imapctl adopt -h", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return adopt(cmd, f, args[0]) },
	}
	cmd.Flags().StringVar(&f.config, "config", "", "the daemon's configuration `FILE`, which says where its state is\n(default "+config.DefaultPath+", if it is there)")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "change nothing, only tell")
	cmd.Flags().StringVar(&f.control, "control", "", "where Dovecot has the user's lists, CONTROL= of its\nmail_location; `DIR` is read, and copied beside the mail")
	cmd.Flags().StringVar(&f.layout, "layout", "", "how folders lie, as [mail] layout has it: maildir++ or fs;\nwithout it, as it looks")
	cmd.Flags().BoolVar(&f.newUIDs, "new-uids", false, "take over folders of Dovecot's whose list of UIDs is\nnot there: all their messages are new to mail programs")
	return cmd
}

func adopt(cmd *cobra.Command, f adoptFlags, path string) error {
	o := maildir.AdoptOptions{NewUIDs: f.newUIDs, Control: f.control}
	switch f.layout {
	case "":
	case maildir.MaildirPP.String():
		o.Layout = new(maildir.Layout)
	case maildir.FS.String():
		o.Layout = new(maildir.FS)
	default:
		return fmt.Errorf("-layout %q: maildir++ or fs", f.layout)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	if o.Control != "" {
		if o.Control, err = filepath.Abs(o.Control); err != nil {
			return err
		}
	}
	so := maildir.StoreOptions{Log: slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelError}))}
	note := ""
	if !f.dryRun {
		if so.State, note, err = adoptAs(path, f.config); err != nil {
			return err
		}
	}
	store, err := maildir.NewStore(so)
	if err != nil {
		return err
	}
	defer store.Close()
	var survey *maildir.Survey
	if f.dryRun {
		survey, err = store.Survey(cmd.Context(), path, o)
	} else {
		survey, err = store.Adopt(cmd.Context(), path, o)
	}
	if survey != nil {
		if note != "" {
			survey.Notes = append(survey.Notes, note)
		}
		err = errors.Join(err, printSurvey(cmd.OutOrStdout(), survey, f.dryRun || errors.Is(err, maildir.ErrUnlisted)))
	}
	if errors.Is(err, maildir.ErrUnlisted) {
		return fmt.Errorf("%w: nothing was changed; see the notes, or use -new-uids", err)
	}
	return err
}

// adoptAs becomes the tree's owner, and tells the state directory that it can use
// then, or what is to be noted instead.
func adoptAs(path, file string) (state, note string, err error) {
	var c *config.Config
	if file != "" {
		c, _, err = config.Load(file)
	} else if c, _, err = config.Load(config.DefaultPath); errors.Is(err, fs.ErrNotExist) {
		return "", "", becomeOwner(path) // not set up yet: there is no state to be compared with
	}
	if err != nil {
		return "", "", err
	}
	s := stateOf(c)
	if err := becomeOwner(path); err != nil {
		return "", "", err
	}
	usable, err := maildir.StateFor(s.dir, path)
	if err != nil {
		return "", "UIDs are not compared with [server] state, which " + s.unusable(err), nil
	}
	if !usable {
		return "", "", nil
	}
	return s.dir, "", nil
}

// becomeOwner gives up root for the account that owns the tree: root's files in
// a user's Maildir would lock the user out.
func becomeOwner(path string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	st, err := os.Stat(path)
	if err != nil {
		return err
	}
	owner := st.Sys().(*syscall.Stat_t)
	if owner.Uid == 0 {
		return fmt.Errorf("%s belongs to root: the daemon does not serve root's mail; give it to its user first (-dry-run works)", path)
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	for _, step := range []func() error{
		func() error { return syscall.Setgroups([]int{int(owner.Gid)}) },
		func() error { return syscall.Setgid(int(owner.Gid)) },
		func() error { return syscall.Setuid(int(owner.Uid)) },
	} {
		if err := step(); err != nil {
			return fmt.Errorf("cannot become user %d, who owns %s: %w", owner.Uid, path, err)
		}
	}
	if err := ownedBy(path, owner.Uid); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func printSurvey(w io.Writer, v *maildir.Survey, dryRun bool) error {
	var b strings.Builder
	done := ""
	if !dryRun {
		done = "; taken over"
	}
	fmt.Fprintf(&b, "%s: layout %s, last served by %s%s\n\n", v.Root, v.Layout, v.Server, done)
	tab := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	fmt.Fprintln(tab, "folder\tUIDVALIDITY\tnext UID\tmessages\tUIDs kept\tkeywords\tsubscribed")
	kept, messages := 0, 0
	for _, f := range v.Folders {
		validity, next := "new", "new"
		if f.Validity != 0 {
			validity, next = fmt.Sprint(f.Validity), fmt.Sprint(f.Next)
		}
		subscribed := "no"
		if f.Subscribed {
			subscribed = "yes"
		}
		fmt.Fprintf(tab, "%s\t%s\t%s\t%d\t%d\t%d\t%s\n", f.Name, validity, next, f.Messages, f.Kept, f.Keywords+f.High, subscribed)
		kept, messages = kept+f.Kept, messages+f.Messages
	}
	if err := tab.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(&b, "\nFolders: %d. Messages: %d, of which %d keep their UIDs.\n", len(v.Folders), messages, kept)
	printSettings(&b, v)
	printNotes(&b, v)
	_, err := io.WriteString(w, b.String())
	return err
}

func printSettings(b *strings.Builder, v *maildir.Survey) {
	if v.Server == maildir.Ourselves {
		return // imapd.ini has what its clients know, and the disk does not tell
	}
	fmt.Fprintf(b, "\nFor imapd.ini, so that mail programs find the folders under their names:\n\n  [mail]\n  layout = %s\n", v.Layout)
	if v.Server != maildir.NoServer {
		fmt.Fprintf(b, "  separator = %c\n", v.Separator)
	}
	if v.Prefix != "" {
		fmt.Fprintf(b, "  prefix = %s\n", v.Prefix)
	}
	if v.DiskUTF8 {
		fmt.Fprintf(b, "  utf8 = yes\n")
	}
	for _, f := range v.Follow {
		fmt.Fprintf(b, "  follow = %s\n", f)
	}
	if v.Server == maildir.Dovecot && v.Layout == maildir.MaildirPP && v.Separator == '.' {
		fmt.Fprintf(b, "\nThat is Dovecot's default; if its namespace had separator = /, take that one.\n")
	}
}

func printNotes(b *strings.Builder, v *maildir.Survey) {
	lines := slices.Clone(v.Notes)
	for _, f := range v.Folders {
		for _, n := range f.Notes {
			lines = append(lines, f.Name+": "+n)
		}
		if f.Unlisted {
			lines = append(lines, f.Name+": no list of UIDs")
		}
	}
	if len(lines) == 0 {
		return
	}
	fmt.Fprintf(b, "\nTo be noted:\n\n")
	for _, l := range lines {
		fmt.Fprintf(b, "  %s\n", l)
	}
}
