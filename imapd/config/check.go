package config

import (
	"net"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The checks of single values. What needs two keys at once is in validate.go.

func anyText(v string) (string, error) { return v, nil }

func optionalPath(v string) (string, error) {
	if v == "" {
		return "", nil
	}
	return plainPath(v)
}

func plainPath(v string) (string, error) {
	if v == "" {
		return "", bad("name a file or directory", "the path is empty")
	}
	if strings.HasPrefix(v, "~") {
		return "", bad("write the whole path", "%s belongs to no user here, so ~ means nothing", v)
	}
	if _, ok := CredentialName(v); ok {
		return "", bad("name a file or directory", "only certificates and keys can be credentials of systemd's, not %s", v)
	}
	return v, nil
}

func template(v string) (string, error) {
	if v == "" {
		return "", bad("name a directory, such as /srv/mail/%u", "the path is empty")
	}
	if strings.HasPrefix(v, "~") && v != "~" && !strings.HasPrefix(v, "~/") {
		return "", bad("write ~/ for the user's own home", "%s names another user's home", v)
	}
	for i := 0; i < len(v); i++ {
		if v[i] != '%' {
			continue
		}
		if i++; i == len(v) || !strings.ContainsRune("undh%", rune(v[i])) {
			return "", bad("use %u, %n, %d, %h, or %% for a percent sign", "%q has an unknown %% sign", v)
		}
		if v[i] == 'h' && i != 1 {
			return "", bad("put it first", "%%h is a whole path and cannot follow other text in %q", v)
		}
	}
	return v, nil
}

func optionalTemplate(v string) (string, error) {
	if v == "" {
		return "", nil
	}
	return template(v)
}

func hostname(v string) (string, error) {
	if strings.ContainsAny(v, " \t/:<>\"\\@") || !utf8.ValidString(v) {
		return "", bad("write a name such as mail.example.org", "%q is not a host name", v)
	}
	return strings.ToLower(v), nil
}

// nearAddress is a place that nobody outside of this machine can reach.
func nearAddress(v string) (string, error) {
	if v == "" {
		return "", nil
	}
	v, err := address(v)
	if err != nil || strings.HasPrefix(v, "/") {
		return v, err
	}
	host, _, err := net.SplitHostPort(v)
	if ip := net.ParseIP(host); err != nil || host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return "", bad("write 127.0.0.1:port, [::1]:port or a path: whoever reads the numbers needs no password", "%q is not on this machine alone", v)
	}
	return v, nil
}

// address accepts host:port, :port, [ipv6]:port and the path of a unix socket.
func address(v string) (string, error) {
	if strings.HasPrefix(v, "/") {
		return v, nil
	}
	host, port, err := net.SplitHostPort(v)
	if err != nil {
		if net.ParseIP(v) != nil {
			return "", bad("write "+net.JoinHostPort(v, "143"), "%q has no port", v)
		}
		if _, err := strconv.ParseUint(v, 10, 16); err == nil {
			return "", bad("write :"+v+" for port "+v+" of every address", "%q is not an address", v)
		}
		return "", bad("write address:port, as in 127.0.0.1:1143 or [::1]:1143", "%q is not an address", v)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", bad("write a number from 0 to 65535", "%q is not a port", port)
	} else if port = strconv.FormatUint(n, 10); host == "*" {
		host = ""
	}
	return net.JoinHostPort(host, port), nil
}

// knownMechanisms are the SASL mechanisms that the auth package has.
var knownMechanisms = []string{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN", "LOGIN"}

func mechanism(v string) (string, error) {
	up := strings.ToUpper(v)
	if slices.Contains(knownMechanisms, up) {
		return up, nil
	}
	if near := nearest(up, knownMechanisms); near != "" {
		return "", bad("did you mean "+strings.ToLower(near)+"?", "%q is not a mechanism", v)
	}
	return "", bad("use some of "+strings.ToLower(strings.Join(knownMechanisms, ", ")), "%q is not a mechanism", v)
}

func mailboxName(v string) (string, error) {
	if v == "" || strings.EqualFold(v, "INBOX") {
		return "", bad("name a folder, such as Sent", "%q cannot have a special use", v)
	}
	return v, nil
}
