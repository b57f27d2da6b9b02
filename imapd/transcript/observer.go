package transcript

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// observer is a session that only listens. Its picture of the mailbox is what it was told at first plus
// every EXPUNGE, EXISTS and FETCH since (RFC 9051 §5.2); it asks only about messages it knows nothing of.
type observer struct {
	c     *conn
	view  []seen
	count int
	gone  bool // the mailbox could not be opened
}

// seen is what the observer knows of one message.
type seen struct{ uid, flags string }

// observe opens the mailbox that the transcript works on, read-only.
func (p *player) observe() (*observer, error) {
	n, err := p.srv.Dial()
	if err != nil {
		return nil, err
	}
	o := &observer{c: newConn(n, "observer", false, &p.log)}
	if _, err := o.c.next(patience); err != nil {
		return nil, err
	}
	if _, err := o.c.do("LOGIN " + p.srv.User + " " + p.srv.Password); err != nil {
		return nil, err
	}
	lines, err := o.c.do("EXAMINE " + quote(p.s.Mailbox))
	if err != nil {
		o.gone = true
		return o, nil //nolint:nilerr // a mailbox that is not there is not watched
	}
	if err := o.apply(lines); err != nil {
		return nil, err
	}
	return o, o.learn()
}

// learn asks for the messages that EXISTS announced.
func (o *observer) learn() error {
	if o.count <= len(o.view) {
		return nil
	}
	lines, err := o.c.do(fmt.Sprintf("FETCH %d:%d (UID FLAGS)", len(o.view)+1, o.count))
	if err != nil {
		return err
	}
	return o.apply(lines)
}

// apply updates the picture with untagged responses.
func (o *observer) apply(lines [][]byte) error {
	for _, raw := range lines {
		r, err := parseResponse(raw, false)
		if err != nil {
			return err
		}
		if len(r.data) < 2 {
			continue
		}
		n, err := strconv.Atoi(r.data[0].text)
		if err != nil {
			continue
		}
		switch strings.ToUpper(r.data[1].text) {
		case "EXISTS":
			if n < o.count {
				return fmt.Errorf("EXISTS %d after %d without EXPUNGE", n, o.count)
			}
			o.count = n
		case "EXPUNGE":
			if n < 1 || n > o.count {
				return fmt.Errorf("EXPUNGE %d of %d", n, o.count)
			}
			o.count--
			if n <= len(o.view) {
				o.view = slices.Delete(o.view, n-1, n)
			}
		case "FETCH":
			if err := o.fetched(n, r.data[2].items); err != nil {
				return err
			}
		}
	}
	return nil
}

func (o *observer) fetched(n int, items []value) error {
	if n < 1 || n > o.count {
		return fmt.Errorf("FETCH %d of %d", n, o.count)
	}
	if n == len(o.view)+1 {
		o.view = append(o.view, seen{})
	}
	if n > len(o.view) {
		return nil // of a message not asked for yet
	}
	m := &o.view[n-1]
	for i := 0; i+1 < len(items); i += 2 {
		switch strings.ToUpper(items[i].text) {
		case "UID":
			if m.uid != "" && m.uid != items[i+1].text {
				return fmt.Errorf("message %d: UID %s, was %s", n, items[i+1].text, m.uid)
			}
			m.uid = items[i+1].text
		case "FLAGS":
			m.flags = flagText(items[i+1].items)
		}
	}
	return nil
}

// flagText is a set of flags as a string. \Recent is each session's own.
func flagText(items []value) string {
	var flags []string
	for _, it := range items {
		if f := strings.ToLower(it.text); f != `\recent` {
			flags = append(flags, f)
		}
	}
	slices.Sort(flags)
	return strings.Join(flags, " ")
}

// converge lets the observer hear the rest and compares it with a newcomer.
func (o *observer) converge(p *player) error {
	if o.gone {
		return nil
	}
	lines, err := o.c.do("NOOP")
	if err != nil {
		if strings.Contains(o.c.log.String(), "observer S: * BYE") {
			return nil // the server ended it, as it may when a mailbox goes or the server restarts
		}
		return fmt.Errorf("observer: %w", err)
	}
	if err := errors.Join(o.apply(lines), o.learn()); err != nil {
		return fmt.Errorf("observer: %w", err)
	}
	fresh, err := p.observe()
	if err != nil {
		return fmt.Errorf("newcomer: %w", err)
	}
	defer fresh.c.close()
	if fresh.gone {
		return nil
	}
	if !slices.Equal(o.view, fresh.view) {
		return fmt.Errorf("the observer sees %v, a newcomer %v", o.view, fresh.view)
	}
	return nil
}
