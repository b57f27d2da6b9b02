package config

import (
	"errors"
	"path/filepath"
	"strings"
)

// ErrAbove is why control or index cannot be where they are.
var ErrAbove = errors.New("folders' names would lead to files there that are none of the mail's")

// Above tells whether a directory is dir or has it in it. Lists that lie apart have a directory for each folder, by its
// name: in a home directory the folder ssh has .ssh (maildir++), and above the mail any folder may have somebody's mail.
func Above(path, dir string) bool {
	path, dir = filepath.Clean(path), filepath.Clean(dir)
	return path == dir || path == "/" || strings.HasPrefix(dir, path+"/")
}

// validateApart refuses control and index at or above the home and the mail, as far as that can be told without a user,
// and one place of lists for all. What only a user's home of the password file shows is refused at the login.
func (l *loader) validateApart() {
	m := l.config.Mail
	for _, x := range []struct{ key, path string }{{"control", m.Control}, {"index", m.Index}} {
		switch {
		case x.path == "":
		case filepath.Clean(x.path) == filepath.Clean(m.Path):
			l.at("[mail]", x.key, bad("leave it empty", "%s is where the mail is", x.path))
		case !perUser(x.path) && perUser(m.Path):
			l.at("[mail]", x.key, bad("write %u for the user's name", "%s is one directory for all users, who have lists of their own", x.path))
		case oneOfTwo(x.path, m.Path):
			l.at("[mail]", x.key, bad("write %u, or %d as well, for the whole name", "%s is one directory for users of one name in two domains, who have mail of their own", x.path))
		case aboveMail(x.path, m.Path):
			l.at("[mail]", x.key, bad("write a directory that has nothing else in it, such as "+filepath.Join(x.path, "maildir-"+x.key),
				"%s has the home or the mail in it: %v", x.path, ErrAbove))
		}
	}
}

func perUser(template string) bool {
	template = strings.ReplaceAll(template, "%%", "")
	return strings.HasPrefix(template, "~") || strings.Contains(template, "%u") || strings.Contains(template, "%n") || strings.Contains(template, "%h")
}

// oneOfTwo tells whether two users who differ in their domain have mail of their own, but lists in one place: each would
// take the other's messages for expunged.
func oneOfTwo(template, mail string) bool {
	at := func(template, domain string) string {
		user := "user@" + domain
		path, err := Expand(template, user, func() (string, error) { return "/home/" + user, nil })
		if err != nil {
			return domain // told of by itself
		}
		return path
	}
	const one, other = "one.example", "other.example"
	return at(mail, one) != at(mail, other) && at(template, one) == at(template, other)
}

// aboveMail tries a template with users as they are: with and without a domain, and with the homes that people have.
func aboveMail(template, mail string) bool {
	for _, user := range []string{"user", "user@example.org"} {
		local, domain, _ := splitUser(user)
		for _, home := range []string{"/home/" + user, "/home/" + local, "/home/" + domain + "/" + local} {
			at, err := Expand(template, user, func() (string, error) { return home, nil })
			if err != nil {
				continue
			}
			if Above(at, home) {
				return true
			}
			if root, err := Expand(mail, user, func() (string, error) { return home, nil }); err == nil && Above(at, root) {
				return true
			}
		}
	}
	return false
}
