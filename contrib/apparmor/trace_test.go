package apparmor

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// need is what a system call takes of the profile. AppArmor sees a directory with a slash at its end; where the trace does
// not tell, both forms must be allowed.
type need struct{ path, perms, call string }

var (
	callLine = regexp.MustCompile(`^(\w+)\((.*)\)\s+= (-?\d+)(?:<([^>]*)>)?`)
	// an open directory with a name in it, a path, an open file
	operand  = regexp.MustCompile(`(?:AT_FDCWD|\d+)<([^>]*)>, "((?:[^"\\]|\\.)*)"|"((?:[^"\\]|\\.)*)"|^\d+<([^>]*)>`)
	unixPath = regexp.MustCompile(`sun_path="([^"]+)"`)
)

// operands are the paths among the arguments of a call.
func operands(args string) (paths []string) {
	for _, m := range operand.FindAllStringSubmatch(args, -1) {
		switch {
		case m[2] != "" && filepath.IsAbs(m[2]):
			paths = append(paths, m[2])
		case m[1] != "":
			paths = append(paths, filepath.Join(m[1], m[2]))
		case m[3] != "":
			paths = append(paths, m[3])
		case m[4] != "":
			paths = append(paths, m[4])
		}
	}
	return paths
}

// needs of one line of strace -y.
func needs(line string) (all []need) {
	m := callLine.FindStringSubmatch(line)
	if m == nil {
		return nil
	}
	call, args, opened := m[1], m[2], m[4]
	paths := operands(args)
	add := func(perms string, paths ...string) {
		for _, p := range paths {
			if strings.HasPrefix(p, "/") && !strings.HasPrefix(p, "/memfd:") {
				all = append(all, need{p, perms, line})
			}
		}
	}
	switch call {
	case "open", "openat", "openat2", "creat":
		if strings.Contains(args, "O_PATH") || len(paths) == 0 {
			return nil // looks nothing up but the path
		}
		perms := ""
		if !strings.Contains(args, "O_WRONLY") {
			perms = "r"
		}
		if strings.Contains(args, "O_WRONLY") || strings.Contains(args, "O_RDWR") || strings.Contains(args, "O_CREAT") {
			perms += "w"
		}
		p := paths[0]
		if opened != "" {
			p = opened // after symbolic links
		}
		if strings.Contains(args, "O_DIRECTORY") {
			p += "/"
		}
		add(perms, p)
	case "mkdir", "mkdirat", "rmdir":
		add("w", paths[0]+"/")
	case "unlink", "unlinkat":
		if strings.Contains(args, "AT_REMOVEDIR") {
			paths[0] += "/"
		}
		add("w", paths[0])
	case "rename", "renameat", "renameat2":
		for _, p := range paths {
			add("rw", p, p+"/")
		}
	case "link", "linkat":
		add("rwl", paths[len(paths)-1])
	case "symlink", "symlinkat":
		add("w", paths[len(paths)-1])
	case "chmod", "fchmod", "fchmodat", "chown", "fchown", "fchownat", "lchown", "utimensat", "truncate", "ftruncate", "fallocate":
		if len(paths) > 0 {
			add("w", paths[0])
		}
	case "flock":
		add("k", paths...)
	case "fcntl":
		if strings.Contains(args, "SETLK") {
			add("k", paths...)
		}
	case "connect", "bind":
		if u := unixPath.FindStringSubmatch(args); u != nil {
			add("w", u[1])
		}
	}
	return all
}

// traced reads what strace -ff has left, as it would be without the directory that stands for the root.
func traced(t *testing.T, prefix, root string) (all []need) {
	t.Helper()
	files, err := filepath.Glob(prefix + ".*")
	if err != nil || len(files) == 0 {
		t.Fatal("no trace", err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			for _, n := range needs(strings.TrimRight(line, "\n")) {
				if strings.HasPrefix(root+"/", strings.TrimSuffix(n.path, "/")+"/") { // root or above it
					n.path = "/"
				}
				n.path = strings.Replace(strings.TrimPrefix(n.path, root), "//", "/", 1)
				all = append(all, n)
			}
		}
	}
	return all
}

func TestNeeds(t *testing.T) {
	for line, want := range map[string]string{
		`openat(AT_FDCWD</>, "/etc/passwd", O_RDONLY|O_CLOEXEC) = 7</etc/passwd>`:             "/etc/passwd r",
		`openat(7</srv/mail/ann>, "cur", O_RDONLY|O_DIRECTORY) = 8</srv/mail/ann/cur>`:        "/srv/mail/ann/cur/ r",
		`openat(7</a>, "x", O_WRONLY|O_CREAT|O_EXCL, 0600) = 9</a/x>`:                         "/a/x w",
		`openat(AT_FDCWD</>, "/none", O_RDWR) = -1 ENOENT (No such file or directory)`:        "/none rw",
		`renameat(7</a/tmp>, "1", 8</a/cur>, "1:2,") = 0`:                                     "/a/tmp/1 rw, /a/tmp/1/ rw, /a/cur/1:2, rw, /a/cur/1:2,/ rw",
		`linkat(7</a>, "1", 8</b>, "2", 0) = 0`:                                               "/b/2 rwl",
		`unlinkat(7</a>, "old", AT_REMOVEDIR) = 0`:                                            "/a/old/ w",
		`fcntl(9</a/lock>, F_SETLK, {l_type=F_WRLCK}) = 0`:                                    "/a/lock k",
		`fchmod(9</a/x>, 0600) = 0`:                                                           "/a/x w",
		`newfstatat(AT_FDCWD</>, "/etc/shadow", {}, 0) = 0`:                                   "",
		`connect(3<socket:[1]>, {sa_family=AF_UNIX, sun_path="/run/systemd/notify"}, 22) = 0`: "/run/systemd/notify w",
		`openat(AT_FDCWD</>, "/etc/localtime", O_RDONLY) = 5</usr/share/zoneinfo/Etc/UTC>`:    "/usr/share/zoneinfo/Etc/UTC r",
		`openat(AT_FDCWD</>, "/srv", O_RDONLY|O_CLOEXEC|O_DIRECTORY|O_PATH) = 5</srv>`:        "",
		`mkdirat(5</srv/mail>, "ann", 0700) = 0`:                                              "/srv/mail/ann/ w",
		`chmod("/var/lib/maildir-imapd/x", 0600) = -1 EPERM (Operation not permitted)`:        "/var/lib/maildir-imapd/x w",
	} {
		var got []string
		for _, n := range needs(line) {
			got = append(got, n.path+" "+n.perms)
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%s\n got %s\nwant %s", line, strings.Join(got, ", "), want)
		}
	}
}
