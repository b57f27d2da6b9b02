package main

import (
	"cmp"
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"path/filepath"

	"maildir-imapd/imapd/config"
)

// warnSecrets tells of secrets that more accounts can reach than need to. Nothing is refused: mail that worked
// yesterday must not stop for a mode.
func warnSecrets(c *config.Config, log *slog.Logger) {
	type secret struct{ key, path string }
	files := []secret{{"[auth] file", c.Auth.File}, {"[tls] key", cmp.Or(c.TLS.Key, c.TLS.Certificate)}}
	for _, name := range []string{"self-signed.pem", "login-seed"} {
		files = append(files, secret{"[server] state", filepath.Join(c.Server.State, name)})
	}
	for _, h := range c.Hosts {
		files = append(files, secret{fmt.Sprintf("[tls %q] key", h.Name), cmp.Or(h.Key, h.Certificate)})
	}
	for _, f := range files {
		st, err := os.Stat(f.path)
		if err != nil || !st.Mode().IsRegular() {
			continue
		}
		if m := st.Mode().Perm(); m&0o007 != 0 {
			log.Warn("every account of this machine can reach a secret", "what", f.key, "file", f.path,
				"mode", fmt.Sprintf("%04o", m), "do", "chmod o= "+f.path)
		}
	}
	// Whoever can write there can put another certificate and another seed in place.
	st, err := os.Stat(c.Server.State)
	if err == nil && st.IsDir() && st.Mode().Perm()&0o002 != 0 {
		log.Warn("every account of this machine can write in [server] state", "dir", c.Server.State, "do", "chmod o= "+c.Server.State)
	}
}

// whoami is the account of this process, for advice.
func whoami() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return fmt.Sprintf("uid %d", os.Geteuid())
}
