//go:build interop

package interop

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"maildir-imapd/contrib/interop/peer"
	"maildir-imapd/imapd/wire"
)

// tourClient is a mail client on a tour, with the mail that it keeps.
type tourClient struct {
	name    string
	near    string // its mail, a Maildir a folder
	run     func(t *testing.T)
	renames bool                                            // it keeps its state when folder and state are renamed here as there
	rename  func(t *testing.T, tr *tour, from, to []string) // what its user does when a folder was renamed at the server
	dir     func(tr *tour, name string) string              // of a folder, by its name on the wire
}

// sync runs the client; want is how many messages it may fetch.
func (c *tourClient) sync(t *testing.T, tr *tour, when string, want int) {
	t.Helper()
	tr.tap.Take()
	began := time.Now()
	c.run(t)
	got := tr.tap.Take()
	t.Logf("%s %s: %d commands fetched the text of %d messages (want %d) in %.1f s", c.name, when, got.Fetches, got.Bodies, want, time.Since(began).Seconds())
	if got.Fetches != want || got.Bodies != want {
		t.Errorf("%s %s: %d commands fetched the text of %d messages, want %d of both", c.name, when, got.Fetches, got.Bodies, want)
	}
	for name, all := range got.Validities {
		if len(all) > 1 {
			t.Errorf("%s %s: %s had UIDVALIDITYs %v", c.name, when, name, all)
		}
	}
}

// change is the client's user at work: one message flagged, one thrown away, one written.
func (c *tourClient) change(t *testing.T, tr *tour) {
	t.Helper()
	inbox := c.dir(tr, "INBOX")
	all := files(t, inbox)
	last := len(all) - 1
	addFlag(t, all[last], "F")
	if c.renames {
		addFlag(t, all[last-1], "T")
	} else if err := os.Remove(all[last-1]); err != nil {
		t.Fatal(err)
	}
	layNear(t, inbox, [][]byte{invented(tr.next)}, tr.next)
	tr.next++
}

// same compares what the client has with what the server's tree has.
func (c *tourClient) same(t *testing.T, tr *tour) {
	t.Helper()
	folders := append([][]string{nil, tr.renamed}, tr.folders[:len(tr.folders):len(tr.folders)]...)
	for i := range tr.station + 1 {
		folders = append(folders, []string{fmt.Sprintf("Neu %d ß", i)})
	}
	total := 0
	for _, f := range folders {
		if slices.Equal(f, []string{"Ordner", "Alt"}) {
			continue // renamed at the first station
		}
		here, there := contents(t, c.dir(tr, tr.name(f...))), contents(t, filepath.Join(tr.mail, tr.onDisk(f)))
		total += len(there)
		if !slices.Equal(here, there) || len(there) == 0 {
			t.Errorf("%s: %s has %d messages here and %d at the server, not the same", c.name, tr.name(f...), len(here), len(there))
		}
	}
	t.Logf("%s: %d messages in %d folders, the same on both sides", c.name, total, len(folders))
}

// atTap is where the clients find their server, whichever it is.
func (tr *tour) atTap() *world { return &world{&peer.Server{Addr: tr.tap.Addr, UID: tr.uid}} }

func newTourMbsync(t *testing.T, tr *tour) *tourClient {
	t.Helper()
	near := filepath.Join(t.TempDir(), "near")
	conf := mbsyncConfig(t, tr.atTap(), tourUser, near)
	b, err := os.ReadFile(conf)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(b), "AuthMechs LOGIN\n", "AuthMechs LOGIN\nDisableExtensions COMPRESS=DEFLATE\n", 1)
	if tr.prefix != "" { // which mbsync learns from NAMESPACE: * is what lies below it, INBOX does not
		_, channel, _ := strings.Cut(text, "Channel c\n")
		channel = strings.NewReplacer("Far :far:\n", "Far :far:INBOX\n", "Near :near:\n", "Near :near:INBOX\n", "Patterns *\n", "").Replace(channel)
		text += "\nChannel inbox\n" + channel
	}
	// Kept beyond this station, with all of its state.
	dir := tr.home
	text = strings.ReplaceAll(text, near, filepath.Join(dir, "mbsync"))
	near = filepath.Join(dir, "mbsync")
	conf = filepath.Join(dir, "mbsyncrc")
	for _, err := range []error{os.MkdirAll(near, 0o700), os.WriteFile(conf, []byte(text), 0o600)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	c := &tourClient{name: "mbsync", near: near, renames: true}
	c.run = func(t *testing.T) { t.Helper(); command(t, nil, "mbsync", "-c", conf, "-a") }
	c.dir = func(tr *tour, name string) string {
		return filepath.Join(near, strings.ReplaceAll(strings.TrimPrefix(name, tr.prefix), tr.separator, "/"))
	}
	c.rename = func(t *testing.T, tr *tour, from, to []string) {
		t.Helper()
		if err := os.Rename(c.dir(tr, tr.name(from...)), c.dir(tr, tr.name(to...))); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func newTourOfflineIMAP(t *testing.T, tr *tour) *tourClient {
	t.Helper()
	host, port := tr.atTap().hostPort()
	dir := tr.home
	conf := offlineimaprc(t, dir, host, port, tourUser, "localfolders = "+dir+"/offlineimap\nsep = /")
	c := &tourClient{name: "offlineimap", near: filepath.Join(dir, "offlineimap")}
	c.run = func(t *testing.T) {
		t.Helper()
		out := command(t, []string{"HOME=" + dir}, "offlineimap", "-c", conf, "-o")
		if strings.Contains(out, "ERROR") {
			t.Errorf("offlineimap: %s", tail(out))
		}
	}
	c.dir = func(tr *tour, name string) string {
		return filepath.Join(c.near, strings.ReplaceAll(name, tr.separator, "/"))
	}
	// It tells folders by their names: here the old one is forgotten and the new one is another folder.
	c.rename = func(t *testing.T, tr *tour, from, _ []string) {
		t.Helper()
		if err := os.RemoveAll(c.dir(tr, tr.name(from...))); err != nil {
			t.Fatal(err)
		}
		forgotten := 0
		leaf := "." + wire.EncodeMUTF7(from[len(from)-1])
		err := filepath.WalkDir(filepath.Join(dir, "meta"), func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && strings.HasSuffix(strings.TrimSuffix(filepath.Base(path), "-journal"), leaf) {
				forgotten++
				err = os.Remove(path)
			}
			return err
		})
		if err != nil || forgotten == 0 {
			t.Fatalf("%d files of offlineimap's on %v: %v", forgotten, from, err)
		}
	}
	return c
}
