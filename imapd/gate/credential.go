package gate

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"maildir-imapd/imapd/config"
)

// Credentials are files that systemd copies, as they are at the start of the service, into a directory that only this
// process reads (systemd.exec(5)). They never change while it runs.

// credentials is that directory; empty where systemd has handed over none.
func credentials() string { return os.Getenv("CREDENTIALS_DIRECTORY") }

// readPEM reads a file of [tls], or a credential.
func readPEM(path string) ([]byte, error) {
	name, ok := config.CredentialName(path)
	if !ok {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("%w%s", err, rights(err))
		}
		return data, nil
	}
	dir := credentials()
	if dir == "" {
		return nil, fmt.Errorf("%s: systemd has handed over none; say LoadCredential=%s:/FILE in a drop-in of the unit (systemctl edit maildir-imapd) and restart it", path, name)
	}
	data, err := os.ReadFile(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: systemd has handed over others only; say LoadCredential=%s:/FILE in a drop-in of the unit and restart it", path, name)
	}
	return data, err
}

// Unchecked lists what [CheckCertificates] cannot read where it is called: credentials, which only the service has.
func Unchecked(c *config.Config) (keys []string) {
	if credentials() != "" {
		return nil
	}
	add := func(section, key, path string) {
		if _, ok := config.CredentialName(path); ok {
			keys = append(keys, fmt.Sprintf("%s %s = %s", section, key, path))
		}
	}
	add("[tls]", "certificate", c.TLS.Certificate)
	add("[tls]", "key", c.TLS.Key)
	for _, h := range c.Hosts {
		section := fmt.Sprintf("[tls %q]", h.Name)
		add(section, "certificate", h.Certificate)
		add(section, "key", h.Key)
	}
	return keys
}

// readable leaves of c the pairs that can be read here, and of a certificate whose key cannot, nothing.
func readable(c *config.Config) *config.Config {
	if credentials() != "" {
		return c
	}
	out := *c
	isCredential := func(certificate, key string) bool {
		_, a := config.CredentialName(certificate)
		_, b := config.CredentialName(key)
		return a || b
	}
	if isCredential(c.TLS.Certificate, c.TLS.Key) {
		out.TLS.Certificate, out.TLS.Key = "", ""
	}
	out.Hosts = nil
	for _, h := range c.Hosts {
		if !isCredential(h.Certificate, h.Key) {
			out.Hosts = append(out.Hosts, h)
		}
	}
	return &out
}
