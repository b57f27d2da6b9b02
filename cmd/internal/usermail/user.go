package usermail

import (
	"errors"
	"fmt"
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

// Users lists those of the password file, by name.
func Users(c *config.Config) ([]User, error) {
	file, err := auth.LoadFile(c.Auth.File)
	if err != nil {
		return nil, fmt.Errorf("[auth] file: %w", err)
	}
	var all []User
	for _, u := range file.Users() {
		all = append(all, User{Name: u.Name, Home: u.Home})
	}
	return all, nil
}
