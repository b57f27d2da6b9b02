//go:build interop

package interop

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"maildir-imapd/contrib/interop/peer"
)

// startACLDaemon starts ours over the files that a Dovecot has: the same users, groups, public roots and mail.
func startACLDaemon(t *testing.T, dovecot *peer.Server) *peer.Server {
	t.Helper()
	extra := "[namespace \"shared\"]\nprefix = Shared/%u/\n"
	for i := range aclRoots {
		extra += fmt.Sprintf("[namespace \"p%d\"]\nprefix = P%d/\npath = %s\nlayout = fs\nacl =\n", i, i, filepath.Join(dovecot.Dir, "public", fmt.Sprint(i)))
	}
	users := map[string]string{}
	for _, user := range aclUsers {
		users[user] = password
	}
	s, err := peer.StartDaemon(peer.Options{Dir: filepath.Join(workDir(t), "ours"), Users: users, Groups: aclGroups, Extra: extra,
		Set: map[string]string{"path": filepath.Join(dovecot.Dir, "mail", "%u")}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("end of our log:\n%s", s.Log())
		}
	})
	return s
}

// TestDaemonGivesDovecotsRights: MYRIGHTS of the daemon is what is on record of Dovecot. A file that is no good is told
// as a mailbox that is not there, and so is one to which there are none of the rights that RFC 4314 §4 wants for the
// answer: l, r, i, k, x, a.
func TestDaemonGivesDovecotsRights(t *testing.T) {
	need(t, "dovecot=dovecot-imapd")
	cases := readACLAnswers(t)
	d := startACLDovecot(t, cases, "")
	ours, differs := byIMAP(t, &world{startACLDaemon(t, d)}), readACLDifferences(t)
	for _, c := range cases {
		for n, user := range aclUsers {
			want := c.want[n]
			if want == "!" || !strings.ContainsAny(want, "lrikxa") {
				want = "-"
			}
			if got := ours(t, c, user); got != want && !differs[c.String()+" | "+user] {
				t.Errorf("%s: %s has %s, on record is %s", c, user, got, c.want[n])
			}
		}
	}
}

// TestACLCommandsAsDovecot: the same dialogue with both, each over files of its own. LISTRIGHTS without the right a is
// not in it: Dovecot answers, of any mailbox, where RFC 4314 §4 wants that right.
func TestACLCommandsAsDovecot(t *testing.T) {
	need(t, "dovecot=dovecot-imapd")
	cases := []*aclCase{
		{name: "news", file: text("user=alice lrswipkxtea\nanyone lr\n-user=bob w\ngroup=staff lrs\ngroup-override=zed l\nauthenticated lrp\n")},
		{name: "look", file: text("anyone lp\n")}, {name: "post", file: text("anyone p\n")},
		{space: -1, name: "mine", file: text("user=bob lr\n")}, {space: -1, name: "owned", file: text("owner lra\nuser=bob lr\n")},
	}
	first, second := startACLDovecot(t, cases, ""), startACLDovecot(t, cases, "")
	theirs, ours := map[string]*raw{}, map[string]*raw{}
	daemon := startACLDaemon(t, second)
	for _, user := range aclUsers {
		theirs[user], ours[user] = dialRaw(t, &world{first}, user), dialRaw(t, &world{daemon}, user)
	}
	for _, line := range []string{
		"alice GETACL P0/news", "alice GETACL P0/look", "alice GETACL P0/none", "alice GETACL mine", "alice GETACL owned", "bob GETACL P0/news",
		"alice LISTRIGHTS P0/news bob", "alice LISTRIGHTS mine alice",
		"alice MYRIGHTS P0/news", "bob MYRIGHTS P0/news", "carol MYRIGHTS P0/look", "carol MYRIGHTS P0/post", "bob MYRIGHTS Shared/alice/mine", "carol MYRIGHTS Shared/alice/mine",
		`alice SETACL mine bob ""`, "alice GETACL mine", "alice SETACL mine bob +w", "alice SETACL mine bob lrz", "alice SETACL mine bob lrS", `alice SETACL mine "" lr`, "alice SETACL mine #x lr",
		"alice SETACL mine owner lr", "alice GETACL mine", "alice SETACL mine alice l", "alice GETACL mine", "alice DELETEACL mine alice", "alice GETACL mine", "alice DELETEACL mine owner", "alice GETACL mine",
		"alice SETACL P0/news -$staff i", "alice SETACL P0/news !$news lra", "alice GETACL P0/news", "alice DELETEACL P0/news carol", "alice DELETEACL P0/news -bob",
		"alice SETACL P0/news bob cd", "alice GETACL P0/news", "alice SETACL P0/news owner lr", "bob again", "bob SETACL P0/look bob l", "bob MYRIGHTS P0/news", "bob DELETEACL P0/post x", "bob STATUS P0/look (MESSAGES)",
		"bob STATUS P0/post (MESSAGES)", "bob SELECT P0/look", "bob SELECT P0/post", "bob CREATE P0/news/more", "bob DELETE P0/look", "bob DELETE P0/post", "carol RENAME P0/news P0/olds",
	} {
		user, command, _ := strings.Cut(line, " ")
		if command == "again" { // Dovecot believes for half a minute what a connection has read
			theirs[user], ours[user] = dialRaw(t, &world{first}, user), dialRaw(t, &world{daemon}, user)
			continue
		}
		want, got := aclSaid(t, theirs[user], command), aclSaid(t, ours[user], command)
		if want != got && (want != "NO" || !strings.HasPrefix(got, "NO [")) { // not all of its refusals have a code
			t.Errorf("%s\n Dovecot: %s\n ours:    %s", line, want, got)
		}
	}
}

var aclWord = regexp.MustCompile(`^(NO|OK|BAD)( \[(?:NOPERM|NONEXISTENT)\])?`)

// aclSaid is an answer without words for people, the letters of rights in one order, identifiers with them.
func aclSaid(t *testing.T, k *raw, command string) string {
	t.Helper()
	lines, said := k.ask(t, command)
	said = aclWord.FindString(said)
	for _, line := range lines {
		f := strings.Fields(line)
		if len(f) < 3 || f[1] != "ACL" && f[1] != "MYRIGHTS" {
			said += " | " + strings.TrimSpace(line)
			continue
		}
		first := 4
		if f[1] == "MYRIGHTS" {
			first = 3
		}
		var pairs []string
		for i := first; i < len(f); i += 2 {
			letters := strings.Split(f[i], "")
			slices.Sort(letters)
			pairs = append(pairs, f[i-1]+" "+strings.Join(letters, ""))
		}
		slices.Sort(pairs)
		said += " | " + f[1] + " " + f[2] + ": " + strings.Join(pairs, ", ")
	}
	return said
}
