package config

import (
	"fmt"
	"io"
	"strings"
)

// Print writes the effective configuration as a file that loads to the same one.
func (c *Config) Print(w io.Writer) error {
	var b strings.Builder
	for i, s := range c.clone().sections("/") {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(s.header() + "\n")
		for _, k := range s.keys {
			b.WriteString(strings.TrimSpace(keyText(k.name)+" = "+k.get()) + "\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// clone protects the shared original: the bound keys could write.
func (c *Config) clone() *Config {
	d := *c
	d.Listeners = append([]Listener(nil), c.Listeners...)
	d.Hosts = append([]Host(nil), c.Hosts...)
	d.Namespaces = append([]Namespace(nil), c.Namespaces...)
	d.Aliases = append([]Alias(nil), c.Aliases...)
	d.Mailboxes = append([]Mailbox(nil), c.Mailboxes...)
	return &d
}

// Diff says what changes from a to b, one phrase per key or section, in the order of Print.
func Diff(a, b *Config) []string {
	var changes []string
	before := byHeader(a)
	for _, s := range b.clone().sections("/") {
		old, ok := before[s.header()]
		delete(before, s.header())
		if !ok {
			changes = append(changes, s.header()+" added")
			continue
		}
		changes = append(changes, diffKeys(s, old)...)
	}
	for _, s := range a.clone().sections("/") {
		if _, gone := before[s.header()]; gone {
			changes = append(changes, s.header()+" removed")
		}
	}
	return changes
}

// diffKeys compares two states of a section, whose keys need not be the same ones: [alias] has whatever the file has,
// and a namespace those of its kind.
func diffKeys(s, old section) (changes []string) {
	change := func(name, was, is string) {
		if was != is {
			changes = append(changes, fmt.Sprintf("%s %s: %s -> %s", s.header(), name, shown(was), shown(is)))
		}
	}
	for _, k := range s.keys {
		was := ""
		if i := old.key(k.name); i >= 0 {
			was = old.keys[i].get()
		}
		change(k.name, was, k.get())
	}
	for _, k := range old.keys {
		if s.key(k.name) < 0 {
			change(k.name, k.get(), "")
		}
	}
	return changes
}

func byHeader(c *Config) map[string]section {
	all := map[string]section{}
	for _, s := range c.clone().sections("/") {
		all[s.header()] = s
	}
	return all
}

func shown(v string) string {
	if v == "" {
		return "(empty)"
	}
	return v
}
