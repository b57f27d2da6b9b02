package auth

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxName fits a directory name of every file system in use.
	maxName = 255
	// maxPassword bounds what one attempt can make the hashes chew on: the
	// MD5- and SHA-crypts cost in proportion to rounds times length.
	maxPassword = 1024
)

// CheckName reports why a login name cannot be used, nil when it can. Names become
// directory names, so what could leave a directory or hide in it is refused.
func CheckName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%w: it is empty", ErrBadName)
	case len(name) > maxName:
		return fmt.Errorf("%w: it is longer than %d bytes", ErrBadName, maxName)
	case name[0] == '.':
		return fmt.Errorf("%w: it begins with a dot", ErrBadName)
	case strings.Contains(name, "/"):
		return fmt.Errorf("%w: it contains '/'", ErrBadName)
	}
	return checkText(name)
}

// checkText refuses names that are not clean UTF-8 text, in a path or in a log line.
func checkText(name string) error {
	if !utf8.ValidString(name) {
		return fmt.Errorf("%w: it is not UTF-8", ErrBadName)
	}
	for _, r := range name {
		if unicode.IsControl(r) {
			return fmt.Errorf("%w: it contains a control character", ErrBadName)
		}
	}
	return nil
}
