package auth

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"
)

// Groups is a file of groups as read at one moment. It is immutable; nil is no groups.
type Groups struct {
	of     map[string][]string // user -> groups, sorted
	groups int
}

// The fields of the password file that name groups, separated by commas: ours, and what Dovecot's acl plugin reads.
var groupFields = []string{"groups", "userdb_acl_groups"}

// LoadGroups reads a file of groups: lines of name:user,user, or /etc/group's four fields. The error joins one
// *LineError for every bad line; a file with any is not used at all.
func LoadGroups(path string) (*Groups, error) {
	b, err := readGroups(path)
	if err != nil {
		return nil, fmt.Errorf("group file: %w", err)
	}
	return ParseGroups(path, b)
}

func readGroups(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a FIFO must not hold the daemon up
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: is not a regular file", path)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = fmt.Errorf("%s: is larger than %d MiB; name another file", path, maxFile>>20)
	}
	return b, err
}

// ParseGroups reads a group file's content; name stands before the line numbers of its errors.
func ParseGroups(name string, content []byte) (*Groups, error) {
	g := &Groups{of: make(map[string][]string)}
	groups := make(map[string]bool)
	var bad []error
	number := 0
	for line := range bytes.Lines(content) {
		number++
		group, users, err := parseGroup(trimEOL(string(line)))
		if err != nil {
			bad = append(bad, &LineError{Path: name, Line: number, Msg: err.Error()})
			continue
		}
		if group == "" {
			continue
		}
		groups[group] = true
		for _, u := range users {
			g.of[u] = append(g.of[u], group)
		}
	}
	if len(bad) > 0 {
		return nil, errors.Join(bad...)
	}
	for u, of := range g.of {
		g.of[u] = sortedGroups(of)
	}
	g.groups = len(groups)
	return g, nil
}

// parseGroup reads one line; comments and blank lines give "".
func parseGroup(line string) (group string, users []string, err error) {
	if isComment(line) {
		return "", nil, nil
	}
	fields := strings.Split(line, ":")
	if len(fields) != 2 && len(fields) != 4 {
		return "", nil, errors.New("line has neither the fields name:users nor the four of /etc/group; write staff:ann,bob, or put # before it")
	}
	if err := checkGroup(fields[0]); err != nil {
		return "", nil, err
	}
	for u := range strings.SplitSeq(fields[len(fields)-1], ",") {
		if u = strings.TrimSpace(u); u == "" {
			continue
		}
		if err := CheckName(u); err != nil {
			return "", nil, fmt.Errorf("group %q: user %q: %w", fields[0], u, err)
		}
		users = append(users, u)
	}
	return fields[0], users, nil
}

func checkGroup(name string) error {
	switch {
	case name == "":
		return errors.New("the group has no name; write staff:ann,bob")
	case strings.TrimSpace(name) != name:
		return errors.New("the group's name has blanks around it; remove them")
	case strings.ContainsRune(name, ','):
		return fmt.Errorf("%q is no group; write one line for each", name)
	}
	if err := checkText(name); err != nil {
		return fmt.Errorf("group %q: use another name: %w", name, err)
	}
	return nil
}

// ParseUserGroups are the groups among a user's further fields of the password file.
func ParseUserGroups(extra map[string]string) (groups []string, err error) {
	for _, key := range groupFields {
		for name := range strings.SplitSeq(extra[key], ",") {
			if name == "" {
				continue
			}
			if err := checkGroup(name); err != nil {
				return nil, fmt.Errorf("%s: %w", key, err)
			}
			groups = append(groups, name)
		}
	}
	return groups, nil
}

// Of is the groups of a user, sorted: those of the file, and those among the further fields of the password file. The
// caller does not change the slice.
func (g *Groups) Of(user string, extra map[string]string) []string {
	var file []string
	if g != nil {
		file = g.of[user]
	}
	own, err := ParseUserGroups(extra)
	if err != nil || len(own) == 0 { // a file with such an error has not been loaded
		return file
	}
	return sortedGroups(append(own, file...))
}

// Len is the number of groups.
func (g *Groups) Len() int {
	if g == nil {
		return 0
	}
	return g.groups
}

// Equal tells whether two files say the same.
func (g *Groups) Equal(other *Groups) bool {
	if g.Len() != other.Len() {
		return false
	}
	if g == nil || other == nil {
		return g == other || g.Len() == 0
	}
	if len(g.of) != len(other.of) {
		return false
	}
	for u, of := range g.of {
		if !slices.Equal(of, other.of[u]) {
			return false
		}
	}
	return true
}

func sortedGroups(names []string) []string {
	slices.Sort(names)
	return slices.Clip(slices.Compact(names))
}
