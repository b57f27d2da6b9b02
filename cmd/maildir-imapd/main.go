package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"maildir-imapd/imapd/config"
	"maildir-imapd/imapd/gate"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run is the program: the flags say which of its five short stories is told.
func run(args []string, stdout, stderr io.Writer) int {
	f, err := parseFlags(args, stdout)
	switch {
	case errors.Is(err, errHelp):
		return 0
	case err != nil:
		complain(stderr, err)
		return 2
	case f.version:
		fmt.Fprintln(stdout, versionText())
		return 0
	}

	cfg, warnings, err := config.Load(f.config)
	switch {
	case err != nil:
		for _, w := range warnings {
			complain(stderr, errors.New("warning: "+w.String()))
		}
	case f.check:
		err = check(stdout, f.config, cfg, warnings)
	case f.print:
		for _, w := range warnings {
			complain(stderr, errors.New("warning: "+w.String()))
		}
		err = cfg.Print(stdout)
	default:
		err = serve(f, cfg, warnings)
	}
	if err != nil {
		complain(stderr, err)
		if errors.As(err, new(onlyUnknown)) {
			return statusUnknown
		}
		return 1
	}
	return 0
}

// statusUnknown is what -check ends with where a start would do no more than warn: of keys that this version does not know.
const statusUnknown = 3

// onlyUnknown are errors that are nothing but that.
type onlyUnknown struct{ error }

// serve is what is left when nothing was only asked: the daemon, or one session.
func serve(f flags, cfg *config.Config, warnings []config.Warning) error {
	if err := refuseRoot(cfg, f.config, os.Geteuid()); err != nil {
		return err
	}
	target := cfg.Log
	if f.preauth {
		target.Target = "stderr" // standard output is the client's
	}
	log, level := newLog(target, os.Stderr)
	for _, w := range warnings {
		log.Warn("configuration", "problem", w.String())
	}
	if f.preauth {
		return preauth(context.Background(), cfg, f.user, os.Stdin, os.Stdout, log)
	}
	d, err := newDaemon(f.config, cfg, log, level)
	if err != nil {
		return err
	}
	return d.run()
}

// refuseRoot keeps root's files out of users' Maildirs.
func refuseRoot(cfg *config.Config, file string, euid int) error {
	if euid != 0 || cfg.Server.Root {
		return nil
	}
	return fmt.Errorf("refusing to run as root, whose files would end up in users' Maildirs; "+
		"run as the owner of the mail (the unit has User=vmail), or set [server] root = yes in %s", file)
}

// check is -check: everything that a start would read, and unknown keys are errors.
func check(stdout io.Writer, file string, cfg *config.Config, warnings []config.Warning) error {
	var unknown, errs []error
	for _, w := range warnings {
		unknown = append(unknown, errors.New(w.String()))
	}
	if _, err := loadPasswords(cfg, nil); err != nil {
		errs = append(errs, err)
	}
	if _, err := loadGroups(cfg); err != nil {
		errs = append(errs, err)
	}
	if _, err := readMotd(cfg.Server.Motd); err != nil {
		errs = append(errs, fmt.Errorf("[server] motd: %w", err))
	}
	if err := gate.CheckCertificates(cfg); err != nil {
		errs = append(errs, err)
	}
	switch {
	case len(errs) > 0:
		return errors.Join(append(unknown, errs...)...)
	case len(unknown) > 0:
		return onlyUnknown{errors.Join(unknown...)}
	}
	if _, err := os.Stat(file); err != nil {
		file += " (absent: all defaults)"
	}
	for _, k := range gate.Unchecked(cfg) {
		fmt.Fprintf(stdout, "%s was not looked at: only the service has it\n", k)
	}
	fmt.Fprintf(stdout, "%s is good\n", file)
	return nil
}

// complain writes an error, one line each where several are joined.
func complain(w io.Writer, err error) {
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintf(w, "maildir-imapd: %s\n", strings.TrimRight(line, "\n"))
	}
}
