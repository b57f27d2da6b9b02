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
			b.WriteString(strings.TrimSpace(k.name+" = "+k.get()) + "\n")
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
		for i, k := range s.keys {
			if was, is := old.keys[i].get(), k.get(); was != is {
				changes = append(changes, fmt.Sprintf("%s %s: %s -> %s", s.header(), k.name, shown(was), shown(is)))
			}
		}
	}
	for _, s := range a.clone().sections("/") {
		if _, gone := before[s.header()]; gone {
			changes = append(changes, s.header()+" removed")
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
