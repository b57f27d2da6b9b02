package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

func main() {
	program := flag.String("daemon", "bin/maildir-imapd", "the daemon's binary")
	once := flag.Bool("once", false, "end after the visit")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *program, *once); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// run is the demo from the first directory to the last.
func run(ctx context.Context, program string, once bool) (err error) {
	dir, err := os.MkdirTemp("", "maildir-imapd-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	p := places{dir: dir, user: filepath.Join(dir, "mail", user), public: filepath.Join(dir, "public")}
	n, err := seed(p)
	if err != nil {
		return fmt.Errorf("write the mail: %w", err)
	}
	fmt.Printf("%d messages written to %s\n", n, p.user)
	d, err := start(ctx, program, p)
	if err != nil {
		return err
	}
	defer func() {
		if stopErr := d.stop(); err == nil {
			err = stopErr
		}
	}()
	fmt.Printf("%s listens on %s (STARTTLS) and %s (TLS)\n", filepath.Base(program), d.imap, d.imaps)

	if err := visit(ctx, d.imaps, p); err != nil {
		return fmt.Errorf("visit: %w\nlast lines of the daemon's log:\n%s", err, d.lastLog())
	}
	if once {
		return nil
	}
	fmt.Print(hints(d, p))
	select {
	case <-ctx.Done():
		fmt.Println("\nstopping; the directory is removed")
		return nil
	case <-d.exited:
		return fmt.Errorf("the daemon ended by itself: %s", d.lastLog())
	}
}
