// Maildir-imapctl is the administrator's tool of maildir-imapd. Each sub-command is one
// file here and one line of the table commands; maildir-imapctl(8) is the reference.
//
// What commands share: site.go is the installation that they work on, owner.go as whom
// they touch mail, name.go where the name of a mailbox leads, exit.go what the program
// ends with, complete.go what shells may offer. What doctor looks at is a file
// doctor_NAME.go each. Where whose mail is, package usermail says to them and to the daemon.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// commands is every sub-command, in the order in which help lists them.
var commands = []func() *cobra.Command{
	passwdCommand,
	userCommand,
	checkCommand,
	adoptCommand,
	aclCommand,
	alertCommand,
	doctorCommand,
	probeCommand,
	expireCommand,
}

func main() {
	os.Exit(run(os.Args[1:]))
}

// run returns the exit status.
func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := rootCommand()
	if completing(args) {
		root.SetOut(oneDash{os.Stdout})
	}
	root.SetArgs(longFlags(args))
	err := root.ExecuteContext(ctx)
	if err != nil && !errors.Is(err, errFindings) { // those are told
		for line := range strings.Lines(err.Error()) {
			// there may be names in it that users have chosen
			fmt.Fprintf(os.Stderr, "maildir-imapctl: %s\n", visible(strings.TrimRight(line, "\n")))
		}
	}
	return exitStatus(err)
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "maildir-imapctl",
		Short: "administer maildir-imapd",
		Long:  "maildir-imapctl administers maildir-imapd: see maildir-imapctl(8).",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return misused(errors.New("no command given; try maildir-imapctl -h"))
		},
		SilenceUsage:      true,
		SilenceErrors:     true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	cobra.EnableCommandSorting = false
	cobra.AddTemplateFunc("flags", oneDashUsage)
	root.SetUsageTemplate(usage)
	for _, c := range commands {
		root.AddCommand(strict(c()))
	}
	root.SetHelpCommand(&cobra.Command{Hidden: true})
	completions(root)
	return strict(root)
}

// usage is what -h prints below the description.
const usage = `Usage:
  {{if .HasAvailableSubCommands}}{{.CommandPath}} command [-flag ...]{{else}}{{.UseLine}}{{end}}
{{- if .HasAvailableSubCommands}}

Commands:
{{- range .Commands}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding}}  {{.Short}}{{end}}{{end}}

{{.CommandPath}} command -h explains one command.
{{- end}}
{{- if .HasAvailableLocalFlags}}

Flags:
{{flags .LocalFlags.FlagUsages | trimTrailingWhitespaces}}
{{- end}}
{{- if .HasExample}}

Example:
{{.Example}}
{{- end}}
`

// oneDashUsage writes the flags of a usage with one dash, and moves the lines in between along.
func oneDashUsage(usage string) string {
	var out strings.Builder
	for line := range strings.Lines(usage) {
		short, ok := strings.CutPrefix(line, "      --")
		switch {
		case ok:
			line = "      -" + short
		case strings.HasPrefix(line, "  -"): // -h, --help
			line = strings.Replace(line, "--", "-", 1)
		default:
			line = strings.TrimPrefix(line, " ")
		}
		out.WriteString(line)
	}
	return out.String()
}

// longFlags lets flags be written with one dash, as the daemon's are. No flag of this
// tool has a one-letter form but -h and -k.
func longFlags(args []string) []string {
	out := make([]string, 0, len(args))
	for i, a := range args {
		if a == "--" {
			return append(out, args[i:]...)
		}
		if len(a) > 2 && a[0] == '-' && a[1] != '-' {
			a = "-" + a
		}
		out = append(out, a)
	}
	return out
}
