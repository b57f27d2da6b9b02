package auth

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// ErrUserExists: AddUser adds nobody twice.
var ErrUserExists = errors.New("the user exists already")

// Fields are the further fields that a new user's first line gets. What is empty is not written.
type Fields struct {
	Home          string // absolute
	Quota         string // as ParseQuota reads them: 1G
	QuotaMessages string
	Groups        []string
}

// AddUser is SetPassword for a user whom the file must not have yet, not even in a line that cannot be used. It refuses
// fields that the daemon would read as something else, or not at all.
func AddUser(content []byte, name, password string, cram bool, fields Fields) ([]byte, Edit, error) {
	if err := CheckAdd(content, name, fields); err != nil {
		return nil, Edit{}, err
	}
	tail := fields.tail()
	out, edit, err := SetPassword(content, name, password, cram)
	if err != nil || tail == "" {
		return out, edit, err
	}
	lines := splitLines(out)
	for i, l := range lines {
		if lineUser(l) != name {
			continue
		}
		end := len(trimEOL(string(l)))
		lines[i] = slices.Concat(l[:end], []byte(tail), l[end:])
		break
	}
	return bytes.Join(lines, nil), edit, nil
}

// CheckAdd says why AddUser would refuse, whatever the password: nobody should have to type one in vain.
func CheckAdd(content []byte, name string, fields Fields) error {
	if slices.ContainsFunc(splitLines(content), func(l []byte) bool { return lineUser(l) == name }) {
		return ErrUserExists
	}
	if err := checkWritable(name); err != nil {
		return err
	}
	return fields.check()
}

// tail is what stands behind the secret: uid, gid and gecos, home, shell, and the extra fields.
func (f Fields) tail() string {
	var extra []string
	for _, kv := range [][2]string{{"quota", f.Quota}, {"quota_messages", f.QuotaMessages}, {"groups", strings.Join(f.Groups, ",")}} {
		if kv[1] != "" {
			extra = append(extra, kv[0]+"="+kv[1])
		}
	}
	switch {
	case len(extra) > 0:
		return "::::" + f.Home + "::" + strings.Join(extra, " ")
	case f.Home != "":
		return "::::" + f.Home
	}
	return ""
}

func (f Fields) check() error {
	if f.Home != "" {
		switch {
		case !path.IsAbs(f.Home):
			return fmt.Errorf("home %q is no absolute path", f.Home)
		case strings.Contains(f.Home, ":"), strings.TrimSpace(f.Home) != f.Home:
			return fmt.Errorf("home %q has a ':' in it or blanks around it, which the file cannot hold", f.Home)
		}
		if err := checkText(f.Home); err != nil {
			return errors.New("home is not UTF-8, or has control characters, which the file cannot hold")
		}
	}
	extra := make(map[string]string)
	for key, v := range map[string]string{"quota": f.Quota, "quota_messages": f.QuotaMessages} {
		if v != "" {
			extra[key] = v
		}
	}
	if _, err := ParseQuota(extra); err != nil {
		return err
	}
	for _, g := range f.Groups {
		if err := checkGroup(g); err != nil {
			return err
		}
		if strings.ContainsAny(g, ": ") {
			return fmt.Errorf("group %q has a blank or a ':' in its name, which only a file of groups can hold", g)
		}
	}
	return nil
}
