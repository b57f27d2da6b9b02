package imapd

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"maildir-imapd/maildir"
	"maildir-imapd/maildir/acl"
)

var writeACL = flag.Bool("write", false, "write the transcripts of rights anew")

// noRights are the commands for which nobody needs a right to a mailbox, and those that ask what their mailboxes'
// other commands have asked: whoever may not read one has none selected (TestRightsTakenAway).
const noRights = "CAPABILITY NOOP LOGOUT ID ENABLE NAMESPACE COMPRESS IDLE CHECK UNSELECT LSUB UNSUBSCRIBE GETQUOTA SETQUOTA " +
	"SEARCH UID SEARCH SORT UID SORT THREAD UID THREAD"

// aclCommand is what a command needs, by RFC 4314 §4, and a dialogue that shows it.
type aclCommand struct {
	names string   // of the command, in the index, and of others that need the same
	file  string   // of the transcript; empty: the first name
	needs string   // the rights, all of them
	line  string   // what is sent; the rights are those to Public/box and Public/box/sub, or to Public/news if it is selected
	sel   bool     // Public/news is selected, with l and r
	from  bool     // Public/news is selected, with all rights
	ok    []string // what is answered before the OK
	less  []string // what is answered before an OK that does nothing, for those commands that are never refused
	again []string // steps that make a second OK possible
	// refused is the code of a refusal, for those that differ from NOPERM with l and NONEXISTENT without.
	refused func(has acl.Rights) string
	enough  func(has acl.Rights) bool // instead of needs
	says    string
}

// known is how GETQUOTAROOT and MYRIGHTS are allowed: p, s, w, t and e alone tell of no mailbox.
func known(has acl.Rights) bool { return maildir.May(has, maildir.DeedKnow) == nil }

func always(code string) func(acl.Rights) string { return func(acl.Rights) string { return code } }

var aclCommands = []aclCommand{
	{names: "SELECT", needs: "r", line: "SELECT Public/box", ok: opened, again: []string{"1 C: u UNSELECT", "1 S: u OK"}},
	{names: "EXAMINE", needs: "r", line: "EXAMINE Public/box", ok: opened, again: []string{"1 C: u UNSELECT", "1 S: u OK"}},
	{names: "STATUS", needs: "r", line: "STATUS Public/box (MESSAGES)", ok: []string{"1 U: * STATUS Public/box (MESSAGES 0)"}},
	{names: "APPEND", needs: "i", line: "APPEND Public/box <<@plain>>", refused: func(has acl.Rights) string {
		if has.Has(acl.RightLookup) {
			return "NOPERM"
		}
		return "TRYCREATE"
	}, says: "Who may not know of the mailbox is told to create it, as where there is none (§6)."},
	{names: "CREATE", needs: "k", line: "CREATE Public/box/more", refused: always("NOPERM"), again: []string{"rmdir box/more"}},
	{names: "DELETE", needs: "x", line: "DELETE Public/box/sub", again: []string{"mkdir box/sub"}},
	{names: "RENAME", needs: "xk", line: "RENAME Public/box/sub Public/box/more", again: []string{"1 C: r RENAME Public/box/more Public/box/sub", "1 S: r OK|NO", "mkdir box/sub"},
		refused: func(has acl.Rights) string {
			if has&(acl.RightLookup|acl.RightDeleteMailbox) == 0 {
				return "NONEXISTENT"
			}
			return "NOPERM"
		}, says: "x is for the mailbox, k for the one it comes to lie in."},
	{names: "SUBSCRIBE", needs: "l", line: "SUBSCRIBE Public/box"},
	{names: "LIST XLIST", needs: "l", line: `LIST "" Public/box`, ok: []string{`1 U: * LIST (...) "/" Public/box`}, less: []string{}},
	{names: "LIST", file: "list-status", needs: "lr", line: `LIST "" Public/box RETURN (STATUS (MESSAGES))`,
		ok: []string{`1 U: * LIST (...) "/" Public/box`, "1 U: * STATUS Public/box (MESSAGES 0)"}, less: []string{`1 ?: * LIST (...) "/" Public/box`}},
	{names: "GETACL", needs: "a", line: "GETACL Public/box", ok: []string{"1 ?: * ACL Public/box alice $_"}},
	{names: "SETACL", needs: "a", line: "SETACL Public/box carol l"},
	{names: "DELETEACL", needs: "a", line: "DELETEACL Public/box carol"},
	{names: "LISTRIGHTS", needs: "a", line: "LISTRIGHTS Public/box carol", ok: []string{`1 U: * LISTRIGHTS Public/box carol "" l r w s t p i e k x a c d`}},
	{names: "MYRIGHTS", enough: known, line: "MYRIGHTS Public/box", ok: []string{"1 ?: * MYRIGHTS Public/box $_"}, says: "Any of l, r, i, k, x and a will do."},
	{names: "GETQUOTAROOT", enough: known, line: "GETQUOTAROOT Public/box", ok: []string{"1 U: * QUOTAROOT Public/box"},
		says: "It would tell of a mailbox, and needs what MYRIGHTS does."},
	{names: "COPY UID COPY", needs: "i", from: true, line: "COPY 1 Public/box", refused: func(has acl.Rights) string {
		if has.Has(acl.RightLookup) {
			return "NOPERM"
		}
		return "TRYCREATE"
	}, says: "The right is to the target."},
	{names: "MOVE UID MOVE", needs: "te", sel: true, line: "MOVE 1 INBOX", ok: append([]string{"1 U: * OK [COPYUID $_ $_ $_]", "1 U: * 1 EXPUNGE"}, changed...), again: oneMore,
		says: "RFC 6851 §3.3 has it need what setting \\Deleted and EXPUNGE do; the target needs i."},
	{names: "MOVE", file: "move-target", needs: "i", from: true, line: "MOVE 1 Public/box", ok: []string{"1 ?: * OK [COPYUID $_ $_ $_]", "1 U: * 1 EXPUNGE"}, again: oneMore,
		refused: func(has acl.Rights) string {
			if has.Has(acl.RightLookup) {
				return "NOPERM"
			}
			return "TRYCREATE"
		}},
	{names: "ESEARCH", needs: "r", line: "ESEARCH IN (mailboxes Public/news) RETURN (COUNT) ALL", ok: []string{"1 U: * ESEARCH (TAG $_ MAILBOX Public/news UIDVALIDITY $_) UID COUNT 3"}, less: []string{},
		says: "What may not be searched is left out without a word (RFC 7377 §5)."},
	{names: "FETCH UID FETCH", needs: "s", sel: true, line: "FETCH 1 BODY[TEXT]", ok: append([]string{"1 U: * 1 FETCH (BODY[TEXT] $_ FLAGS $_)"}, changed...),
		less: append([]string{"1 U: * 1 FETCH (BODY[TEXT] $_)"}, changed...), again: append([]string{"flag news 1 -S", "1 C: n NOOP"}, append(slices.Clone(changed), "1 S: n OK")...),
		says: "Reading needs r; s is for \\Seen, which is left alone without."},
	{names: "STORE UID STORE", file: "store-seen", needs: "s", sel: true, line: `STORE 1 +FLAGS (\Seen)`, ok: append([]string{"1 U: * 1 FETCH (FLAGS $_)"}, changed...)},
	{names: "STORE", file: "store-deleted", needs: "t", sel: true, line: `STORE 1 +FLAGS (\Deleted)`, ok: append([]string{"1 U: * 1 FETCH (FLAGS $_)"}, changed...)},
	{names: "STORE", file: "store-flags", needs: "w", sel: true, line: `STORE 1 +FLAGS (\Flagged word)`, ok: append([]string{"1 U: * 1 FETCH (FLAGS $_)"}, changed...)},
	{names: "EXPUNGE UID EXPUNGE", needs: "e", sel: true, line: "EXPUNGE", ok: append([]string{"1 U: * $_ EXPUNGE"}, changed...), again: oneMore},
	{names: "CLOSE", needs: "e", sel: true, line: "CLOSE", less: []string{}, ok: []string{}, again: []string{"deliver news plain T"},
		says: "It is never refused: without e it expunges nothing."},
}

// opened is what SELECT answers; changed, what a session may be told of a mailbox when rights or files change.
var (
	opened  = []string{"1 ?: * FLAGS $_", "1 ?: * OK [PERMANENTFLAGS $_]", "1 U: * 0 EXISTS", "1 U: * 0 RECENT", "1 U: * OK [UIDVALIDITY $_]", "1 U: * OK [UIDNEXT $_]"}
	changed = []string{"1 ?: * FLAGS $_", "1 ?: * OK [PERMANENTFLAGS $_]", "1 ?: * $_ EXISTS", "1 ?: * $_ RECENT", "1 ?: * $_ FETCH $_"}
	oneMore = append([]string{"deliver news plain T", "1 C: n NOOP"}, append(slices.Clone(changed), "1 S: n OK")...)
)

const allRights = "lrswipkxtea"

// sets are the rights that a command is tried with: each single one, beside l and, where that makes a difference,
// without it; all but each that is needed; those that are needed; and all.
func (c *aclCommand) sets() []string {
	always := "l"
	if c.sel {
		always = "lr"
	}
	var sets []string
	for _, x := range allRights {
		sets = append(sets, merge(always, string(x)))
		if !c.sel && x != 'l' {
			sets = append(sets, string(x))
		}
	}
	for _, x := range c.needs {
		if !strings.ContainsRune(always, x) || !c.sel {
			sets = append(sets, strings.ReplaceAll(allRights, string(x), ""))
		}
	}
	sets = append(sets, merge(always, c.needs), allRights)
	slices.Sort(sets)
	return slices.Compact(sets)
}

// merge is letters in the order of the protocol.
func merge(a, b string) string {
	var s strings.Builder
	for _, x := range allRights {
		if strings.ContainsRune(a+b, x) {
			s.WriteRune(x)
		}
	}
	return s.String()
}

// transcript writes the dialogue.
func (c *aclCommand) transcript() string {
	var b strings.Builder
	state, box := "auth", "box"
	if c.sel || c.from {
		state = "selected Public/news"
	}
	if c.sel || c.names == "ESEARCH" {
		box = "news"
	}
	what := "the right " + c.needs
	if len(c.needs) > 1 {
		what = "the rights " + strings.Join(strings.Split(c.needs, ""), " and ")
	}
	if c.enough != nil {
		what = "to know of the mailbox"
	}
	name, _, _ := strings.Cut(c.line, " ")
	says := fmt.Sprintf("RFC 4314 §4: %s needs %s.", name, what)
	if c.says != "" {
		says += " " + c.says
	}
	fmt.Fprintf(&b, "# %s\nstate: %s\nmaildir: rights\nneeds: public users acl\ndovecot: skip its lists are the test's of contrib/interop\nvariants: no-observer no-onebyte\n\n", says, state)
	for i, set := range c.sets() {
		has, err := acl.ParseRights(set)
		if err != nil {
			panic(err)
		}
		fmt.Fprintf(&b, "acl %s user=alice %s\n", box, set)
		if box == "box" {
			fmt.Fprintf(&b, "acl box/sub user=alice %s\n", set)
		}
		c.exchange(&b, fmt.Sprintf("%c%d", 'a'+rune(i%26), i), has)
	}
	return b.String()
}

// exchange writes one command and its answer.
func (c *aclCommand) exchange(b *strings.Builder, tag string, has acl.Rights) {
	need, _ := acl.ParseRights(c.needs)
	enough := has.Has(need)
	if c.enough != nil {
		enough = c.enough(has)
	}
	if strings.HasPrefix(c.line, "CLOSE") { // what is left is counted by an observer that nothing is taken from
		b.WriteString("1 C: s SELECT Public/news\n" + lines(append([]string{"1 ?: * OK [CLOSED]", "1 ?: * OK [UNSEEN $_]", "1 ?: * OK [UIDVALIDITY $_]", "1 ?: * OK [UIDNEXT $_]"}, changed...)) + "1 S: s OK\n")
	}
	fmt.Fprintf(b, "1 C: %s %s\n", tag, c.line)
	code := "NONEXISTENT"
	if c.sel || has.Has(acl.RightLookup) {
		code = "NOPERM"
	}
	if c.refused != nil {
		code = c.refused(has)
	}
	switch {
	case enough:
		fmt.Fprintf(b, "%s1 S: %s OK\n%s", lines(c.ok), tag, lines(c.again))
	case c.less != nil:
		fmt.Fprintf(b, "%s1 S: %s OK\n", lines(c.less), tag)
	case c.sel:
		fmt.Fprintf(b, "%s1 S: %s NO [%s]\n", lines(changed), tag, code)
	default:
		fmt.Fprintf(b, "1 S: %s NO [%s]\n", tag, code)
	}
}

func lines(steps []string) string {
	if len(steps) == 0 {
		return ""
	}
	return strings.Join(steps, "\n") + "\n"
}

// TestEveryCommandHasItsRights: a command cannot come without saying which rights it needs, and the dialogues in
// testdata are those of the table. With -write they are made.
func TestEveryCommandHasItsRights(t *testing.T) {
	said := strings.Fields(strings.ReplaceAll(noRights, "UID ", "UID\x00"))
	for i := range aclCommands {
		c := &aclCommands[i]
		names := strings.Fields(strings.ReplaceAll(c.names, "UID ", "UID\x00"))
		said = append(said, names...)
		file := c.file
		if file == "" {
			file = strings.ToLower(names[0])
		}
		path := filepath.Join(transcripts, "acl-"+file+".txt")
		if *writeACL {
			if err := os.WriteFile(path, []byte(c.transcript()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if b, err := os.ReadFile(path); err != nil || string(b) != c.transcript() {
			t.Errorf("%s is not the table's (go test ./imapd -run TestEveryCommandHasItsRights -write): %v", path, err)
		}
	}
	for name := range newIndex(extensions).session {
		if !slices.Contains(said, strings.ReplaceAll(name, "UID ", "UID\x00")) {
			t.Errorf("no rights are said of %s: see aclCommands", name)
		}
	}
}
