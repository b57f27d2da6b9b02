package transcript

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// message is one message of a fixture.
type message struct {
	mailbox string
	text    string // a file of testdata/imap/messages
	flags   string // Maildir letters; "new" leaves it in new/
}

type fixture struct {
	mailboxes []string // besides those that have messages
	messages  []message
	keywords  []string // of INBOX: letter a, b, c ...
	public    bool     // news and news/old below the public namespace instead of the user's mail
	acls      string   // host.acl's arguments, a line each
	quota     string   // the first line of a maildirsize; what is in cur/ is counted below it
}

func inbox(pairs ...string) []message {
	var ms []message
	for i := 0; i < len(pairs); i += 2 {
		ms = append(ms, message{"INBOX", pairs[i], pairs[i+1]})
	}
	return ms
}

// fixtures are the Maildirs that transcripts begin with. Message n of a mailbox arrived on
// 2024-01-n at 12:00 UTC.
var fixtures = map[string]fixture{
	"empty": {},
	"three": {messages: inbox("plain", "S", "reply", "", "latin", "F")},
	"new":   {messages: inbox("plain", "S", "reply", "", "latin", "F", "plain", "new", "reply", "new")},
	"mime":  {messages: inbox("plain", "S", "multipart", "S", "nested", "S", "latin", "S", "badcte", "S")},
	"ten": {messages: inbox("plain", "", "plain", "", "plain", "", "plain", "", "plain", "",
		"plain", "", "plain", "", "plain", "", "plain", "", "plain", "")},
	"deleted": {messages: inbox("plain", "S", "reply", "ST", "latin", "", "plain", "T", "reply", "F")},
	"keywords": {messages: inbox("plain", "Sc", "reply", "a", "latin", "Fb"),
		keywords: []string{"$Forwarded", "$Junk", "project"}},
	"folders": {
		messages: append(inbox("plain", "S", "reply", "", "latin", "F"),
			message{"Work", "plain", "S"}, message{"Work", "reply", ""}),
		mailboxes: []string{"Work/Sub", "Work/Sub/Deep", "Sent", "Drafts", "Junk", "Trash", "Archive", "Other"},
	},
	"quota": {messages: append(inbox("plain", "S", "reply", "T", "latin", "F"), message{"Work", "plain", "S"}),
		mailboxes: []string{"Work/Sub"}, quota: "4096S,5C"},
	"search": {messages: inbox("plain", "S", "reply", "RS", "latin", "F", "multipart", "D", "nested", "T")},
	"rights": {messages: []message{{"news", "plain", ""}, {"news", "reply", "F"}, {"news", "latin", "T"}}, mailboxes: []string{"box", "box/sub"},
		public: true, acls: "/ user=alice lrswipkxtea"},
	"public": {messages: []message{{"news", "plain", ""}, {"news", "reply", "F"}, {"news/old", "plain", ""}}, public: true},
}

// host stands for the other programs that use the same Maildir. It follows no lock, as most of them.
type host struct {
	root   string // the user's Maildir, or the public root
	fs     bool   // fs layout
	texts  string // directory of message texts
	names  map[string][]string
	nr     int
	locked []string
	owner  int
}

// own gives everything below path to the mail's owner.
func (h *host) own(path string) error {
	if h.owner == 0 || h.owner == os.Getuid() {
		return nil
	}
	return filepath.WalkDir(path, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, h.owner, h.owner)
	})
}

func (h *host) dir(mailbox string) string {
	switch {
	case h.fs:
		return filepath.Join(h.root, mailbox)
	case strings.EqualFold(mailbox, "INBOX"):
		return h.root
	}
	return filepath.Join(h.root, "."+strings.ReplaceAll(mailbox, "/", "."))
}

func (h *host) makeMailbox(mailbox string) error {
	for _, sub := range []string{"cur", "new", "tmp"} {
		if err := os.MkdirAll(filepath.Join(h.dir(mailbox), sub), 0o755); err != nil {
			return err
		}
	}
	if h.fs || mailbox == "INBOX" {
		return nil
	}
	return os.WriteFile(filepath.Join(h.dir(mailbox), "maildirfolder"), nil, 0o644)
}

// build writes the fixture, but for the mail in new/: arrive brings that.
func (h *host) build(f fixture) error {
	if !f.public {
		if err := h.makeMailbox("INBOX"); err != nil {
			return err
		}
	}
	for _, mb := range f.mailboxes {
		if err := h.makeMailbox(mb); err != nil {
			return err
		}
	}
	for _, m := range f.messages {
		if err := h.makeMailbox(m.mailbox); err != nil {
			return err
		}
		if m.flags == "new" {
			continue
		}
		n := len(h.names[m.mailbox]) + 1
		at := time.Date(2024, 1, n, 12, 0, 0, 0, time.UTC)
		if err := h.write(m, fmt.Sprintf("%d.M%dP1.%s", at.Unix(), n, fixtureHost(m.mailbox)), at); err != nil {
			return err
		}
	}
	for line := range strings.SplitSeq(f.acls, "\n") {
		if line == "" {
			continue
		}
		if err := h.acl(line); err != nil {
			return err
		}
	}
	if f.quota != "" {
		if err := h.count(f); err != nil {
			return err
		}
	}
	if len(f.keywords) > 0 {
		var b strings.Builder
		for i, k := range f.keywords {
			fmt.Fprintf(&b, "%d %s\n", i, k)
		}
		return os.WriteFile(filepath.Join(h.root, "dovecot-keywords"), []byte(b.String()), 0o644)
	}
	return nil
}

// count writes the maildirsize of a fixture.
func (h *host) count(f fixture) error {
	size := 0
	for _, m := range f.messages {
		text, err := os.ReadFile(filepath.Join(h.texts, m.text+".eml"))
		if err != nil {
			return err
		}
		size += len(text)
	}
	return os.WriteFile(filepath.Join(h.root, "maildirsize"), fmt.Appendf(nil, "%s\n%d %d\n", f.quota, size, len(f.messages)), 0o644)
}

// arrive puts the fixture's new mail into new/.
func (h *host) arrive(f fixture) error {
	for _, m := range f.messages {
		if m.flags != "new" {
			continue
		}
		n := len(h.names[m.mailbox]) + 1
		at := time.Date(2024, 1, n, 12, 0, 0, 0, time.UTC)
		if err := h.write(m, fmt.Sprintf("%d.M%dP1.%s", at.Unix(), n, fixtureHost(m.mailbox)), at); err != nil {
			return err
		}
	}
	return nil
}

// write delivers as a Maildir writer does: tmp, then rename.
func (h *host) write(m message, base string, at time.Time) error {
	text, err := os.ReadFile(filepath.Join(h.texts, m.text+".eml"))
	if err != nil {
		return err
	}
	dir := h.dir(m.mailbox)
	tmp := filepath.Join(dir, "tmp", base)
	if err := os.WriteFile(tmp, text, 0o644); err != nil {
		return err
	}
	if err := os.Chtimes(tmp, at, at); err != nil {
		return err
	}
	if err := h.own(tmp); err != nil {
		return err
	}
	h.names[m.mailbox] = append(h.names[m.mailbox], base)
	if m.flags == "new" {
		return os.Rename(tmp, filepath.Join(dir, "new", base))
	}
	return os.Rename(tmp, filepath.Join(dir, "cur", base+":2,"+m.flags))
}

// text is a message as IMAP shows it; part is "", "header" (with its blank line) or "text".
func (h *host) text(name, part string) (string, error) {
	b, err := os.ReadFile(filepath.Join(h.texts, name+".eml"))
	if err != nil {
		return "", err
	}
	b = bytes.ReplaceAll(bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))
	i := bytes.Index(b, []byte("\r\n\r\n")) + 4
	switch part {
	case "header":
		return string(b[:i]), nil
	case "text":
		return string(b[i:]), nil
	}
	return string(b), nil
}

// fixtureHost makes the names of different mailboxes' messages differ, as a delivery agent's would: another
// program may move a file from one to the other.
func fixtureHost(mailbox string) string {
	return "fixture-" + strings.NewReplacer("/", "-", ":", "-").Replace(mailbox)
}
