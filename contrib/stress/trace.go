package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const (
	traceKept   = 20000 // lines in memory
	traceShown  = 100   // lines printed with a broken promise
	traceDumped = 3     // broken promises whose lines are kept in files
)

// trace is the last that all clients and foreign programs of a scenario have
// said, heard and done, in the order of time. Memory only: it is written down
// when a promise is broken, because a failure may not come again.
type trace struct {
	dir string

	mu    sync.Mutex
	lines [traceKept]string
	n     int // noted so far
	dumps int
}

// note keeps a line; text of messages is cut short.
func (t *trace) note(who, text string) {
	const most = 240
	if len(text) > most {
		text = text[:most] + "..."
	}
	line := fmt.Sprintf("%s %s %q", time.Now().UTC().Format("15:04:05.000000"), who, text)
	t.mu.Lock()
	t.lines[t.n%traceKept] = line
	t.n++
	t.mu.Unlock()
}

// broken writes down what led to a broken promise, and prints the end of it for the first one.
func (t *trace) broken(fault string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.dumps++; t.dumps > traceDumped {
		return
	}
	lines := make([]string, 0, traceKept)
	for i := max(0, t.n-traceKept); i < t.n; i++ {
		lines = append(lines, t.lines[i%traceKept])
	}
	path := filepath.Join(t.dir, fmt.Sprintf("trace%d", t.dumps))
	if err := os.WriteFile(path, []byte(strings.Join(append(lines, fault), "\n")+"\n"), 0o644); err != nil {
		fmt.Println("stress:", err)
	}
	if t.dumps == 1 {
		fmt.Printf("stress: the last lines of %s:\n", path)
		tail(lines)
	}
}

func tail(lines []string) {
	for _, line := range lines[max(0, len(lines)-traceShown):] {
		fmt.Println("\t" + line)
	}
}

// tailLogs prints the ends of the servers' logs of a scenario that failed.
func tailLogs(dir string) {
	logs, _ := filepath.Glob(filepath.Join(dir, "*", "log"))
	deeper, _ := filepath.Glob(filepath.Join(dir, "*", "*", "log"))
	for _, path := range append(logs, deeper...) {
		b, err := os.ReadFile(path)
		if err != nil {
			fmt.Println("stress:", err)
			continue
		}
		lines := strings.Split(strings.TrimRight(string(b), "\n"), "\n")
		var kept []string
		for _, line := range lines {
			if !strings.Contains(line, "msg=login ") && !strings.Contains(line, "msg=logout ") &&
				!strings.Contains(line, `answer="No such mailbox"`) {
				kept = append(kept, line)
			}
		}
		fmt.Printf("stress: the last lines of %s that are not of a login or a missing folder:\n", path)
		tail(kept)
	}
}
