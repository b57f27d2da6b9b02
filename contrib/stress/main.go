package main

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
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
	kills     int
	bin       string
	mount     string // options of a tmpfs for the mail; empty: none
}

// scenarios by name; the last four are the parts of broken.
var scenarios = map[string]func(*options) error{
	"mix": mix, "kills": kills, "beside": beside, "full": full, "broken": broken,
	"descriptors": descriptors, "rights": rights, "disk": disk, "readonly": readonly,
}

func main() {
	var o options
	flag.DurationVar(&o.time, "time", time.Minute, "how long the programs fight, all scenarios but kills together")
	flag.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()), "of the random choices")
	flag.StringVar(&o.scenarios, "scenarios", "mix,kills,beside,full,broken", "which to run")
	flag.StringVar(&o.dir, "dir", "", "work below this directory (default: a temporary one)")
	flag.BoolVar(&o.keep, "keep", false, "leave the directory behind")
	flag.IntVar(&o.clients, "clients", 10, "IMAP clients")
	flag.IntVar(&o.kills, "kills", 200, "how often the daemon of the scenario kills is killed, however long that takes")
	flag.Parse()
	if err := run(&o); err != nil {
		fmt.Fprintln(os.Stderr, "stress:", err)
		os.Exit(1)
	}
}

func run(o *options) error {
	switch o.scenarios {
	case inside + "full":
		return fullHere(o)
	case inside + "readonly":
		return readonlyHere(o)
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
		f, ok := scenarios[name]
		if !ok {
			return fmt.Errorf("no scenario %q; there are %s", name, strings.Join(slices.Sorted(maps.Keys(scenarios)), ", "))
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
