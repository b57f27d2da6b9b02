package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// checkCaps compares the capabilities of the list with those that the code names.
func checkCaps(list []rfc, code map[string]string) []string {
	listed := make(map[string]rfc)
	var bad []string
	for _, r := range list {
		for _, c := range r.caps {
			if other, ok := listed[c]; ok {
				bad = append(bad, fmt.Sprintf("rfcs.txt:%d: %s is on line %d already", r.line, c, other.line))
			}
			listed[c] = r
		}
	}
	for _, c := range slices.Sorted(maps.Keys(code)) {
		if _, ok := listed[c]; !ok {
			bad = append(bad, fmt.Sprintf("%s: capability %s has no line in rfcs.txt", code[c], c))
		}
	}
	for _, c := range slices.Sorted(maps.Keys(listed)) {
		if _, ok := code[c]; !ok {
			bad = append(bad, fmt.Sprintf("rfcs.txt:%d: capability %s is nowhere in the code", listed[c].line, c))
		}
	}
	return bad
}

// checkPlaces looks for the files that the list names.
func checkPlaces(root string, list []rfc) []string {
	var bad []string
	for _, r := range list {
		for _, w := range r.where {
			if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(w))); err != nil {
				bad = append(bad, fmt.Sprintf("rfcs.txt:%d: %s is not there", r.line, w))
			}
		}
	}
	return bad
}
