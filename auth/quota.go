package auth

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Quota is how much mail the password file allows a user; 0 is no limit, and what is not
// said is left to the configuration.
type Quota struct {
	Storage, Messages       int64 // bytes, messages
	HasStorage, HasMessages bool
}

// maxRules is how many of userdb_quota_rule, userdb_quota_rule2, ... are looked for.
const maxRules = 9

// ParseQuota reads a user's extra fields: quota and quota_messages, which are ours, and
// Dovecot's userdb_quota_rule, of which the rules for all mailboxes ("*:") count. Where
// both are there, ours win.
func ParseQuota(extra map[string]string) (q Quota, err error) {
	if len(extra) == 0 {
		return q, nil
	}
	for n := 1; n <= maxRules; n++ {
		key := "userdb_quota_rule"
		if n > 1 {
			key += strconv.Itoa(n)
		}
		rule, ok := extra[key]
		if !ok {
			continue
		}
		if err := q.rule(rule); err != nil {
			return q, fmt.Errorf("%s: %w", key, err)
		}
	}
	if v, ok := extra["quota"]; ok {
		if q.Storage, err = size(v, 1); err != nil {
			return q, fmt.Errorf("quota: %w", err)
		}
		q.HasStorage = true
	}
	if v, ok := extra["quota_messages"]; ok {
		if q.Messages, err = size(v, 0); err != nil {
			return q, fmt.Errorf("quota_messages: %w", err)
		}
		q.HasMessages = true
	}
	return q, nil
}

// rule is one of Dovecot's: "*:storage=1G:messages=1000". It replaces the rule before it.
// Rules for single mailboxes make exceptions that a maildirsize cannot hold: they are passed over.
func (q *Quota) rule(s string) error {
	mailbox, limits, ok := strings.Cut(s, ":")
	if !ok {
		return fmt.Errorf("%q is no rule; write *:storage=1G", s)
	}
	if mailbox != "*" {
		return nil
	}
	*q = Quota{HasStorage: true, HasMessages: true}
	for limit := range strings.SplitSeq(limits, ":") {
		name, value, _ := strings.Cut(limit, "=")
		var err error
		switch name {
		case "storage":
			q.Storage, err = size(value, 1024) // a number alone is in kilobytes
		case "bytes":
			q.Storage, err = size(value, 1)
		case "messages":
			q.Messages, err = size(value, 0)
		case "ignore": // nothing counts
			q.Storage, q.Messages = 0, 0
		default:
			err = fmt.Errorf("%q is not storage, bytes or messages", name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// size reads a number with a unit of 1024s; unit is of a number alone, 0 where it must stand alone.
func size(s string, unit int64) (int64, error) {
	if strings.EqualFold(s, "unlimited") {
		return 0, nil
	}
	digits := s
	if unit > 0 && s != "" {
		digits = strings.TrimRight(strings.ToUpper(s), "IB")
		if i := strings.IndexByte("KMGT", last(digits)); i >= 0 {
			digits, unit = digits[:len(digits)-1], int64(1)<<(10*(i+1))
		} else if len(digits) < len(s) {
			unit = 1
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	switch {
	case err != nil, n < 0, s[0] == '+':
		return 0, fmt.Errorf("%q is no limit; write a number%s", s, map[bool]string{true: " as 1G"}[unit > 0])
	case unit > 0 && n > math.MaxInt64/unit:
		return 0, errors.New("the limit is too large")
	case unit > 0:
		n *= unit
	}
	return n, nil
}

func last(s string) byte {
	if s == "" {
		return 0
	}
	return s[len(s)-1]
}

// User is what the file says of a user who has logged in before.
func (f *File) User(name string) (User, bool) {
	if f == nil || f.users[name] == nil {
		return User{}, false
	}
	return f.users[name].user, true
}
