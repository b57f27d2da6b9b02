package main

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// ownTree is: own DIR..., gives trees to the account nobody where the test runs as
// root, and lets that account reach them.
func ownTree(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("own cannot be negated")
	}
	const nobody = 65534
	for _, arg := range args {
		dir := ts.MkAbs(arg)
		if os.Getuid() == 0 {
			ts.Check(filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
				if err != nil {
					return err
				}
				return os.Lchown(path, nobody, nobody)
			}))
		}
		for p := filepath.Dir(dir); strings.HasPrefix(p, os.TempDir()+"/"); p = filepath.Dir(p) {
			st, err := os.Stat(p)
			ts.Check(err)
			ts.Check(os.Chmod(p, st.Mode().Perm()|0o111))
		}
	}
}

// printTree is: print DIR FILE [contents], writes everything about a tree into a file: names,
// kinds, modes, times of change, and the digests of what is in them; with contents no times,
// which locks change, and not our index, which notes when it was looked at last.
func printTree(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("print cannot be negated")
	}
	dir, contents := ts.MkAbs(args[0]), len(args) > 2
	var b strings.Builder
	ts.Check(filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		st, err := os.Lstat(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if contents && d.Name() == "maildir-imapd.index" {
			return nil
		}
		fmt.Fprintf(&b, "%s %s", rel, st.Mode())
		if !contents {
			fmt.Fprintf(&b, " %d", st.ModTime().UnixNano())
		}
		if d.Type().IsRegular() {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, " %x", sha256.Sum256(text))
		}
		b.WriteString("\n")
		return nil
	}))
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(b.String()), 0o600))
}
