package main

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"maildir-imapd/imapd"
	"maildir-imapd/maildir"
)

// TestExposition: each line is one of Prometheus' text format, each sample is of the family whose kind was told before
// it, and no family comes twice.
func TestExposition(t *testing.T) {
	text := string(numbers(map[string]int64{"memory": 7}, imapd.Stats{Connections: 3, BytesIn: 1 << 53, Commands: map[string]int64{"UID FETCH": 7, "NOOP": 1}}, maildir.Stats{}))
	kind := regexp.MustCompile(`^# TYPE ([a-z_]+) (gauge|counter|histogram|summary)$`)
	sample := regexp.MustCompile(`^([a-z_]+)(\{[a-z]+="[^"\\\n]*"(?:, ?[A-Za-z]+="[^"\\\n]*")*\})? (-?[0-9.e+-]+|\+Inf)$`)
	var seen []string
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "# HELP ") {
			continue
		}
		if k := kind.FindStringSubmatch(line); k != nil {
			if slices.Contains(seen, k[1]) {
				t.Errorf("%s comes twice", k[1])
			}
			seen = append(seen, k[1])
			continue
		}
		s := sample.FindStringSubmatch(line)
		if s == nil || len(seen) == 0 || !strings.HasPrefix(s[1], seen[len(seen)-1]) {
			t.Errorf("no sample of the family at hand: %q", line)
		}
	}
	for _, want := range []string{
		"imapd_connections 3\n", `imapd_refused_connections_total{limit="memory"} 7`, `imapd_commands_total{command="UID FETCH"} 7`,
		`imapd_bytes_total{direction="in"} 9007199254740992`, "go_goroutines ", "go_memstats_heap_inuse_bytes ",
		"process_resident_memory_bytes ", "process_cpu_seconds_total ", "process_open_fds ",
	} {
		if !strings.Contains(text, "\n"+want) {
			t.Errorf("without %q", want)
		}
	}
	if strings.Contains(text, "process_resident_memory_bytes 0\n") || strings.Contains(text, "process_open_fds 0\n") {
		t.Error("the kernel was not asked")
	}
}
