package config

import (
	"strings"
	"time"
)

// Mailbox is a section [mailbox "NAME"]: how long its messages stay. NAME is as clients see it: of every user's own
// mailbox of that name, or of a public one.
type Mailbox struct {
	Name   string
	Expire time.Duration // since the message came into the mailbox; 0: never
	Keep   int           // newest messages; 0: all
}

func (m *Mailbox) keys() []key {
	return []key{
		age("expire", &m.Expire),
		count("keep", &m.Keep, 0),
	}
}

// age is a duration in which a forgotten unit, or one that is too small, would cost mail.
func age(name string, p *time.Duration) key {
	k := duration(name, p)
	set := k.set
	k.set = func(values []string) error {
		v := strings.TrimSpace(values[0])
		if v != "" && v != "0" && strings.Trim(v, "0123456789") == "" {
			return bad("write "+v+"d for days", "%q has no unit", v)
		}
		if v == "0" {
			values = []string{"0s"}
		}
		before := *p
		if err := set(values); err != nil {
			return err
		}
		if is := *p; is > 0 && is < time.Hour {
			*p = before
			return bad("write days, such as 30d", "%s would take mail away that nobody has seen", formatDuration(is))
		}
		return nil
	}
	return k
}

func (l *loader) validateMailboxes() {
	for i := range l.config.Mailboxes {
		m := &l.config.Mailboxes[i]
		h := header("mailbox", m.Name)
		if _, err := plainName(m.Name); err != nil || strings.HasSuffix(m.Name, l.config.Mail.Separator) {
			l.at(h, "", bad("write its whole name", "%q does not name one mailbox", m.Name))
		}
	}
}
