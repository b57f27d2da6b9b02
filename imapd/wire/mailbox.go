package wire

import (
	"strings"
	"unicode/utf8"

	"github.com/emersion/go-imap/v2"
)

// Mailbox reads a mailbox name and returns it in UTF-8; INBOX in any case is
// "INBOX". Without SetUTF8 the name is modified UTF-7, but a name with 8-bit
// characters is taken for UTF-8 as it stands, "&" included, even without quotes:
// curl sends the names of its URLs so.
func (d *Decoder) Mailbox() string { return d.nameOf(classAString, "a mailbox name") }

// ListMailbox reads the pattern of LIST: a name in which "%" and "*" are
// wildcards, also without quotes.
func (d *Decoder) ListMailbox() string { return d.nameOf(classList, "a mailbox pattern") }

func (d *Decoder) nameOf(c class, want string) string {
	switch d.Peek() {
	case '"', '{':
		return d.mailboxName(d.String())
	}
	return d.mailboxName(string(d.token(c|class8bit, want)))
}

func (d *Decoder) mailboxName(s string) string {
	if d.err != nil {
		return ""
	}
	if equalFold(s, "INBOX") {
		return "INBOX"
	}
	switch {
	case d.utf8 || !ascii(s):
		if !utf8.ValidString(s) {
			d.Fail("mailbox name is neither modified UTF-7 nor UTF-8")
			return ""
		}
	case strings.IndexByte(s, '&') >= 0:
		name, err := DecodeMUTF7(s)
		if err != nil {
			d.Fail("mailbox name is not modified UTF-7: %v", err)
			return ""
		}
		s = name
		if strings.IndexByte(s, 0) >= 0 {
			d.Fail("NUL is not allowed in a mailbox name")
			return ""
		}
	}
	return s
}

func ascii(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// systemFlags in the case of RFC 9051 §2.3.2.
var systemFlags = [...]imap.Flag{
	imap.FlagSeen, imap.FlagAnswered, imap.FlagFlagged, imap.FlagDeleted, imap.FlagDraft, `\Recent`,
}

// Flag reads a flag: "\" atom or atom. System flags, \Recent among them, come
// back in their usual case, others as sent; whether a flag may be stored is not
// a matter of grammar.
func (d *Decoder) Flag() imap.Flag {
	if d.Peek() != '\\' {
		return imap.Flag(d.token(classAtom, "a flag"))
	}
	d.consume(1)
	b := d.token(classAtom, "the name of a flag")
	if d.err != nil {
		return ""
	}
	for _, f := range systemFlags {
		if equalFoldBytes(b, string(f[1:])) {
			return f
		}
	}
	return imap.Flag(`\` + string(b))
}

func equalFoldBytes(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i, c := range b {
		// The bytes are ATOM-CHARs and s is letters: setting the bit maps
		// two different ones to the same only if they are case variants.
		if c|0x20 != s[i]|0x20 {
			return false
		}
	}
	return true
}

// FlagList reads "(" [flag *(SP flag)] ")".
func (d *Decoder) FlagList() []imap.Flag {
	flags := []imap.Flag{}
	d.List(func() { flags = append(flags, d.Flag()) })
	if d.err != nil {
		return nil
	}
	return flags
}

// StoreFlags reads the flags of STORE: a flag-list, or flags without
// parentheses (RFC 9051 §9, store-att-flags).
func (d *Decoder) StoreFlags() []imap.Flag {
	if d.Peek() == '(' {
		return d.FlagList()
	}
	flags := []imap.Flag{d.Flag()}
	for d.TrySP() {
		flags = append(flags, d.Flag())
	}
	if d.err != nil {
		return nil
	}
	return flags
}
