package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"maildir-imapd/contrib/interop/peer"
)

// options are the command line's, with the running numbers of this process.
type options struct {
	time      time.Duration
	seed      uint64
	scenarios string
	dir       string
	keep      bool
	clients   int
	bin       string
	mount     string // options of a tmpfs for the mail; empty: none
}

func main() {
	var o options
	flag.DurationVar(&o.time, "time", time.Minute, "how long the programs fight, all scenarios together")
	flag.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()), "of the random choices")
	flag.StringVar(&o.scenarios, "scenarios", "mix,beside,full", "which to run")
	flag.StringVar(&o.dir, "dir", "", "work below this directory (default: a temporary one)")
	flag.BoolVar(&o.keep, "keep", false, "leave the directory behind")
	flag.IntVar(&o.clients, "clients", 10, "IMAP clients")
	flag.Parse()
	if err := run(&o); err != nil {
		fmt.Fprintln(os.Stderr, "stress:", err)
		os.Exit(1)
	}
}

func run(o *options) error {
	if o.scenarios == fullInside {
		return fullHere(o)
	}
	made, err := os.MkdirTemp(o.dir, "stress")
	if err != nil {
		return err
	}
	o.dir = made
	if err := os.Chmod(o.dir, 0o755); err != nil { // Dovecot's account looks in here
		return err
	}
	if o.bin, err = peer.FindDaemon(o.dir); err != nil {
		return err
	}
	if o.bin, err = filepath.Abs(o.bin); err != nil {
		return err
	}
	fmt.Printf("stress: seed %d, %v, in %s\n", o.seed, o.time, o.dir)
	failed := 0
	for _, name := range strings.Split(o.scenarios, ",") {
		f, ok := map[string]func(*options) error{"mix": mix, "beside": beside, "full": full}[name]
		if !ok {
			return fmt.Errorf("no scenario %q; there are mix, beside, full", name)
		}
		began := time.Now()
		err := f(o)
		took := time.Since(began).Round(100 * time.Millisecond)
		if err != nil {
			failed++
			fmt.Printf("stress: %s: FAILED after %v: %v\n", name, took, err)
			tailLogs(filepath.Join(o.dir, name))
			continue
		}
		fmt.Printf("stress: %s: ok, %v\n", name, took)
	}
	if failed > 0 {
		return fmt.Errorf("%d scenarios failed; seed %d; logs and mail are left in %s", failed, o.seed, o.dir)
	}
	if o.keep {
		return nil
	}
	return os.RemoveAll(o.dir)
}
