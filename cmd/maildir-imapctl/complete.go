package main

import (
	"bytes"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"maildir-imapd/cmd/internal/usermail"
	"maildir-imapd/imapd/config"
)

// Shells complete by asking the program itself (contrib/completions): "maildir-imapctl __complete WORD ... CURRENT" is
// cobra's, and answers with a line "WORD<tab>DESCRIPTION" each and, last, ":" and a number that says what to do where
// there is none. A command need say nothing for that: what it takes is read from its line of usage and from the names
// in its flags' descriptions, by which -h tells the same to people.

// completing is whether a shell asks. What is to be completed has two dashes for cobra even where it is shorter than
// longFlags would have it.
func completing(args []string) bool {
	if len(args) < 2 || args[0] != cobra.ShellCompRequestCmd {
		return false
	}
	last := &args[len(args)-1]
	if strings.HasPrefix(*last, "-") && !strings.HasPrefix(*last, "--") {
		*last = "-" + *last
	}
	return true
}

// oneDash writes flags as this tool's users know them, and descriptions without the quotes around names.
type oneDash struct{ w io.Writer }

func (o oneDash) Write(p []byte) (int, error) {
	out := bytes.ReplaceAll(p, []byte("`"), nil)
	if bytes.HasPrefix(out, []byte("--")) { // cobra writes a line at a time
		out = out[1:]
	}
	if _, err := o.w.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}

// completions teaches a command, and those below it, what its arguments and its flags' values may be.
func completions(cmd *cobra.Command) {
	if cmd.Runnable() && cmd.ValidArgsFunction == nil && !cmd.HasSubCommands() {
		cmd.ValidArgsFunction = completeArgs(cmd.Use)
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if name, _ := pflag.UnquoteUsage(f); f.NoOptDefVal == "" {
			_ = cmd.RegisterFlagCompletionFunc(f.Name, completeName(name)) // an error means that it has one
		}
	})
	for _, c := range cmd.Commands() {
		completions(c)
	}
}

// completeArgs goes by the words of a line of usage that are not about flags: "[-wait TIME] {-all | USER ...}" has USER.
func completeArgs(use string) cobra.CompletionFunc {
	var kinds []cobra.CompletionFunc
	var flag bool
	for _, w := range strings.Fields(use) {
		name := strings.Trim(w, "[]{}|.")
		isFlag := strings.HasPrefix(name, "-")
		if !flag && (name == "USER" || name == "PATH") {
			kinds = append(kinds, completeName(name))
		}
		flag = isFlag && !strings.ContainsAny(w, "]}|")
	}
	many := strings.Contains(use, "...")
	return func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		var all []string
		to := cobra.ShellCompDirectiveNoFileComp
		if len(args) > 0 && !many {
			return nil, to
		}
		for _, k := range kinds {
			words, d := k(cmd, args, begun)
			all, to = append(all, words...), to&d
		}
		return all, to
	}
}

// completeName is what stands for a name in a usage.
func completeName(name string) cobra.CompletionFunc {
	switch name {
	case "FILE", "PATH":
		return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveDefault
		}
	case "DIR":
		return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		}
	case "USER":
		return completeUsers
	}
	return cobra.NoFileCompletions
}

// completeUsers has the users of the password file, for whoever may read that.
func completeUsers(cmd *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	file := config.DefaultPath
	if f := cmd.Flag("config"); f != nil {
		file = f.Value.String()
	}
	c, _, err := config.Load(file)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	users, err := usermail.Users(c)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, u := range users {
		if strings.HasPrefix(u.Name, begun) {
			names = append(names, u.Name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
