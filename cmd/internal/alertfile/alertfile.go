package alertfile

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"maildir-imapd/maildir/fsx"
)

// Alert is a text for one user, or for all.
type Alert struct {
	ID    string // names it, and sorts by age
	User  string // empty: everybody
	Text  string
	Until time.Time // zero: until it is removed
}

// MaxText is how much of a text clients are told, in bytes.
const MaxText = 500

const (
	suffix  = ".alert"
	maxFile = 64 << 10
	// maxFiles bounds what a reader keeps. Nobody reads so many alerts.
	maxFiles = 1000
)

// Dir is where the alerts of a daemon lie.
func Dir(state string) string { return filepath.Join(state, "alerts") }

// Over tells whether an alert's time has passed.
func (a *Alert) Over(now time.Time) bool { return !a.Until.IsZero() && now.After(a.Until) }

// Prepare makes the directory.
func Prepare(state string) error {
	var disk fsx.FS
	d, err := disk.OpenDir(state)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Mkdir("alerts", 0); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// Add writes an alert, durably, and returns its ID. What is over is removed on the occasion.
func Add(state string, a Alert, now time.Time) (id string, err error) {
	if err := a.check(); err != nil {
		return "", err
	}
	if err := Prepare(state); err != nil {
		return "", err
	}
	d, err := open(state)
	if err != nil {
		return "", err
	}
	defer d.Close()
	old, _ := load(d, math.MaxInt)
	for i := range old {
		if old[i].Over(now) {
			if err := d.Remove(old[i].ID + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return "", err
			}
		}
	}
	var random [4]byte
	_, _ = rand.Read(random[:]) // never fails
	id = now.UTC().Format("20060102T150405.000") + "-" + hex.EncodeToString(random[:])
	return id, d.WriteFile(id+suffix, a.bytes(), 0o640, true)
}

// check refuses what would not come back as it is.
func (a *Alert) check() error {
	switch {
	case strings.TrimSpace(a.Text) == "":
		return errors.New("the text is empty")
	case !utf8.ValidString(a.Text) || !utf8.ValidString(a.User):
		return errors.New("the text is not UTF-8")
	case len(a.Text) > MaxText:
		return fmt.Errorf("the text has %d bytes; clients are told %d at most", len(a.Text), MaxText)
	case strings.ContainsAny(a.User, "\r\n") || strings.TrimSpace(a.User) != a.User:
		return fmt.Errorf("%q is no login name", a.User)
	}
	return nil
}

func (a *Alert) bytes() []byte {
	var b strings.Builder
	if a.User != "" {
		b.WriteString("user: " + a.User + "\n")
	}
	if !a.Until.IsZero() {
		b.WriteString("until: " + a.Until.UTC().Format(time.RFC3339) + "\n")
	}
	b.WriteString("\n" + a.Text + "\n")
	return []byte(b.String())
}

// Load reads alerts, the oldest first, those that are over as well. The error joins one for each file that cannot
// be read; the others are returned all the same. Of more than anybody reads the newest count: what the administrator
// has just said must not be lost behind what was said long ago, and the error tells of the rest. A directory that is
// not there has none.
func Load(state string) ([]Alert, error) {
	d, err := open(state)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return load(d, maxFiles)
}

func open(state string) (*fsx.Dir, error) {
	var disk fsx.FS
	return disk.OpenDir(Dir(state))
}

// load reads the newest that can be read, so many of them.
func load(d *fsx.Dir, most int) (all []Alert, err error) {
	names, err := d.Names()
	if err != nil {
		return nil, err
	}
	names = slices.DeleteFunc(names, func(name string) bool { return !strings.HasSuffix(name, suffix) })
	slices.Sort(names)
	var bad []error
	for i, name := range slices.Backward(names) {
		if len(all) == most {
			bad = append(bad, fmt.Errorf("%s: more than %d alerts: the %d oldest are left out, up to %s; remove some", d.Path(), most, i+1, name))
			break
		}
		b, _, err := d.ReadFile(name, maxFile)
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed since
		}
		var a Alert
		if err == nil {
			if a, err = parse(string(b)); err != nil {
				err = fmt.Errorf("%s/%s: %w", d.Path(), name, err)
			}
		}
		if err != nil {
			bad = append(bad, err)
			continue
		}
		a.ID = strings.TrimSuffix(name, suffix)
		all = append(all, a)
	}
	slices.Reverse(all)
	slices.Reverse(bad)
	return all, errors.Join(bad...)
}

func parse(s string) (a Alert, err error) {
	for {
		line, rest, ok := strings.Cut(s, "\n")
		if !ok {
			return Alert{}, errors.New("has no blank line before the text; remove the file")
		}
		s = rest
		if line = strings.TrimSuffix(line, "\r"); line == "" {
			break
		}
		key, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch key {
		case "user":
			if a.User = value; value == "" {
				return Alert{}, errors.New("names no user; remove the file")
			}
		case "until":
			if a.Until, err = time.Parse(time.RFC3339, value); err != nil {
				return Alert{}, fmt.Errorf("%q is no time such as 2026-11-23T13:05:01Z; remove the file", value)
			}
		default:
			return Alert{}, fmt.Errorf("has the unknown line %q; remove the file", line)
		}
	}
	a.Text = strings.TrimSpace(s)
	if !utf8.ValidString(s) {
		err = errors.New("is not UTF-8; remove the file")
	}
	return a, err
}

// Remove takes an alert back.
func Remove(state, id string) error {
	d, err := open(state)
	if err == nil {
		defer d.Close()
		err = d.Remove(id + suffix)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fsx.ErrName):
		return fmt.Errorf("there is no alert %q; maildir-imapctl alert -list shows them", id)
	case err != nil:
		return err
	}
	return d.Sync()
}
