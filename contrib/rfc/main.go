package main

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
)

func main() {
	root := flag.String("C", ".", "the root of the tree")
	write := flag.Bool("write", false, "renew the table in README.md")
	flag.Parse()
	bad, err := run(*root, *write)
	if err != nil {
		fmt.Fprintln(os.Stderr, "rfc:", err)
		os.Exit(2)
	}
	for _, b := range bad {
		fmt.Println(b)
	}
	if len(bad) > 0 {
		os.Exit(1)
	}
}

// run checks the list against the tree and the table against the list, or writes the table.
func run(root string, write bool) (bad []string, err error) {
	list, err := readList(filepath.Join(root, "contrib", "rfc", "rfcs.txt"))
	if err != nil {
		return nil, err
	}
	readme := filepath.Join(root, "README.md")
	old, err := os.ReadFile(readme)
	if err != nil {
		return nil, err
	}
	fresh, err := replaceTable(old, table(list))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", readme, err)
	}
	if write {
		return nil, os.WriteFile(readme, fresh, 0o644)
	}
	if !bytes.Equal(old, fresh) {
		bad = append(bad, "README.md: the table is not what rfcs.txt makes; go run ./contrib/rfc -write")
	}
	code, err := announced(root)
	if err != nil {
		return nil, err
	}
	bad = append(bad, checkCaps(list, code)...)
	return append(bad, checkPlaces(root, list)...), nil
}

// announced is every capability that the server's code names, with the place.
func announced(root string) (map[string]string, error) {
	names, err := vocabularyCaps(root)
	if err != nil {
		return nil, err
	}
	code, err := codeCaps(filepath.Join(root, "imapd"), names)
	if err != nil {
		return nil, err
	}
	mechanisms, err := authCaps(filepath.Join(root, "auth"))
	if err != nil {
		return nil, err
	}
	maps.Copy(code, mechanisms)
	return code, nil
}
