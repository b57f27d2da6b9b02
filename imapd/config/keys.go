package config

import "slices"

// section is one section of one Config with its keys bound to the fields they fill. Loader, printer, Diff,
// the suggestions and the tests of the man page all walk these tables: a key stands in one place.
type section struct {
	kind string
	name string // the quoted part, "" for none
	keys []key
	idle map[string]string // keys that the kind has and this section has no use for, with what to do instead
}

func (s section) header() string { return header(s.kind, s.name) }

// key is the index of a key, or -1.
func (s section) key(name string) int {
	return slices.IndexFunc(s.keys, func(k key) bool { return k.name == name })
}

func header(kind, name string) string {
	if name == "" {
		return "[" + kind + "]"
	}
	return "[" + kind + " " + quoted(name) + "]"
}

// named tells which sections carry a name.
var named = map[string]bool{
	"server": false, "listener": true, "tls": false, "auth": false, "mail": false,
	"namespace": true, "alias": false, "mailbox": true, "special": false, "quota": false, "limits": false, "log": false, "metrics": false,
}

// sections returns every section of c in the order of Print. dir is what relative paths are relative to.
func (c *Config) sections(dir string) []section {
	all := []section{{kind: "server", keys: c.Server.keys(dir)}}
	for i := range c.Listeners {
		l := &c.Listeners[i]
		all = append(all, section{kind: "listener", name: l.Name, keys: l.keys()})
	}
	all = append(all, section{kind: "tls", keys: c.TLS.keys(dir)})
	for i := range c.Hosts {
		h := &c.Hosts[i]
		all = append(all, section{kind: "tls", name: h.Name, keys: h.keys(dir)})
	}
	all = append(all,
		section{kind: "auth", keys: c.Auth.keys(dir)},
		section{kind: "mail", keys: c.Mail.keys(dir)})
	for i := range c.Namespaces {
		n := &c.Namespaces[i]
		all = append(all, section{kind: "namespace", name: n.Name, keys: n.keys(dir), idle: n.idle()})
	}
	all = append(all, section{kind: "alias", keys: aliasKeys(c.Aliases)})
	for i := range c.Mailboxes {
		m := &c.Mailboxes[i]
		all = append(all, section{kind: "mailbox", name: m.Name, keys: m.keys()})
	}
	return append(all,
		section{kind: "special", keys: c.Special.keys()},
		section{kind: "quota", keys: c.Quota.keys()},
		section{kind: "limits", keys: c.Limits.keys()},
		section{kind: "log", keys: c.Log.keys()},
		section{kind: "metrics", keys: c.Metrics.keys()})
}

func (s *Server) keys(dir string) []key {
	return []key{
		text("hostname", &s.Hostname, hostname),
		boolean("root", &s.Root),
		path("state", &s.State, dir, plainPath),
		path("motd", &s.Motd, dir, optionalPath),
	}
}

func (l *Listener) keys() []key {
	return []key{
		words("listen", &l.Listen, address),
		enum("tls", &l.TLS, StartTLS, Implicit, Required, NoTLS),
		boolean("enabled", &l.Enabled),
	}
}

func (t *TLS) keys(dir string) []key {
	return []key{
		path("certificate", &t.Certificate, dir, optionalSecretPath),
		path("key", &t.Key, dir, optionalSecretPath),
		enum("self_signed", &t.SelfSigned, SelfSignedAuto, SelfSignedNo),
		enum("min_version", &t.MinVersion, TLS12, TLS13),
	}
}

func (h *Host) keys(dir string) []key {
	return []key{
		path("certificate", &h.Certificate, dir, secretPath),
		path("key", &h.Key, dir, optionalSecretPath),
	}
}

func (a *Auth) keys(dir string) []key {
	return []key{
		path("file", &a.File, dir, plainPath),
		path("groups", &a.Groups, dir, optionalPath),
		boolean("anonymous", &a.Anonymous),
		enum("cleartext", &a.Cleartext, CleartextTLSOnly, CleartextYes, CleartextLoopback, CleartextNo),
		words("mechanisms", &a.Mechanisms, mechanism),
		duration("failure_delay", &a.FailureDelay),
		count("max_failures", &a.MaxFailures, 1),
		count("workers", &a.Workers, 0),
		duration("cache", &a.Cache),
	}
}

func (m *Mail) keys(dir string) []key {
	return []key{
		path("path", &m.Path, dir, template),
		path("control", &m.Control, dir, optionalTemplate),
		path("index", &m.Index, dir, optionalTemplate),
		enum("layout", &m.Layout, MaildirPP, FS),
		enum("separator", &m.Separator, "/", "."),
		text("prefix", &m.Prefix, anyText),
		enum("fsync", &m.Fsync, FsyncYes, FsyncAlways),
		paths("follow", &m.Follow, dir),
		boolean("utf8", &m.UTF8),
		boolean("tilde", &m.Tilde),
	}
}

func (s *Special) keys() []key {
	return []key{
		names("sent", &s.Sent, mailboxName),
		names("drafts", &s.Drafts, mailboxName),
		names("junk", &s.Junk, mailboxName),
		names("trash", &s.Trash, mailboxName),
		names("archive", &s.Archive, mailboxName),
		names("all", &s.All, mailboxName),
		names("flagged", &s.Flagged, mailboxName),
		names("important", &s.Important, mailboxName),
	}
}

func (q *Quota) keys() []key {
	return []key{
		limit("storage", &q.Storage, true),
		limit("messages", &q.Messages, false),
		enum("exceeded", &q.Exceeded, ExceededRefuse, ExceededWarn),
		text("exceeded_text", &q.ExceededText, oneLine),
	}
}

func (l *Limits) keys() []key {
	return []key{
		count("max_connections", &l.MaxConnections, 0),
		count("per_ip", &l.PerIP, 0),
		count("per_user", &l.PerUser, 0),
		duration("login_timeout", &l.LoginTimeout),
		duration("idle_timeout", &l.IdleTimeout),
		duration("write_timeout", &l.WriteTimeout),
		size("max_line", &l.MaxLine, 1<<10, 16<<20),
		size("max_literal", &l.MaxLiteral, 1<<10, 1<<30),
		size("append_limit", &l.AppendLimit, 1<<10, 1<<62),
		budget("memory", &l.Memory, memoryDefault, 32<<20),
		count("bad_commands", &l.BadCommands, 1),
		count("bad_commands_preauth", &l.BadCommandsPreauth, 1),
	}
}

func (m *Metrics) keys() []key {
	return []key{text("listen", &m.Listen, nearAddress)}
}

func (l *Log) keys() []key {
	return []key{
		enum("level", &l.Level, "info", "debug", "warn", "error"),
		enum("format", &l.Format, "text", "json"),
		enum("target", &l.Target, "auto", "journal", "stderr"),
	}
}
