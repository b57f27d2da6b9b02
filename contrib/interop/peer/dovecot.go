package peer

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// DovecotUID owns the mail that Dovecot serves: it refuses to serve root's. This is Debian's nobody.
const DovecotUID = 65534

// StartDovecot runs a private Dovecot as the calling account (which must be
// root: Dovecot's master insists). It is given what makes it fast: no TLS, no
// auth cache misses (a passwd-file in memory), its index and cache files on,
// the same durability as ours (mail_fsync at its default) and, with Best,
// processes that serve many clients one after the other.
func StartDovecot(o Options) (*Server, error) {
	if err := o.prepare(); err != nil {
		return nil, err
	}
	if err := os.Chown(filepath.Join(o.Dir, "mail"), DovecotUID, DovecotUID); err != nil {
		return nil, fmt.Errorf("dovecot wants root: %w", err)
	}
	bin, err := exec.LookPath("dovecot")
	if err != nil {
		return nil, fmt.Errorf("dovecot is not installed (Debian: dovecot-imapd): %w", err)
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	conf := filepath.Join(o.Dir, "dovecot.conf")
	text, err := dovecotConf(o, port)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		return nil, err
	}
	s := &Server{
		Name: "dovecot",
		Addr: fmt.Sprintf("127.0.0.1:%d", port),
		Dir:  o.Dir,
		UID:  DovecotUID,
		argv: []string{bin, "-F", "-c", conf},
	}
	if err := s.start(); err != nil {
		return nil, err
	}
	return s, nil
}

// DovecotCompress is the Extra that gives Dovecot COMPRESS=DEFLATE. Plugins cost a process its start, so the
// bench goes without.
const DovecotCompress = `
mail_plugins = $mail_plugins zlib
protocol imap {
  mail_plugins = $mail_plugins imap_zlib
}
`

// DovecotQuota is the Extra that makes Dovecot keep maildirsize. Without a rule the file's first line has the
// limits, as with us. It goes before DovecotCompress, which adds to the plugins there are.
const DovecotQuota = `
mail_plugins = $mail_plugins quota
protocol imap {
  mail_plugins = $mail_plugins imap_quota
}
plugin {
  quota = maildir:User quota
}
`

// DovecotACL is the Extra that makes Dovecot read and write dovecot-acl files. Options.Groups are its acl_groups.
const DovecotACL = `
mail_plugins = $mail_plugins acl
protocol imap {
  mail_plugins = $mail_plugins imap_acl
}
plugin {
  acl = vfile
}
`

// dovecotGroups is a userdb that has a user's groups, instead of the static one.
var dovecotGroups = strings.NewReplacer("driver = static\n  args = uid=", "driver = passwd-file\n  args = DIR/users.passwd\n  default_fields = uid=")

// DovecotVersion is what `dovecot --version` says.
func DovecotVersion() string {
	out, err := exec.Command("dovecot", "--version").Output()
	if err != nil {
		return "not installed"
	}
	return strings.TrimSpace(string(out))
}

func dovecotConf(o Options, port int) (string, error) {
	imap, login := 1, 1
	if o.Best {
		imap, login = 1000, 0
	}
	r := strings.NewReplacer("DIR", o.Dir, "PORT", fmt.Sprint(port), "LIMIT", fmt.Sprint(o.Limit), "MAILUID", fmt.Sprint(DovecotUID),
		"IMAP_COUNT", fmt.Sprint(imap), "LOGIN_COUNT", fmt.Sprint(login))
	text := dovecotTemplate
	if len(o.Groups) > 0 {
		text = dovecotGroups.Replace(text)
	}
	text, err := set(text, o.Set)
	return r.Replace(text) + o.Extra, err
}

// The namespace has our defaults: '/' on the wire, Maildir++ on disk.
const dovecotTemplate = `base_dir = DIR/dv-base
state_dir = DIR/dv-state
log_path = DIR/log
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
first_valid_uid = 0
first_valid_gid = 0
auth_mechanisms = plain login cram-md5 scram-sha-256
auth_failure_delay = 1s
mail_max_userip_connections = 100000
passdb {
  driver = passwd-file
  args = DIR/users.passwd
}
userdb {
  driver = static
  args = uid=MAILUID gid=MAILUID home=DIR/mail/%u
}
mail_location = maildir:DIR/mail/%u
namespace inbox {
  inbox = yes
  separator = /
  prefix =
  mailbox Sent {
    special_use = \Sent
  }
  mailbox Drafts {
    special_use = \Drafts
  }
  mailbox Junk {
    special_use = \Junk
  }
  mailbox Trash {
    special_use = \Trash
  }
  mailbox Archive {
    special_use = \Archive
  }
}
default_client_limit = 10000
service anvil {
  client_limit = 20000
}
service auth {
  client_limit = 20000
}
service stats {
  client_limit = 20000
}
service imap {
  service_count = IMAP_COUNT
  process_limit = LIMIT
  client_limit = 1
}
service imap-login {
  service_count = LOGIN_COUNT
  process_limit = LIMIT
  inet_listener imap {
    port = PORT
  }
  inet_listener imaps {
    port = 0
  }
}
`
