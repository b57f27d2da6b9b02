package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
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
	cmd.Flags().StringVar(&f.config, "config", config.DefaultPath, "the daemon's configuration `FILE`, which says where its state is")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "change nothing, only tell")
	cmd.Flags().StringVar(&f.control, "control", "", "where Dovecot has the user's lists, CONTROL= of its\nmail_location; with `DIR` they stay there")
	cmd.Flags().StringVar(&f.layout, "layout", "", "how folders lie, as [mail] layout has it: maildir++ or fs;\nwithout it, as it looks")
	cmd.Flags().BoolVar(&f.newUIDs, "new-uids", false, "take over folders of Dovecot's whose list of UIDs is\nnot there: all their messages are new to mail programs")
	return cmd
}

func adopt(cmd *cobra.Command, f adoptFlags, path string) error {
	o, err := f.options()
	if err != nil {
		return err
	}
	path, err = filepath.Abs(path)
	if err != nil {
		return err
	}
	var survey *maildir.Survey
	if f.dryRun {
		survey, err = surveyTree(cmd, path, o)
	} else {
		survey, err = adoptTree(cmd, f.config, path, o)
	}
	if survey != nil {
		err = errors.Join(err, printSurvey(cmd.OutOrStdout(), survey, f.dryRun || errors.Is(err, maildir.ErrUnlisted)))
	}
	if errors.Is(err, maildir.ErrUnlisted) {
		return fmt.Errorf("%w: nothing was changed; see the notes, or use -new-uids", err)
	}
	return err
}

func (f *adoptFlags) options() (o maildir.AdoptOptions, err error) {
	o.NewUIDs = f.newUIDs
	switch f.layout {
	case "":
	case maildir.MaildirPP.String():
		o.Layout = new(maildir.Layout)
	case maildir.FS.String():
		o.Layout = new(maildir.FS)
	default:
		return o, misused(fmt.Errorf("-layout %q: maildir++ or fs", f.layout))
	}
	if f.control != "" {
		o.Control, err = filepath.Abs(f.control)
	}
	return o, err
}

// surveyTree only looks, as whoever asks.
func surveyTree(cmd *cobra.Command, path string, o maildir.AdoptOptions) (survey *maildir.Survey, err error) {
	store, err := maildir.NewStore(quietStore(cmd.ErrOrStderr()))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	return store.Survey(cmd.Context(), path, o)
}

// adoptTree takes over, as the tree's owner.
func adoptTree(cmd *cobra.Command, file, path string, o maildir.AdoptOptions) (survey *maildir.Survey, err error) {
	s, err := openSite(file)
	if err != nil {
		return nil, err
	}
	err = s.asOwner(path, func(int) (err error) {
		store, unusable, err := s.store(path, cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, store.Close()) }()
		survey, err = store.Adopt(cmd.Context(), path, o)
		if survey != nil && unusable != "" {
			survey.Notes = append(survey.Notes, "UIDs are not compared with [server] state, which "+unusable)
		}
		return err
	})
	if err != nil && survey == nil {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return survey, err
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
	if v.Server == maildir.Ourselves && v.Control == "" {
		return // imapd.ini has what its clients know, and the disk does not tell
	}
	fmt.Fprintf(b, "\nFor imapd.ini, so that mail programs find the folders under their names:\n\n  [mail]\n  layout = %s\n", v.Layout)
	if v.Server != maildir.NoServer {
		fmt.Fprintf(b, "  separator = %c\n", v.Separator)
	}
	if v.Prefix != "" {
		fmt.Fprintf(b, "  prefix = %s\n", v.Prefix)
	}
	if v.Control != "" {
		fmt.Fprintf(b, "  control = %s\n", v.Control)
	}
	if v.DiskUTF8 {
		fmt.Fprintf(b, "  utf8 = yes\n")
	}
	for _, f := range v.Follow {
		fmt.Fprintf(b, "  follow = %s\n", f)
	}
	if v.Control != "" {
		fmt.Fprintf(b, "\nThat control is this user's: write %%u, %%n, %%d or ~ for what other users have in its place.\n")
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
