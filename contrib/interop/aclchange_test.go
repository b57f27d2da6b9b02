//go:build interop

package interop

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"maildir-imapd/maildir/acl"
)

// TestACLChangesAsDovecot: SETACL and DELETEACL, one after the other on files that are made up, say the same with
// Dovecot and with the package. Order and comments are ours to keep, and Dovecot does not.
func TestACLChangesAsDovecot(t *testing.T) {
	need(t, "dovecot=dovecot-imapd")
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	var cases []*aclCase
	for len(cases) < 250 {
		// alice administers each of them, whatever else they say.
		file := "user=alice la\n" + madeUpACL(r)
		list, err := acl.Parse([]byte(file))
		if err != nil {
			continue
		}
		if rights, _ := list.Rights(&acl.Who{User: "alice", Groups: aclGroups["alice"]}); rights.Has(acl.RightAdmin | acl.RightLookup) {
			cases = append(cases, &aclCase{name: fmt.Sprintf("x%d", len(cases)), file: &file})
		}
	}
	d := startACLDovecot(t, cases, "")
	k, done := dialRaw(t, &world{d}, "alice"), 0
	for _, c := range cases {
		list, err := acl.Parse([]byte(*c.file))
		if err != nil {
			t.Fatal(err)
		}
		said := *c.file
		for range 5 {
			line, change := madeUpChange(t, r, c.mailbox("alice"))
			after, _ := list.Apply(change)
			if rights, _ := after.Rights(&acl.Who{User: "alice", Groups: aclGroups["alice"]}); !rights.Has(acl.RightAdmin | acl.RightLookup) {
				continue // it would be the last
			}
			k.do(t, line)
			done++
			said += line + "\n"
			b, err := os.ReadFile(filepath.Join(c.dir(d.Dir), "dovecot-acl"))
			if err != nil {
				t.Fatal(err)
			}
			theirs, err := acl.Parse(b)
			if err != nil {
				t.Fatalf("%s: Dovecot wrote %q: %v", said, b, err)
			}
			if diff := cmp.Diff(aclMeaning(theirs), aclMeaning(after)); diff != "" {
				t.Fatalf("%s: Dovecot -, ours +\n%s", said, diff)
			}
			if list, err = acl.Parse(after.Append(nil)); err != nil {
				t.Fatalf("%s: ours: %v", said, err)
			}
		}
	}
	if done < 1000 {
		t.Errorf("only %d changes were made", done)
	}
}

// madeUpChange is a command and what it means.
func madeUpChange(t *testing.T, r *rand.Rand, mailbox string) (string, acl.Change) {
	t.Helper()
	names := []string{"alice", "bob", "carol", "a b", `q"q`, "$staff", "$news", "!$staff", "!$zed"}
	name := names[r.IntN(len(names))]
	if r.IntN(3) == 0 {
		name = "-" + name
	}
	id, negative, err := acl.ParseIMAPID(name)
	if err != nil {
		t.Fatal(err)
	}
	quoted := `"` + strings.ReplaceAll(name, `"`, `\"`) + `"`
	change := acl.Change{ID: id, Negative: negative, Op: acl.Delete}
	if r.IntN(4) == 0 {
		return "DELETEACL " + mailbox + " " + quoted, change
	}
	rights := []string{"", "+", "-"}[r.IntN(3)]
	for _, c := range "lrwstipekxacd" {
		if r.IntN(4) == 0 {
			rights += string(c)
		}
	}
	if change.Op, change.Rights, err = acl.ParseChange(rights); err != nil {
		t.Fatal(err)
	}
	return "SETACL " + mailbox + " " + quoted + ` "` + rights + `"`, change
}

// aclMeaning is what a file says, whatever the order: the rights and names by identifier and sign.
func aclMeaning(l *acl.List) map[string]string {
	said := map[string]string{}
	for _, e := range l.Merged() {
		var names []string
		for _, o := range l.Entries {
			if o.ID == e.ID && o.Negative == e.Negative {
				names = append(names, o.Named...)
			}
		}
		slices.Sort(names)
		e.Named = slices.Compact(names)
		said[fmt.Sprintf("%v %s", e.Negative, e.ID)] = e.String()
	}
	return said
}
