package main

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"maildir-imapd/imapd"
	"maildir-imapd/maildir"
)

// TestExposition: each line is one of Prometheus' text format, each sample is of the family announced before it, and
// no family comes twice.
func TestExposition(t *testing.T) {
	text := string(numbers(map[string]int64{"memory": 7}, imapd.Stats{Connections: 3, BytesIn: 1 << 53, Commands: map[string]int64{"UID FETCH": 7, "a\"\\\nb": 1}}, maildir.Stats{}))
	head := regexp.MustCompile(`^# (HELP|TYPE) ([a-z_]+) (.+)$`)
	sample := regexp.MustCompile(`^([a-z_]+)(\{[a-z]+="(?:[^"\\\n]|\\["\\n])*"\})? ([0-9.e+]+)$`)
	var seen []string
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if h := head.FindStringSubmatch(line); h != nil {
			switch {
			case h[1] == "HELP" && slices.Contains(seen, h[2]):
				t.Errorf("%s comes twice", h[2])
			case h[1] == "HELP":
				seen = append(seen, h[2])
			case h[2] != seen[len(seen)-1] || h[3] != "gauge" && h[3] != "counter":
				t.Errorf("type without help, or of another kind: %s", line)
			}
			continue
		}
		if s := sample.FindStringSubmatch(line); s == nil || s[1] != seen[len(seen)-1] {
			t.Errorf("no sample of the family at hand: %q", line)
		}
	}
	for _, want := range []string{
		"imapd_connections 3\n", `imapd_refused_connections_total{limit="memory"} 7`, `imapd_commands_total{command="UID FETCH"} 7`, `imapd_commands_total{command="a\"\\\nb"} 1`,
		`imapd_bytes_total{direction="in"} 9.007199254740992e+15`, "go_goroutines ", "go_memstats_heap_inuse_bytes ",
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
