//go:build interop

package interop

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"maildir-imapd/maildir"
)

// tourView is all that a client can know of a tree and that must outlive a change of servers.
type tourView struct {
	Subscribed []string
	Folders    map[string]tourFolder
}

type tourFolder struct {
	Validity, Next string
	Messages       map[string]tourMessage // by Message-ID
}

type tourMessage struct {
	UID, Size string
	Flags     []string
}

var (
	listed    = regexp.MustCompile(`^\* (?:LIST|LSUB) \(([^)]*)\) "." (.*?)\r\n`)
	fetchID   = regexp.MustCompile(`(?i)Message-ID: (<[^>]*>)`)
	fetchFlag = regexp.MustCompile(`FLAGS \(([^)]*)\)`)
	validity  = regexp.MustCompile(`\[UIDVALIDITY (\d+)\]`)
	uidNext   = regexp.MustCompile(`UIDNEXT (\d+)`)
)

// look asks the server for everything, and twice where the first look is what numbers new mail.
func (tr *tour) look(t *testing.T) *tourView {
	t.Helper()
	k := dialRaw(t, tr.w, tourUser)
	v := &tourView{Folders: map[string]tourFolder{}}
	for _, l := range k.do(t, `LSUB "" "*"`) {
		if m := listed.FindStringSubmatch(l); m != nil && !strings.Contains(m[1], "Noselect") {
			v.Subscribed = append(v.Subscribed, unquoted(m[2]))
		}
	}
	slices.Sort(v.Subscribed)
	for _, l := range k.do(t, `LIST "" "*"`) {
		m := listed.FindStringSubmatch(l)
		if m == nil || strings.Contains(m[1], "Noselect") || strings.Contains(m[1], "NonExistent") {
			continue
		}
		name := unquoted(m[2])
		f := tourFolder{Messages: map[string]tourMessage{}}
		f.Next = first(uidNext, k.do(t, "STATUS "+m[2]+" (UIDNEXT)"))
		f.Validity = first(validity, k.do(t, "SELECT "+m[2]))
		if len(searchable(t, k)) > 0 {
			for _, l := range k.do(t, "UID FETCH 1:* (UID FLAGS RFC822.SIZE BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])") {
				id := first(fetchID, []string{l})
				if id == "" {
					continue
				}
				flags := strings.Fields(first(fetchFlag, []string{l}))
				flags = slices.DeleteFunc(flags, func(f string) bool { return f == `\Recent` })
				slices.Sort(flags)
				if _, twice := f.Messages[id]; twice {
					t.Errorf("%s: %s is there twice", name, id)
				}
				f.Messages[id] = tourMessage{UID: numberAfter(l, "UID "), Size: numberAfter(l, "RFC822.SIZE "), Flags: flags}
			}
		}
		v.Folders[name] = f
	}
	k.do(t, "LOGOUT")
	return v
}

// add runs a command that ends with a literal, in the way that every server knows.
func (k *raw) add(t *testing.T, head, text string) {
	t.Helper()
	if _, err := fmt.Fprintf(k.c, "x %s {%d}\r\n", head, len(text)); err != nil {
		t.Fatal(err)
	}
	if l, err := k.r.ReadString('\n'); err != nil || !strings.HasPrefix(l, "+") {
		t.Fatalf("%s: %q, %v", head, l, err)
	}
	if _, err := io.WriteString(k.c, text+"\r\n"); err != nil {
		t.Fatal(err)
	}
	for {
		l, err := k.r.ReadString('\n')
		if err != nil || strings.HasPrefix(l, "x ") && !strings.HasPrefix(l, "x OK") {
			t.Fatalf("%s: %q, %v", head, l, err)
		}
		if strings.HasPrefix(l, "x ") {
			return
		}
	}
}

// searchable are the messages of the selected folder: FETCH 1:* of an empty one is an error to some.
func searchable(t *testing.T, k *raw) []string {
	t.Helper()
	for _, l := range k.do(t, "UID SEARCH ALL") {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(l), "* SEARCH"); ok {
			return strings.Fields(rest)
		}
	}
	return nil
}

func unquoted(s string) string {
	if len(s) > 1 && s[0] == '"' {
		return strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(s[1 : len(s)-1])
	}
	return s
}

func first(re *regexp.Regexp, lines []string) string {
	for _, l := range lines {
		if m := re.FindStringSubmatch(l); m != nil {
			return m[1]
		}
	}
	return ""
}

// checkTree runs the store's own check over every mailbox of the tree that has a list of UIDs.
func checkTree(t *testing.T, root, list string) {
	t.Helper()
	boxes := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if _, err := os.Stat(filepath.Join(path, list)); err != nil {
			return nil
		}
		boxes++
		for _, err := range maildir.Check(path) {
			t.Errorf("%s: %v", path, err)
		}
		return nil
	})
	if err != nil || boxes == 0 {
		t.Errorf("%d mailboxes checked: %v", boxes, err)
	}
}

// checkApart looks for damage in a tree whose lists lie apart, all of them.
func (tr *tour) checkApart(t *testing.T) {
	t.Helper()
	o := maildir.TreeOptions{Root: tr.mail, Control: strings.Replace(tr.control, "%u", tourUser, 1), Index: strings.Replace(tr.index, "%u", tourUser, 1), Separator: tr.separator[0]}
	if tr.layout == "fs" {
		o.Layout = maildir.FS
	}
	lists := map[string]int{}
	for _, root := range []string{o.Root, o.Control} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Name() == "dovecot-uidlist" {
				lists[root]++
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	if lists[o.Root] > 0 || lists[o.Control] != len(tr.previous.Folders) {
		t.Errorf("lists of UIDs: %v, of %d folders", lists, len(tr.previous.Folders))
	}
	store, err := maildir.NewStore(maildir.StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	tree, err := store.Tree(o)
	if err != nil {
		t.Fatal(err)
	}
	found, err := tree.Check(t.Context(), maildir.CheckOptions{})
	if err != nil {
		t.Error(err)
	}
	for i := range found {
		if !strings.HasSuffix(found[i].File, ".lock") { // root's, who looks just now
			t.Error(&found[i])
		}
	}
}
