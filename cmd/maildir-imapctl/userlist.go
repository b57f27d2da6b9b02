package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"maildir-imapd/auth"
	"maildir-imapd/imapd/config"
)

func userListCommand() *cobra.Command {
	var f userFile
	asJSON := false
	cmd := &cobra.Command{
		Use:   "list [-config FILE | -file FILE] [-json]",
		Short: "list the users, and how each can log in",
		Long: `list prints a line for each user of the password file: in which forms the password is
kept, whether the user can log in by CRAM-MD5 and SCRAM, and home, quota and groups. Over
TLS every user can log in by PLAIN and LOGIN, unless the configuration forbids it.

Lines of the file that are wrong are told on standard error; a daemon that runs goes on
with the file as it was before them, and list ends with 1.
`,
		Example:               `  maildir-imapctl user list`,
		DisableFlagsInUseLine: true,
		Args:                  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.find(); err != nil {
				return err
			}
			return userList(cmd, f, asJSON)
		},
	}
	f.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, for programs")
	return cmd
}

// userListing is what -json prints.
type userListing struct {
	File  string      `json:"file"`
	Users []listed    `json:"users"`
	Bad   []badListed `json:"bad"`
}

type listed struct {
	Name       string       `json:"name"`
	Schemes    []string     `json:"schemes"`
	Mechanisms []string     `json:"mechanisms"` // that the configuration allows, over TLS
	Home       string       `json:"home,omitempty"`
	Quota      *listedQuota `json:"quota,omitempty"`
	Groups     []string     `json:"groups"`
	Nologin    bool         `json:"nologin"`
	AllowNets  string       `json:"allow_nets,omitempty"`
	BadLine    int          `json:"bad_line,omitempty"` // the last
}

// listedQuota is absent where the configuration's holds; 0 is no limit.
type listedQuota struct {
	Storage  *int64 `json:"storage,omitempty"`
	Messages *int64 `json:"messages,omitempty"`
}

type badListed struct {
	Line    int    `json:"line"`
	User    string `json:"user,omitempty"`
	Problem string `json:"problem"`
}

func userList(cmd *cobra.Command, f userFile, asJSON bool) error {
	content, err := f.read()
	if err != nil {
		return err
	}
	var groups *auth.Groups
	if f.c != nil && f.c.Auth.Groups != "" {
		if groups, err = auth.LoadGroups(f.c.Auth.Groups); err != nil {
			return fmt.Errorf("[auth] groups: %w", err)
		}
	}
	file, bad := auth.ParseGood(f.file, content)
	l := userListing{File: f.file, Users: listUsers(file, groups, f.offered(file), bad), Bad: []badListed{}}
	for _, b := range bad {
		l.Bad = append(l.Bad, badListed{b.Line, b.User, b.Msg})
	}
	if asJSON {
		e := json.NewEncoder(cmd.OutOrStdout())
		e.SetIndent("", "  ")
		err = e.Encode(l)
	} else {
		err = l.print(cmd.OutOrStdout())
	}
	f.warn(cmd.ErrOrStderr(), content)
	return cmp.Or(err, map[bool]error{true: errFindings}[len(bad) > 0])
}

// listUsers joins those whom the file has and those whose only lines are wrong.
func listUsers(file *auth.File, groups *auth.Groups, offered []string, bad []*auth.LineError) []listed {
	users := []listed{}
	for _, a := range file.Accounts() {
		u := listed{Name: a.User.Name, Schemes: a.Kinds, Mechanisms: []string{}, Home: a.User.Home, Nologin: a.Never, AllowNets: a.Nets, Groups: []string{}}
		for _, m := range a.Mechanisms {
			if slices.Contains(offered, m) {
				u.Mechanisms = append(u.Mechanisms, m)
			}
		}
		u.Groups = append(u.Groups, groups.Of(a.User.Name, a.User.Extra)...)
		if q, _ := auth.ParseQuota(a.User.Extra); q.HasStorage || q.HasMessages {
			u.Quota = &listedQuota{}
			if q.HasStorage {
				u.Quota.Storage = &q.Storage
			}
			if q.HasMessages {
				u.Quota.Messages = &q.Messages
			}
		}
		users = append(users, u)
	}
	for _, b := range bad {
		i := slices.IndexFunc(users, func(u listed) bool { return u.Name == b.User })
		switch {
		case i >= 0:
			users[i].BadLine = b.Line
		case auth.CheckName(b.User) == nil:
			users = append(users, listed{Name: b.User, Schemes: []string{}, Mechanisms: []string{}, Groups: []string{}, BadLine: b.Line})
		}
	}
	return users
}

// print aligns the list for people.
func (l *userListing) print(w io.Writer) error {
	if len(l.Users) == 0 {
		_, err := fmt.Fprintf(w, "%s has no users; maildir-imapctl user add USER adds one\n", l.File)
		return err
	}
	var aligned strings.Builder
	t := tabwriter.NewWriter(&aligned, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "USER\tPASSWORD AS\tCRAM-MD5\tSCRAM\tHOME\tQUOTA\tGROUPS\tNOTE")
	for _, u := range l.Users {
		var scram, notes []string
		for _, m := range u.Mechanisms {
			if hash, ok := strings.CutPrefix(m, "SCRAM-"); ok {
				scram = append(scram, hash)
			}
		}
		if u.Nologin {
			notes = append(notes, "cannot log in: nologin")
		}
		if u.AllowNets != "" {
			notes = append(notes, "only from "+u.AllowNets)
		}
		if u.BadLine > 0 {
			notes = append(notes, "line "+strconv.Itoa(u.BadLine)+" is wrong")
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", u.Name, dash(strings.Join(u.Schemes, ", ")),
			map[bool]string{true: "yes", false: "no"}[slices.Contains(u.Mechanisms, "CRAM-MD5")], cmp.Or(strings.Join(scram, ", "), "no"),
			dash(u.Home), dash(u.Quota.text()), dash(strings.Join(u.Groups, ",")), strings.Join(notes, "; "))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for line := range strings.Lines(aligned.String()) {
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	return nil
}

func dash(s string) string { return cmp.Or(s, "-") }

// text is a quota as the file has it.
func (q *listedQuota) text() string {
	if q == nil {
		return ""
	}
	var parts []string
	if q.Storage != nil {
		parts = append(parts, limitText(config.Size(*q.Storage), *q.Storage, ""))
	}
	if q.Messages != nil {
		parts = append(parts, limitText(strconv.FormatInt(*q.Messages, 10), *q.Messages, " messages"))
	}
	return strings.Join(parts, ", ")
}

func limitText(number string, n int64, unit string) string {
	if n == 0 {
		return "no limit" + strings.Replace(unit, " ", " of ", 1)
	}
	return number + unit
}
