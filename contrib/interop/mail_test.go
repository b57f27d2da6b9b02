//go:build interop

package interop

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"testing"
)

// realMail reads messages of public lists, where they lie beside the project; elsewhere it makes some up.
var realMail = sync.OnceValues(func() ([][]byte, string) {
	messages, err := untar(filepath.Join(corpusDir(), "list-open.tar.xz"), 2000)
	if err == nil {
		return messages, "2,000 real messages"
	}
	for i := range 2000 {
		messages = append(messages, invented(i))
	}
	return messages, fmt.Sprintf("2,000 invented messages (no corpus: %v)", err)
})

// mail is the first n messages.
func mail(t *testing.T, n int) [][]byte {
	messages, what := realMail()
	t.Logf("of %s: %d", what, n)
	return messages[:n]
}

func untar(path string, n int) (messages [][]byte, err error) {
	seen := map[[32]byte]bool{} // a cross-posted message is told from its copies by nothing
	err = eachMail(path, func(_ *tar.Header, b []byte) bool {
		if sum := sha256.Sum256(canonical(b)); !seen[sum] {
			seen[sum] = true
			messages = append(messages, b)
		}
		return len(messages) < n
	})
	if err == nil && len(messages) < n {
		err = fmt.Errorf("%d messages only", len(messages))
	}
	if err != nil {
		return nil, err
	}
	return messages, nil
}

// eachMail calls f with the messages of an archive until it says no.
func eachMail(path string, f func(h *tar.Header, text []byte) bool) error {
	if _, err := os.Stat(path); err != nil {
		return err
	}
	cmd := exec.Command("xz", "-dc", path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	for r := tar.NewReader(out); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			_, err = io.Copy(io.Discard, out) // so that xz is not stopped by a closed pipe
			return errors.Join(err, cmd.Wait())
		}
		if err != nil {
			return err
		}
		if h.Typeflag != tar.TypeReg || !strings.HasSuffix(h.Name, ".eml") {
			continue
		}
		b, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		if !f(h, b) {
			return nil
		}
	}
}

func invented(i int) []byte {
	return fmt.Appendf(nil, "From: Writer %d <w%d@example.org>\nTo: list@example.org\nSubject: number %d of many\nDate: Mon, 1 Jan 2024 10:%02d:%02d +0000\nMessage-ID: <invented-%d@example.org>\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\nThis is body number %d.\n%s",
		i, i%50, i, i/60%60, i%60, i, i, strings.Repeat("Some more text to fill a line with.\n", i%40))
}

// canonical is a message without what clients add on their way: line ends and the header that mbsync and
// offlineimap mark their copies with.
func canonical(b []byte) []byte {
	b = bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n"))
	head, body, _ := bytes.Cut(b, []byte("\n\n"))
	var out []byte
	for line := range bytes.SplitSeq(head, []byte("\n")) {
		if bytes.HasPrefix(line, []byte("X-TUID:")) || bytes.HasPrefix(line, []byte("X-OfflineIMAP:")) {
			continue
		}
		out = append(append(out, line...), '\n')
	}
	return append(append(out, '\n'), body...)
}

// contents are the digests of all messages of a Maildir, sorted.
func contents(t *testing.T, dir string) []string {
	t.Helper()
	var sums []string
	for _, path := range files(t, dir) {
		b, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // renamed meanwhile
		}
		if err != nil {
			t.Fatal(err)
		}
		sums = append(sums, fmt.Sprintf("%x", sha256.Sum256(canonical(b))))
	}
	sort.Strings(sums)
	return sums
}

// files are the message files of a Maildir, sorted.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	for _, sub := range []string{"cur", "new"} {
		entries, err := os.ReadDir(filepath.Join(dir, sub))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		for _, e := range entries {
			if !strings.HasPrefix(e.Name(), ".") {
				all = append(all, filepath.Join(dir, sub, e.Name()))
			}
		}
	}
	sort.Strings(all)
	return all
}
