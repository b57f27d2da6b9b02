package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/coreos/go-systemd/v22/unit"
	"golang.org/x/sys/unix"
)

func TestDoctorRoots(t *testing.T) {
	const service = "maildir-imapd.service"
	e := newExam(t, "[namespace \"public\"]\nprefix = Public/\npath = public\n")
	e.mkdir("public")
	e.finds("roots")

	// What is not there: the state directory is systemd's to make.
	for _, dir := range []string{"mail", "state"} {
		if err := os.Rename(e.path(dir), e.path("gone")); err != nil {
			t.Fatal(err)
		}
		if dir == "mail" {
			e.finds("roots", "DIR/mail: is not there; users' mail belongs there", "    install -d -o * -g * -m 0750 DIR/mail")
		}
		if err := os.Rename(e.path("gone"), e.path(dir)); err != nil {
			t.Fatal(err)
		}
	}

	// Read-only.
	e.exam.statfs = func(path string, st *unix.Statfs_t) error {
		if filepath.Base(path) == "public" {
			st.Flags = unix.ST_RDONLY
		}
		return nil
	}
	e.finds("roots", "DIR/public: is on a file system that is read-only; [namespace \"public\"] is there", "    # if dmesg tells of errors", "    mount -o remount,rw \"$(findmnt -no TARGET --target DIR/public)\"")
	e.exam.statfs = unix.Statfs

	// What the unit lets through.
	units := map[string]string{service: goodService + "ProtectSystem=strict\nReadWritePaths=-" + e.dir + "/mail " + e.dir + "/state\nPrivateTmp=no\n"}
	e.packaged(units)
	e.exam.file = e.path("host/etc/maildir-imapd/imapd.ini")
	for _, dir := range []string{"mail", "public", "state"} {
		e.link(e.path(dir), "host/etc/maildir-imapd/"+dir)
	}
	const public, drop = "DIR/host/etc/maildir-imapd/public: maildir-imapd.service has ", "    mkdir -p /etc/systemd/system/maildir-imapd.service.d && printf '[Service]\\n"
	e.finds("roots", public+"ProtectSystem=strict: the daemon may read here, but not write", drop+"ReadWritePaths=DIR/public\\n' >/etc/systemd/system/maildir-imapd.service.d/mail-*public.conf && systemctl daemon-reload && systemctl try-restart maildir-imapd.service")
	units[service] = goodService + "InaccessiblePaths=" + e.dir + "/public\n"
	e.finds("roots", public+"InaccessiblePaths=: the daemon sees nothing here", "    systemctl edit maildir-imapd.service")
	units[service] = goodService + "InaccessiblePaths=" + e.dir + "/users\n"
	e.finds("roots", "DIR/host/etc/maildir-imapd/users: maildir-imapd.service has InaccessiblePaths=: the daemon does not see this file", "    # put it elsewhere")
	units[service] = goodService

	// A mount that is not there, and one that may come late.
	mount := unit.UnitNamePathEscape(e.exam.at("/etc/maildir-imapd/mail")) + ".mount"
	units[mount] = "LoadState=loaded\nActiveState=inactive\n"
	e.finds("roots", "DIR/host/etc/maildir-imapd/mail: is not mounted; users' mail is there", "    systemctl start '*.mount'")
	units[mount] = "LoadState=loaded\nActiveState=active\nBefore=remote-fs.target\n"
	e.finds("roots", "DIR/host/etc/maildir-imapd/mail: may be mounted after the daemon has begun", "    mkdir -p *[Unit]\\nRequiresMountsFor=DIR/host/etc/maildir-imapd/mail\\n'*")
	units[mount] = "LoadState=loaded\nActiveState=active\nBefore=umount.target local-fs.target\n"
	e.finds("roots")
}

// TestDoctorNewTrees: who has no mail yet needs a directory in which the daemon can make it.
func TestDoctorNewTrees(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("for root nothing is refused to the test's own account")
	}
	e := newExam(t, "")
	if err := errors.Join(os.Chmod(e.dir, 0o755), os.Chmod(filepath.Dir(e.dir), 0o755), os.Lchown(e.path("state"), 65534, 65534)); err != nil {
		t.Fatal(err)
	}
	e.finds("roots")
	e.write("users", "ann:{PLAIN}x\nnew:{PLAIN}x\n")
	e.finds("roots", "DIR/mail: nobody cannot make directories here (drwxr-xr-x root:root), and new has no mail yet: the first login fails", "    chgrp -h nogroup DIR/mail && chmod g+wx DIR/mail")
}

func TestSandbox(t *testing.T) {
	u := unitFacts{
		"ProtectSystem": {"strict"}, "ProtectHome": {"yes"}, "ReadWritePaths": {"-/srv/mail -/var/mail", "+/home/x /opt/other"}, "StateDirectory": {"maildir-imapd"},
		"PrivateTmp": {"yes"}, "ReadOnlyPaths": {"/srv/mail/archive"}, "InaccessiblePaths": {"-/srv/mail/secret"}, "TemporaryFileSystem": {"/opt:ro /var/lib:ro"}, "BindPaths": {"/disk:/opt/mail", "/opt/same"}, "BindReadOnlyPaths": {"/etc/hosts:/opt/hosts:rbind"},
	}
	for _, tt := range []struct {
		path string
		want sight
		by   string
	}{
		{"/srv/mail/ann", writable, "ReadWritePaths="},
		{"/srv/mail", writable, "ReadWritePaths="},
		{"/srv/mailing", readOnly, "ProtectSystem=strict"},
		{"/srv/mail/archive/2020", readOnly, "ReadOnlyPaths="},
		{"/srv/mail/secret", hidden, "InaccessiblePaths="},
		{"/var/lib/maildir-imapd", writable, "StateDirectory="},
		{"/home/x/Maildir", hidden, "ProtectHome=yes"}, // what is writable below does not show
		{"/root", hidden, "ProtectHome=yes"},
		{"/tmp/mail", covered, "PrivateTmp=yes"},
		{"/opt/other", covered, "TemporaryFileSystem="},
		{"/opt/mail/ann", writable, "BindPaths="},
		{"/opt/same", writable, "BindPaths="},
		{"/opt/hosts", readOnly, "BindReadOnlyPaths="},
		{"/var/lib/other", covered, "TemporaryFileSystem="},
	} {
		if got, by := u.sees(tt.path); got != tt.want || by != tt.by {
			t.Errorf("%s: %v by %s", tt.path, got, by)
		}
	}
	for _, tt := range []struct {
		u    unitFacts
		path string
		want sight
	}{
		{unitFacts{"ProtectSystem": {"full"}}, "/srv", writable},
		{unitFacts{"ProtectSystem": {"full"}}, "/etc/mail", readOnly},
		{unitFacts{"ProtectSystem": {"yes"}}, "/etc/mail", writable},
		{unitFacts{"ProtectHome": {"read-only"}}, "/home/ann", readOnly},
		{unitFacts{"ProtectHome": {"no"}}, "/home/ann", writable},
	} {
		if got, _ := tt.u.sees(tt.path); got != tt.want {
			t.Errorf("%v: %s: %v", tt.u, tt.path, got)
		}
	}
	x := &exam{unit: "maildir-imapd.service"}
	if got := x.dropIn("/srv/it's 100%", "Service", "ReadWritePaths=/srv/it's 100%"); !strings.HasPrefix(got, "systemctl edit maildir-imapd.service") {
		t.Error(got)
	}
	for template, want := range map[string]string{"/srv/mail/%u": "/srv/mail", "/srv/mail/%d/%n": "/srv/mail", "/srv/mail-%u": "/srv", "~/Maildir": "/srv", "/%d/%u": "/srv", "/srv/one": "/srv"} {
		path := map[string]string{"~/Maildir": "/srv/ann/Maildir", "/%d/%u": "/srv/x/ann", "/srv/one": "/srv/one"}[template]
		if got := baseOf(template, path); got != want {
			t.Errorf("%s: %s", template, got)
		}
	}
}

func TestDoctorDisk(t *testing.T) {
	refuse := func(errno error) func(string, string) error {
		return func(string, string) error { return &os.LinkError{Op: "x", Old: "a", New: "b", Err: errno} }
	}
	const mend = "    # keep mail on a file system of Unix"
	for _, tt := range []struct {
		name  string
		spoil func(d *disk)
		want  []string
	}{
		{name: "good", spoil: func(*disk) {}},
		{name: "no links", spoil: func(d *disk) { d.link = refuse(syscall.EPERM) }, want: []string{"DIR: files cannot be linked: * (operation not permitted)", mend}},
		{name: "no rename over", spoil: func(d *disk) { d.rename = refuse(syscall.EEXIST) }, want: []string{"DIR: a file cannot be put in the place of another (rename): lists cannot be written anew (file exists)", mend}},
		{name: "a rename that does nothing", spoil: func(d *disk) { d.rename = func(string, string) error { return nil } }, want: []string{"DIR: a file cannot be put *(it still has what it had)", mend}},
		{name: "no fsync", spoil: func(d *disk) { d.sync = func(string) error { return syscall.EINVAL } }, want: []string{"DIR: what is written cannot be made to survive a power cut: fsync fails for files (invalid argument)", mend, "DIR: what is renamed cannot *directories", mend}},
		{name: "coarse times", spoil: func(d *disk) {
			create := d.create
			d.create = func(path string) error {
				err := create(path)
				return errors.Join(err, os.Chtimes(path, examTime, examTime))
			}
		}, want: []string{"DIR: times of files are not told apart after 25ms", mend}},
		{name: "no exclusion", spoil: func(d *disk) {
			create := d.create
			d.create = func(path string) error {
				if err := create(path); !errors.Is(err, fs.ErrExist) {
					return err
				}
				return nil
			}
		}, want: []string{"DIR: a file that is there can be made again (O_EXCL): two programs may hold one lock (it was made twice)", mend}},
		{name: "no colons, and letters of one size", spoil: func(d *disk) {
			create := d.create
			d.create = func(path string) error {
				dir, name := filepath.Split(path)
				if strings.Contains(name, ":") {
					return syscall.EINVAL
				}
				return create(dir + strings.Replace(name, "Folder", "folder", 1))
			}
		}, want: []string{"DIR: names of messages cannot be used, which have a colon (invalid argument)", mend, "DIR: large and small letters are the same", mend}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := newExam(t, "")
			tt.spoil(&e.exam.disk)
			var want []string
			for _, w := range tt.want {
				want = append(want, strings.Replace(w, "DIR:", "DIR/mail:", 1))
			}
			e.finds("disk", want...)
			if left, _ := filepath.Glob(e.path("mail/ann/tmp/*")); len(left) > 0 {
				t.Error("left behind:", left)
			}
			if left, _ := filepath.Glob(e.path("mail/ann/tmp/.*")); len(left) > 0 {
				t.Error("left behind:", left)
			}
		})
	}
}

// TestDoctorDiskSwapped: who may write where it is tried gets nothing done elsewhere by a link in its place.
func TestDoctorDiskSwapped(t *testing.T) {
	e := newExam(t, "")
	e.write("other/1700000000.M1P1.host:2,S", "theirs")
	e.write("other/Folder", "theirs")
	before := treeOf(t, e.path("other"))
	create, swapped := e.exam.disk.create, false
	e.exam.disk.create = func(path string) error {
		if all, _ := filepath.Glob(e.path("mail/ann/tmp/.maildir-imapctl-*")); !swapped && len(all) == 1 {
			swapped = true
			if err := errors.Join(os.Rename(all[0], e.path("mail/ann/tmp/away")), os.Symlink(e.path("other"), all[0])); err != nil {
				t.Fatal(err)
			}
		}
		return create(path)
	}
	_ = e.exam.run([]doctorCheck{{"disk", "", needsAccount | needsUsers, checkDisk}}, "")
	if after := treeOf(t, e.path("other")); !swapped || after != before {
		t.Errorf("swapped %v, and elsewhere is now\n%s", swapped, after)
	}
}

func TestDoctorSpace(t *testing.T) {
	const mib = 1 << 20 / 4096
	for _, tt := range []struct {
		name string
		st   unix.Statfs_t
		want []string
	}{
		{"enough", unix.Statfs_t{Blocks: 1000 * mib, Bavail: 100 * mib, Files: 1e6, Ffree: 1e5}, nil},
		{"much, though a small part", unix.Statfs_t{Blocks: 1e7 * mib, Bavail: 11000 * mib, Files: 1e9, Ffree: 20000}, nil},
		{"full", unix.Statfs_t{Blocks: 1000 * mib, Bavail: 10 * mib}, []string{"DIR/mail: 10 MiB of 1000 are free", "    du -xm --max-depth=1 DIR/mail "}},
		{"nearly full", unix.Statfs_t{Blocks: 100000 * mib, Bavail: 1500 * mib}, []string{"DIR/mail: 1500 MiB of 100000", "    du"}},
		{"no inodes", unix.Statfs_t{Blocks: 1000 * mib, Bavail: 500 * mib, Files: 100000, Ffree: 500}, []string{"DIR/mail: 500 of 100000 inodes are free", "    du -x --inodes"}},
		{"does not tell", unix.Statfs_t{}, nil},
		{"network", unix.Statfs_t{Blocks: 1000 * mib, Bavail: 500 * mib, Type: unix.NFS_SUPER_MAGIC}, []string{"note: DIR/mail: is on a network file system (NFS)", "    # let mail"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := newExam(t, "")
			e.exam.statfs = func(_ string, st *unix.Statfs_t) error {
				*st = tt.st
				st.Bsize = 4096
				return nil
			}
			e.finds("disk", tt.want...)
		})
	}
	e := newExam(t, "")
	e.exam.statfs = func(string, *unix.Statfs_t) error { return fmt.Errorf("gone") }
	if err := e.exam.run([]doctorCheck{{"disk", "", needsUsers, checkDisk}}, ""); exitStatus(err) != exitUnseen {
		t.Error(err)
	}
}
