// Package fsx is the only caller of the system calls that read or change a
// Maildir: open, link, rename, unlink, readdir, stat, fsync, and the dotlock
// that Dovecot and we exclude each other with.
//
// It owns no format. What it guarantees:
//
//   - Names are single components. A name that is empty, "." or "..", or that
//     holds a '/' or a NUL, is refused before any system call (ErrName), and
//     files are opened with O_NOFOLLOW, so no name that a client or a hostile
//     Maildir can choose leads out of the directory it was given for.
//   - A directory behind a symbolic link is opened only when the link leads
//     into one of Dir.Follow; the refusal (*LinkError) names the link and its
//     target, for the log.
//   - Work is relative to a directory descriptor (openat, renameat, linkat,
//     unlinkat, fstatat): one system call per operation, and a directory that
//     is renamed meanwhile is still the same one.
//   - New files and directories take mode and group from the directory that
//     they are made in, as Dovecot has it; a chown that is not permitted is
//     told to FS.Warn and is no error.
//   - Every operation, reading included, asks FS.Fault first. A test fails or
//     "crashes" the program before the Nth operation for every N (CrashAt, FailAt,
//     FailFrom, Count). FS.System answers in the place of single system calls, and
//     FS.Done is told of every change that has succeeded, syncs included.
//   - A handle that has become stale, as those of network file systems do, is renewed
//     by its name once, and only to the same file or directory. Where there are no
//     unnamed files, no links or no renames that spare their target, there are
//     fall-backs.
//
// Watcher is the process's one inotify instance. It tells of names in directories and
// knows no mailbox; a watch that the kernel ends is told as Ended and not asked for
// anew. Its Fault stands for a kernel that has no watches left.
//
// Concurrency: a Dir may be used by several goroutines at once, Close apart. A
// Lock belongs to one goroutine at a time. Dotlocks exclude other processes
// by their file and other goroutines of this one by a table inside; where Dovecot
// takes a record lock instead, by both (reclock.go).
package fsx
