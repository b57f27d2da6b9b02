package main

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestEyes: permissions as acl(5) has them, and what mends them.
func TestEyes(t *testing.T) {
	vmail := eyes{account{uid: 5000, gid: 5000, groups: []int{5000, 600}}, "vmail"}
	of := func(uid, gid, mode uint32, acl ...aclSlot) look {
		return look{unix.Stat_t{Uid: uid, Gid: gid, Mode: unix.S_IFDIR | mode}, acl}
	}
	const p = "/srv/public/it's"
	const q = `'/srv/public/it'\''s'`
	for _, tt := range []struct {
		name string
		l    look
		want uint16
		may  bool
		mend string
	}{
		{"owner", of(5000, 0, 0o700), 7, true, ""},
		{"owner's bits count, not the group's", of(5000, 5000, 0o077), 4, false, "chmod u+r " + q},
		{"group", of(0, 600, 0o770), 7, true, ""},
		{"group's bits count, not all others'", of(0, 600, 0o707), 4, false, "chmod g+r " + q},
		{"others", of(0, 7, 0o705), 5, true, ""},
		{"not in the group that may", of(0, 700, 0o770), 6, false, "usermod -aG 700 vmail    # and restart the daemon"},
		{"never root's group", of(0, 0, 0o770), 6, false, "chgrp -h 600 " + q + " && chmod g+rw " + q},
		{"of nobody who may", of(0, 700, 0o740), 3, false, "chgrp -h 600 " + q + " && chmod g+wx " + q},
		{"named user", of(0, 0, 0o770, aclSlot{slotUser, 7, 5000}, aclSlot{slotMask, 7, 0}), 7, true, ""},
		{"masked", of(0, 0, 0o750, aclSlot{slotUser, 7, 5000}, aclSlot{slotMask, 5, 0}), 2, false, "setfacl -m m::rwx " + q},
		{"named group", of(0, 0, 0o770, aclSlot{slotGroup, 5, 600}, aclSlot{slotMask, 7, 0}), 5, true, ""},
		{"one group may, another not", of(0, 600, 0o770, aclSlot{slotGroupObj, 0, 0}, aclSlot{slotGroup, 7, 5000}, aclSlot{slotMask, 7, 0}), 7, true, ""},
		{"in a group that may not, whatever others may", of(0, 600, 0o777, aclSlot{slotGroupObj, 0, 0}, aclSlot{slotMask, 7, 0}), 4, false, "setfacl -m u:vmail:r " + q},
		{"not named", of(0, 0, 0o770, aclSlot{slotUser, 7, 1}, aclSlot{slotMask, 7, 0}), 1, false, "setfacl -m u:vmail:x " + q},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.l.may(&vmail, tt.want); got != tt.may {
				t.Errorf("may: %v", got)
			}
			if !tt.may {
				if got := strings.Join(tt.l.mend(&vmail, p, tt.want, 600), "\n"); got != tt.mend {
					t.Errorf("mend: %s\nwant: %s", got, tt.mend)
				}
			}
		})
	}
}

// TestEyesACL: the kernel's form of an ACL is read as it is written.
func TestEyesACL(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	if err := os.Mkdir(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	const none = 1<<32 - 1
	b := binary.LittleEndian.AppendUint32(nil, 2)
	for _, e := range []aclSlot{{slotUserObj, 7, none}, {slotUser, 7, 65533}, {slotGroupObj, 5, none}, {slotMask, 5, none}, {slotOther, 0, none}} {
		b = binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint16(b, e.tag), e.perm)
		b = binary.LittleEndian.AppendUint32(b, e.id)
	}
	if err := unix.Setxattr(dir, "system.posix_acl_access", b, 0); errors.Is(err, unix.ENOTSUP) {
		t.Skip("this file system has no ACLs")
	} else if err != nil {
		t.Fatal(err)
	}
	l, err := lookAt(dir)
	if err != nil {
		t.Fatal(err)
	}
	other := eyes{account{uid: 65533, gid: 65533}, "other"}
	if !l.may(&other, 5) || l.may(&other, 2) || !strings.Contains(l.String(), "+") {
		t.Errorf("%v %+v", &l, l.acl)
	}
}

// TestProblemIsOneLine: the name of a file adds no line to what is told, least of all a command.
func TestProblemIsOneLine(t *testing.T) {
	const evil = "/srv/a\n    touch b\x1b[2K"
	for _, tt := range []struct{ where, what, mend, want string }{
		{"/srv/x", "y", "chmod u+r /srv/x", "/srv/x: y\n    chmod u+r /srv/x\n"},
		{"/srv/ü b", "y", "chmod u+r '/srv/ü b'", "/srv/ü b: y\n    chmod u+r '/srv/ü b'\n"},
		{evil, "such as 1\n    reboot", "chmod u+r " + shellQuote(evil), `/srv/a\n    touch b\x1b[2K: such as 1\n    reboot` +
			"\n    # the name has characters that cannot be shown: mend it by hand\n"},
		{"/a\xff\u2028\u202e\u0085", "\ufffd", "true", "/a\\xff\\u2028\\u202e\\u0085: \ufffd\n    true\n"},
	} {
		var out strings.Builder
		cmd := doctorCommand()
		cmd.SetOut(&out)
		(&exam{cmd: cmd}).problem(tt.where, tt.what, tt.mend)
		if out.String() != tt.want {
			t.Errorf("got  %q\nwant %q", out.String(), tt.want)
		}
	}
}
