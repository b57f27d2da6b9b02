package usermail

import (
	"errors"
	"fmt"
	"io/fs"
	"os/user"

	"maildir-imapd/auth"
	"maildir-imapd/imapd/config"
)

// User is whose mail is meant.
type User struct {
	Name string // login name
	Home string // of the password file; empty, it is the system account's
}

// home is for config.Expand, which asks only where a path needs it.
func (u User) home() (string, error) {
	if u.Home != "" {
		return u.Home, nil
	}
	account, err := user.Lookup(u.Name)
	var unknown user.UnknownUserError
	switch {
	case errors.As(err, &unknown):
		return "", errors.New("no home in the password file, and no such system account; add the field, or set path = /srv/mail/%u")
	case err != nil:
		return "", err
	}
	return account.HomeDir, nil
}

// Users lists those of the password file, by name. Only the default file may be absent, since nobody has named it: a
// host whose people come by ssh needs none.
func Users(c *config.Config) ([]User, error) {
	file, err := auth.LoadFile(c.Auth.File)
	switch {
	case errors.Is(err, fs.ErrNotExist) && c.Auth.File == config.Default().Auth.File:
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("[auth] file: %w", err)
	}
	var all []User
	for _, u := range file.Users() {
		all = append(all, User{Name: u.Name, Home: u.Home})
	}
	return all, nil
}
