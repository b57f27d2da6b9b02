package main

import (
	"maps"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"maildir-imapd/imapd"
	"maildir-imapd/maildir"
)

// Prometheus' client library brings Protocol Buffers and more, two and a half megabytes of the program that every
// daemon has in memory and none needs: what is told here are counters and gauges, whose text is a line each.

// expositionType is Prometheus' text format.
const expositionType = "text/plain; version=0.0.4; charset=utf-8"

// exposition is that text. A family's head comes before its samples.
type exposition []byte

func (x *exposition) gauge(name, help string) { x.family(name, "gauge", help) }
func (x *exposition) count(name, help string) { x.family(name, "counter", help) }

func (x *exposition) family(name, kind, help string) {
	*x = append(*x, "# HELP "+name+" "+help+"\n# TYPE "+name+" "+kind+"\n"...)
}

// labelValue is how a label's value is written.
var labelValue = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// sample is one line. labels are names and values in turn.
func (x *exposition) sample(name string, v float64, labels ...string) {
	b := append(*x, name...)
	for i := 0; i+1 < len(labels); i += 2 {
		b = append(b, "{,"[min(i, 1)])
		b = append(b, labels[i]+`="`+labelValue.Replace(labels[i+1])+`"`...)
	}
	if len(labels) > 0 {
		b = append(b, '}')
	}
	*x = append(strconv.AppendFloat(append(b, ' '), v, 'g', -1, 64), '\n')
}

// numbers reads gate, engine, store, runtime and kernel whenever somebody asks: nothing is counted twice. refused is by
// key of [limits].
func numbers(refused map[string]int64, e imapd.Stats, s maildir.Stats) []byte {
	var x exposition
	x.gauge("imapd_connections", "Connections now.")
	x.sample("imapd_connections", float64(e.Connections))
	x.count("imapd_refused_connections_total", "Connections refused, by key of [limits]: max_connections, per_ip or memory.")
	for _, key := range slices.Sorted(maps.Keys(refused)) {
		x.sample("imapd_refused_connections_total", float64(refused[key]), "limit", key)
	}
	x.count("imapd_logins_total", "Logins, by result: ok or failed.")
	x.sample("imapd_logins_total", float64(e.Logins), "result", "ok")
	x.sample("imapd_logins_total", float64(e.LoginFailures), "result", "failed")
	x.count("imapd_commands_total", "Commands read, by name.")
	for _, name := range slices.Sorted(maps.Keys(e.Commands)) {
		x.sample("imapd_commands_total", float64(e.Commands[name]), "command", name)
	}
	x.count("imapd_appended_messages_total", "Messages put into mailboxes by APPEND.")
	x.sample("imapd_appended_messages_total", float64(e.Appended))
	x.count("imapd_bytes_total", "Bytes of IMAP, by direction: in or out.")
	x.sample("imapd_bytes_total", float64(e.BytesIn), "direction", "in")
	x.sample("imapd_bytes_total", float64(e.BytesOut), "direction", "out")
	x.gauge("imapd_mailboxes", "Mailboxes in memory, by state: open or warm.")
	x.sample("imapd_mailboxes", float64(s.Open), "state", "open")
	x.sample("imapd_mailboxes", float64(s.Warm), "state", "warm")
	x.gauge("imapd_polled_mailboxes", "Mailboxes that clients wait for and whose directories could not be watched.")
	x.sample("imapd_polled_mailboxes", float64(s.Polled))
	x.count("imapd_uidvalidity_resets_total", "Mailboxes of which all copies of UIDVALIDITY were lost.")
	x.sample("imapd_uidvalidity_resets_total", float64(s.Resets))
	x.count("imapd_write_errors_total", "Failures to write the daemon's own files, by file: index or cache.")
	x.sample("imapd_write_errors_total", float64(s.IndexErrors), "file", "index")
	x.sample("imapd_write_errors_total", float64(s.CacheErrors), "file", "cache")
	x.goNumbers()
	x.processNumbers()
	return x
}

// goNumbers have the names that Prometheus' library gives them: dashboards know those.
func (x *exposition) goNumbers() {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	x.gauge("go_info", "Information about the Go environment.")
	x.sample("go_info", 1, "version", runtime.Version())
	for _, n := range []struct {
		name, kind, help string
		v                float64
	}{
		{"go_goroutines", "gauge", "Number of goroutines that currently exist.", float64(runtime.NumGoroutine())},
		{"go_memstats_alloc_bytes", "gauge", "Bytes of objects in heap.", float64(m.Alloc)},
		{"go_memstats_alloc_bytes_total", "counter", "Bytes ever allocated in heap.", float64(m.TotalAlloc)},
		{"go_memstats_mallocs_total", "counter", "Objects ever allocated.", float64(m.Mallocs)},
		{"go_memstats_frees_total", "counter", "Objects ever freed.", float64(m.Frees)},
		{"go_memstats_heap_inuse_bytes", "gauge", "Bytes of heap with objects in them.", float64(m.HeapInuse)},
		{"go_memstats_heap_idle_bytes", "gauge", "Bytes of heap without.", float64(m.HeapIdle)},
		{"go_memstats_heap_released_bytes", "gauge", "Bytes of heap given back to the system.", float64(m.HeapReleased)},
		{"go_memstats_heap_sys_bytes", "gauge", "Bytes of heap obtained from the system.", float64(m.HeapSys)},
		{"go_memstats_stack_inuse_bytes", "gauge", "Bytes of stacks.", float64(m.StackInuse)},
		{"go_memstats_sys_bytes", "gauge", "Bytes obtained from the system in all.", float64(m.Sys)},
		{"go_memstats_next_gc_bytes", "gauge", "Bytes of heap at which the next collection begins.", float64(m.NextGC)},
		{"go_memstats_last_gc_time_seconds", "gauge", "Seconds since 1970 of the last collection.", float64(m.LastGC) / 1e9},
	} {
		x.family(n.name, n.kind, n.help)
		x.sample(n.name, n.v)
	}
}

// began is when the process did, or little later.
var began = time.Now()

// processNumbers leaves out what the kernel does not tell.
func (x *exposition) processNumbers() {
	x.gauge("process_start_time_seconds", "Seconds since 1970 when the process began.")
	x.sample("process_start_time_seconds", float64(began.UnixMilli())/1e3)
	var used unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &used) == nil {
		x.count("process_cpu_seconds_total", "Seconds of processor time, user and system.")
		x.sample("process_cpu_seconds_total", float64(used.Utime.Nano()+used.Stime.Nano())/1e9)
	}
	if b, err := os.ReadFile("/proc/self/statm"); err == nil {
		if f := strings.Fields(string(b)); len(f) > 1 {
			for i, n := range []struct{ name, help string }{
				{"process_virtual_memory_bytes", "Bytes of address space."}, {"process_resident_memory_bytes", "Bytes of resident memory."},
			} {
				pages, _ := strconv.ParseFloat(f[i], 64)
				x.gauge(n.name, n.help)
				x.sample(n.name, pages*float64(os.Getpagesize()))
			}
		}
	}
	if open, err := os.ReadDir("/proc/self/fd"); err == nil {
		x.gauge("process_open_fds", "Open descriptors.")
		x.sample("process_open_fds", float64(len(open)))
	}
	var most unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &most) == nil {
		x.gauge("process_max_fds", "Descriptors that may be open.")
		x.sample("process_max_fds", float64(most.Cur))
	}
}
