package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"maildir-imapd/cmd/internal/alertfile"
	"maildir-imapd/imapd/config"
	"maildir-imapd/maildir"
	"maildir-imapd/maildir/fsx"
)

// stateDir makes [server] state. Without one the daemon still serves.
func stateDir(c *config.Config, log *slog.Logger) string {
	dir := c.Server.State
	err := os.MkdirAll(dir, 0o750)
	if err == nil {
		err = unix.Access(dir, unix.W_OK|unix.X_OK)
	}
	if err != nil {
		log.Warn("[server] state cannot be written: what the daemon makes for itself is made anew at each start", "dir", dir, "err", err,
			"do", "make it a directory of "+whoami())
		return ""
	}
	if err := alertfile.Prepare(dir); err != nil { // so that it can be watched
		log.Warn("alerts cannot be looked for at once", "dir", alertfile.Dir(dir), "err", err)
	}
	return dir
}

// sharedState is [server] state where the caller may use it: a session of -preauth beside the daemon.
func sharedState(c *config.Config) string {
	if unix.Access(c.Server.State, unix.R_OK|unix.W_OK|unix.X_OK) != nil {
		return ""
	}
	return c.Server.State
}

// spareFiles is what the daemon needs besides one descriptor a connection: mailboxes, messages being read.
const spareFiles = 512

// warnFiles tells of a limit of the system's that is met before [limits] max_connections. Go has raised the soft
// limit to the hard one already.
func warnFiles(c *config.Config, log *slog.Logger) {
	var r unix.Rlimit
	need := uint64(c.Limits.MaxConnections) + spareFiles
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &r) == nil && r.Cur < need {
		log.Warn("fewer files may be open than [limits] max_connections needs", "may", r.Cur, "needs", need,
			"do", "raise LimitNOFILE= in the unit, or lower the key")
	}
}

// openStore makes the store, which keeps a third copy of what makes UIDs valid in state; "" for none.
func openStore(c *config.Config, state string, events *fsx.Watcher, log *slog.Logger) (*maildir.Store, error) {
	o := maildir.StoreOptions{Log: log, Watcher: events}
	if state != "" {
		var err error
		if o.State, err = filepath.Abs(state); err != nil {
			return nil, fmt.Errorf("[server] state = %s: %w", state, err)
		}
	}
	o.FS.Warn = func(op, path string, err error) { log.Warn("file system", "op", op, "path", path, "err", err) }
	if c.Mail.Fsync == config.FsyncAlways {
		o.Fsync = maildir.FsyncAlways
	}
	return maildir.NewStore(o)
}

// loginSeed is the secret from which auth derives what it shows of users that do not exist. It is kept, so
// that they look the same after a restart, as real ones do. Empty: auth takes a random one.
func loginSeed(state string) []byte {
	if state == "" {
		return nil
	}
	file := filepath.Join(state, "login-seed")
	seed, err := os.ReadFile(file)
	if err == nil && len(seed) == 32 {
		return seed
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	seed = make([]byte, 32)
	_, _ = rand.Read(seed) // never fails
	if os.WriteFile(file, seed, 0o600) != nil {
		return nil
	}
	return seed
}
