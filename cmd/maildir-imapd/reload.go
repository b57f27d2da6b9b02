package main

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"maildir-imapd/imapd/config"
)

// atStart are the keys that a running process cannot change.
var atStart = []string{"[server] root", "[server] state", "[mail] fsync", "[log] format", "[log] target", "[metrics] listen"}

// reload reads the INI file and everything it names again, and puts in force what is good: configuration,
// password file, groups, alerts and certificates each on their own, so that a slip in one does not hold up another. What is
// bad leaves the old one in force, gets a log line per fault, and stands in systemctl status. No connection is
// touched.
func (d *daemon) reload(why string) {
	d.tell.reloading()
	defer func() { d.tell.ready(d.status()) }()

	old := d.config.Load()
	d.watch.look(watched(d.file, old))
	var changes, faults []string
	fault := func(err error) { faults = append(faults, strings.Split(err.Error(), "\n")...) }

	next, warnings, err := config.Load(d.file)
	for _, w := range warnings {
		d.log.Warn("configuration", "problem", w.String())
	}
	if err != nil {
		fault(err)
		next = old
	}
	d.watch.only(watched(d.file, next))

	changes = append(changes, d.reread(next, fault)...)
	certificates, err := d.certs.Reload(next, hostname(next))
	if err != nil {
		fault(err)
		kept := *next // the old certificates stay, and so do the words for them
		kept.TLS, kept.Hosts = old.TLS, old.Hosts
		next = &kept
	}
	changes = append(changes, certificates...)

	settings := config.Diff(old, next)
	if len(settings)+len(changes) > 0 {
		warnSecrets(next, d.log)
	}
	d.apply(old, next)
	d.report(why, append(settings, changes...), faults)
}

// reread reads the files of users: passwords, groups, and what there is to say to them.
func (d *daemon) reread(next *config.Config, fault func(error)) (changes []string) {
	if p, err := loadPasswords(next, d.passwords); err != nil {
		fault(err)
	} else {
		if p.Sum() != d.passwords.Sum() {
			changes = append(changes, fmt.Sprintf("password file: %d users, %d before", p.Len(), d.passwords.Len()))
		}
		d.passwords = p
	}
	if g, err := loadGroups(next); err != nil {
		fault(err)
	} else {
		if !g.Equal(d.groups) {
			changes = append(changes, fmt.Sprintf("groups: %d, %d before", g.Len(), d.groups.Len()))
		}
		d.groups = g
	}
	said, err := d.words.read(next)
	if err != nil {
		fault(err)
	}
	return append(changes, said...)
}

// apply puts next and d's new password file in force for what begins from now on.
func (d *daemon) apply(old, next *config.Config) {
	if reflect.DeepEqual(old.Auth, next.Auth) && hostname(old) == hostname(next) {
		d.auth.Replace(d.passwords)
	} else {
		d.auth = newAuthenticator(next, hostname(next), d.passwords, d.seed)
	}
	setLevel(d.level, next.Log)
	d.config.Store(next)
	d.rules.set(next, d.passwords, d.groups)
	d.server.Reload(d.engineOptions(next))
	d.server.SetAlerts(d.words.all())
	d.memory.set(next.Limits.Memory)
	d.gate.Reload(next)
}

// report is the one line that says what changed, after one for each fault.
func (d *daemon) report(why string, changes, faults []string) {
	for _, f := range faults {
		d.log.Error("not taken over, the old one stays in force", "why", why, "problem", f)
	}
	d.trouble = strings.Join(faults, "; ")
	attrs := []any{"why", why, "changes", strings.Join(changes, "; ")}
	var late []string
	for _, key := range atStart {
		if slices.ContainsFunc(changes, func(c string) bool { return strings.HasPrefix(c, key+":") }) {
			late = append(late, key)
		}
	}
	if late != nil {
		attrs = append(attrs, "after a restart", strings.Join(late, "; "))
	}
	switch {
	case len(changes) > 0:
		d.log.Info("reloaded", attrs...)
	case len(faults) == 0:
		d.log.Info("reloaded, nothing changed", "why", why)
	}
}
