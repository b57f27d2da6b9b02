package config

import "strings"

// CredentialName is the name behind "credential:", which stands in [tls] instead of a path for what systemd hands to the
// service (LoadCredential=): a key that only root can read.
func CredentialName(path string) (name string, ok bool) {
	return strings.CutPrefix(path, "credential:")
}

// secretPath is a file or a credential; systemd takes names that a file could have.
func secretPath(v string) (string, error) {
	name, ok := CredentialName(v)
	switch {
	case !ok:
		return plainPath(v)
	case name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/: \t"):
		return "", bad("write credential: and the name in LoadCredential=, as in credential:tls.key", "%q names no credential", v)
	}
	return v, nil
}

func optionalSecretPath(v string) (string, error) {
	if v == "" {
		return "", nil
	}
	return secretPath(v)
}
