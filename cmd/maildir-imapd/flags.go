package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"maildir-imapd/imapd/config"
)

// version is set by the Makefile (-X main.version=...).
var version string

type flags struct {
	config  string
	check   bool
	print   bool
	version bool
	preauth bool
	user    string // of -preauth; empty is the calling account
}

var errHelp = errors.New("help was asked for")

const usage = `Usage: maildir-imapd [-config FILE]
       maildir-imapd [-config FILE] -check | -print
       maildir-imapd [-config FILE] -preauth [USER]
       maildir-imapd -version

Serves Maildirs over IMAP, on the sockets that systemd passes or on the addresses
of the configuration. SIGHUP reloads, SIGTERM says goodbye to clients and ends.

  -config FILE     the configuration (default %s)
  -check           read everything that a start would read, say what is wrong, and end
  -print           print the configuration in effect, defaults included, and end
  -preauth [USER]  speak IMAP on standard input and output, already logged in as USER
                   or the calling account; for ssh HOST maildir-imapd -preauth
  -version         print the version and end

See maildir-imapd(8) and maildir-imapd.ini(5).
`

func parseFlags(args []string, help io.Writer) (flags, error) {
	var f flags
	set := flag.NewFlagSet("maildir-imapd", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.StringVar(&f.config, "config", config.DefaultPath, "")
	set.BoolVar(&f.check, "check", false, "")
	set.BoolVar(&f.print, "print", false, "")
	set.BoolVar(&f.version, "version", false, "")
	set.BoolVar(&f.preauth, "preauth", false, "")
	err := set.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(help, usage, config.DefaultPath)
		return f, errHelp
	}
	if err != nil {
		return f, fmt.Errorf("%w; maildir-imapd -h lists the options", err)
	}
	rest := set.Args()
	if f.preauth && len(rest) > 0 {
		f.user, rest = rest[0], rest[1:]
	}
	if len(rest) > 0 {
		return f, fmt.Errorf("%q is not an option; maildir-imapd -h lists them", rest[0])
	}
	asked := 0
	for _, b := range []bool{f.check, f.print, f.version, f.preauth} {
		if b {
			asked++
		}
	}
	if asked > 1 {
		return f, errors.New("-check, -print, -preauth and -version exclude each other")
	}
	return f, nil
}

func versionText() string {
	return fmt.Sprintf("maildir-imapd %s (%s, %s/%s)", versionNumber(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

func versionNumber() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}
