package maildir

import (
	"context"
	"errors"
	"slices"
	"strings"
	"unicode/utf8"
)

// propUnsubscribed begins a line of the root's maildir-imapd.props for each name that the user is subscribed to
// without a word, and does not want to be.
const propUnsubscribed = "unsubscribed"

// Declined are the names that the user has declined.
func (t *Tree) Declined(ctx context.Context) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	d, err := t.open()
	if err != nil {
		return nil, opError("read what is unsubscribed", "", err)
	}
	defer d.Close()
	p, err := readProps(d)
	if err != nil {
		return nil, opError("read what is unsubscribed", "", err)
	}
	return p.all(propUnsubscribed), nil
}

// Decline keeps in mind that the user does not want to be subscribed to a name, or that the user does again. The name
// is a whole one, of any namespace.
func (t *Tree) Decline(ctx context.Context, name string, on bool) error {
	return opError("unsubscribe", name, t.decline(ctx, name, on))
}

func (t *Tree) decline(ctx context.Context, name string, on bool) error {
	if t.o.ReadOnly {
		return ErrNoPermission
	}
	if name == "" || len(name) > maxNameLen || !utf8.ValidString(name) || strings.ContainsAny(name, "\n\x00") {
		return badName("not a mailbox name")
	}
	d, err := t.open()
	if err != nil {
		return err
	}
	defer d.Close()
	lock, err := t.lockFile(ctx, d, propsFile)
	if err != nil {
		return err
	}
	p, err := readProps(d)
	if err == nil && p.mention(propUnsubscribed, name, on) {
		err = d.WriteFile(propsFile, p.encode(nil), 0, true)
	}
	return errors.Join(err, lock.Unlock())
}

// all returns the values of every line with this word.
func (p *props) all(key string) (values []string) {
	for _, l := range p.lines {
		if k, v, ok := strings.Cut(l, " "); ok && k == key {
			values = append(values, v)
		}
	}
	return values
}

// mention adds a line of a word and a value, or removes it, and tells whether anything changed.
func (p *props) mention(key, value string, on bool) bool {
	line := key + " " + value
	if on == slices.Contains(p.lines, line) {
		return false
	}
	if on {
		p.lines = append(p.lines, line)
	} else {
		p.lines = slices.DeleteFunc(p.lines, func(l string) bool { return l == line })
	}
	return true
}
