// Command maildir-imapd serves Maildirs over IMAP.
//
// main.go tells the story; each other file is one thing it needs: flags, the log, systemd's notifications, the
// watch over files, what a reload does, how much memory is used, numbers for Prometheus, users' quotas, where a user's mail is, and how the packages are
// joined. The daemon's main goroutine owns everything that changes while it runs: configuration, password file,
// certificates. It alone reloads, so reloads never overlap; what connections read they read through atomic pointers.
//
// Goroutines: main; one of the watcher (watch.go) and one that looks at memory (memory.go); those of gate, imapd
// and maildir, which their packages name; those of the server for Prometheus (metrics.go). All are joined before run
// returns, but for an answer to Prometheus that takes longer than a second.
package main
