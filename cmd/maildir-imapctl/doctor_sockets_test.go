package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

// tcpLine is a line of /proc/net/tcp for a socket in a state.
func tcpLine(local, state string, inode int) string {
	return fmt.Sprintf("   0: %s 00000000:0000 %s 00000000:00000000 00:00000000 00000000     0        0 %d 1 0000000000000000 100 0 0 10 0\n", local, state, inode)
}

const (
	any143, any993 = "00000000:008F", "00000000:03E1"
	any6           = "00000000000000000000000000000000"
	lo143          = "0100007F:008F"
	listens        = "0A"
)

// process puts one behind sockets.
func (e *examined) process(pid int, command, program, cgroup string, inodes ...int) {
	dir := fmt.Sprintf("host/proc/%d/", pid)
	e.write(dir+"comm", command+"\n")
	e.write(dir+"cgroup", "12:cpu:/\n0::"+cgroup+"\n")
	e.link(program, dir+"exe")
	for i, inode := range inodes {
		e.link(fmt.Sprintf("socket:[%d]", inode), fmt.Sprintf("%sfd/%d", dir, i))
	}
}

func (e *examined) tcp(lines ...string) {
	e.write("host/proc/net/tcp", "  sl  local_address rem_address   st\n"+strings.Join(lines, ""))
}

// packaged puts the configuration where units have theirs, and what systemctl says of units.
func (e *examined) packaged(units map[string]string) {
	e.mkdir("host/etc/maildir-imapd")
	e.link("../../../imapd.ini", "host/etc/maildir-imapd/imapd.ini")
	e.exam.file = e.path("host/etc/maildir-imapd/imapd.ini")
	e.link(e.path("users"), "host/etc/maildir-imapd/users")
	e.mkdir("host/run/systemd/system")
	e.exam.host.run = func(_ context.Context, name string, args ...string) (string, error) {
		switch {
		case name == "systemctl" && args[0] == "show":
			if u, ok := units[args[len(args)-1]]; ok {
				return u, nil
			}
			return "LoadState=not-found\n", nil
		case name == "dpkg-query" && args[1] == "/usr/sbin/dovecot":
			return "dovecot-core: /usr/sbin/dovecot\n", nil
		}
		return "", errors.New("no such program")
	}
}

const (
	goodService = "LoadState=loaded\nActiveState=active\nUnitFileState=static\nNeedDaemonReload=no\nUser=\n"
	goodImap    = "LoadState=loaded\nActiveState=active\nUnitFileState=enabled\nFileDescriptorName=imap\nListen=[::]:143 (Stream)\n"
	goodImaps   = "LoadState=loaded\nActiveState=active\nUnitFileState=enabled\nFileDescriptorName=imaps\nListen=[::]:993 (Stream)\n"
)

func TestDoctorSockets(t *testing.T) {
	const imap, imaps, service = "maildir-imapd-imap.socket", "maildir-imapd-imaps.socket", "maildir-imapd.service"
	systemd := func(e *examined) {
		e.tcp(tcpLine(any143, listens, 101), tcpLine(any993, listens, 102), tcpLine(any143, "01", 103))
		e.process(1, "systemd", "/usr/lib/systemd/systemd", "/init.scope", 101, 102)
		e.process(500, "maildir-imapd", "/usr/sbin/maildir-imapd", "/system.slice/maildir-imapd.service", 101, 102)
	}
	dovecot := func(e *examined) {
		e.tcp(tcpLine(any143, listens, 201))
		e.write("host/proc/net/tcp6", "header\n"+tcpLine(any6+":008F", listens, 202))
		e.process(77, "dovecot", "/usr/sbin/dovecot", "/system.slice/dovecot.service", 201, 202)
	}
	for _, tt := range []struct {
		name, ini string
		machine   func(e *examined)
		units     map[string]string // over good ones
		want      []string
	}{
		{name: "good", machine: systemd},
		{
			name: "another server", machine: dovecot,
			units: map[string]string{imap: strings.Replace(goodImap, "=active", "=failed\nResult=resources", 1)},
			want: []string{"port 143: is wanted for [listener \"imap\"], and taken by dovecot, process 77 of package dovecot-core, which dovecot.service has started", "    systemctl disable --now dovecot.service",
				imap + ": has failed (resources): nobody listens", "    journalctl -n 20 -u " + imap, "    systemctl restart " + imap},
		},
		{
			name: "another server with a socket of its own", machine: func(e *examined) {
				e.tcp(tcpLine(lo143, listens, 201))
				e.process(77, "dovecot", "/usr/sbin/dovecot", "/system.slice/dovecot.service", 201)
			},
			units: map[string]string{"dovecot.socket": goodImap},
			want:  []string{"port 143: *taken by dovecot", "    systemctl disable --now dovecot.socket dovecot.service"},
		},
		{
			name: "somebody's program", machine: func(e *examined) {
				e.tcp(tcpLine(any143, listens, 201))
				e.process(77, "nc", "/usr/bin/nc", "/user.slice/session.scope", 201)
			},
			want: []string{"port 143: *taken by nc, process 77", "    kill 77    # and"},
		},
		{
			name: "another unit of systemd's, which runs nothing yet", machine: func(e *examined) {
				e.tcp(tcpLine(any143, listens, 101))
				e.process(1, "systemd", "/usr/lib/systemd/systemd", "/init.scope", 101)
			},
			units: map[string]string{imap: strings.Replace(goodImap, "=active", "=inactive", 1)},
			want:  []string{"port 143: *taken by systemd for another unit", "    systemctl list-sockets", imap + ": is not started", "    systemctl enable --now " + imap, "    # or, if nobody needs it, in DIR/*imapd.ini: [listener \"imap\"] enabled = no"},
		},
		{name: "unseen, but systemd says it is ours", machine: func(e *examined) { e.tcp(tcpLine(any143, listens, 101)) }},
		{
			name: "unseen", machine: func(e *examined) { e.tcp(tcpLine(any143, listens, 101)) }, units: map[string]string{imap: strings.Replace(goodImap, "=active", "=inactive", 1)},
			want: []string{"port 143: *taken by a program that root can see", "    # look again as root", imap + ": is not started", "    systemctl", "    # or"},
		},
		{
			name: "not after a boot", machine: systemd, units: map[string]string{imaps: strings.Replace(goodImaps, "=enabled", "=disabled", 1)},
			want: []string{imaps + ": listens now, and will not after the next boot", "    systemctl enable " + imaps},
		},
		{name: "masked", machine: systemd, units: map[string]string{imaps: strings.Replace(goodImaps, "=loaded", "=masked", 1)}, want: []string{imaps + ": is masked", "    systemctl unmask ", "    # or"}},
		{
			name: "not wanted", ini: "[listener \"imap\"]\nenabled = no\n", machine: systemd,
			want: []string{imap + ": listens, although [listener \"imap\"] has enabled = no", "    systemctl disable --now " + imap},
		},
		{name: "not wanted, and not started", ini: "[listener \"imap\"]\nenabled = no\n", machine: dovecot, units: map[string]string{imap: strings.Replace(goodImap, "=active", "=inactive", 1)}},
		{
			name: "a name of no section", machine: systemd, units: map[string]string{imap: strings.Replace(goodImap, "=imap\n", "=mail\n", 1)},
			want: []string{"[listener \"imap\"]: systemd has no socket of this name", "    # name a socket so",
				imap + ": hands over its socket as \"mail\", and there is no section [listener \"mail\"]", "    # add the section to *FileDescriptorName= one of imap, imaps"},
		},
		{name: "the service has failed", machine: systemd, units: map[string]string{service: strings.Replace(goodService, "=active", "=failed\nResult=exit-code", 1)}, want: []string{service + ": has failed (exit-code)", "    journalctl -n 50", "    systemctl reset-failed"}},
		{name: "changed units", machine: systemd, units: map[string]string{service: strings.Replace(goodService, "Reload=no", "Reload=yes", 1)}, want: []string{service + ": its files have changed", "    systemctl daemon-reload"}},
		{
			name: "an address of IPv6 without IPv6", ini: "[listener \"more\"]\nlisten = [2001:db8::1]:1143\n", machine: func(e *examined) {
				systemd(e)
				e.write("host/proc/sys/net/ipv6/conf/all/disable_ipv6", "1\n")
			},
			want: []string{"[2001:db8::1]:1143: [listener \"more\"] is to listen on an address of IPv6, and this machine has none", "    sysctl -w net.ipv6.conf.all.disable_ipv6=0", "[2001:db8::1]:1143: nobody listens there", "    # start"},
		},
		{
			name: "IPv6 only", machine: func(e *examined) { systemd(e); e.write("host/proc/sys/net/ipv6/bindv6only", "1\n") },
			want: []string{imap + ": with net.ipv6.bindv6only = 1 it takes only clients that come by IPv6", "    mkdir -p /etc/systemd/system/" + imap + ".d", imaps + ": *", "    *"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := newExam(t, tt.ini)
			units := map[string]string{imap: goodImap, imaps: goodImaps, service: goodService}
			for name, u := range tt.units {
				units[name] = u
			}
			e.packaged(units)
			tt.machine(e)
			e.finds("sockets", tt.want...)
		})
	}
}

// TestDoctorSocketsAlone: without units the daemon listens by itself.
func TestDoctorSocketsAlone(t *testing.T) {
	e := newExam(t, "[listener \"imap\"]\nlisten = 127.0.0.1:143\n[listener \"near\"]\nlisten = /run/imap.sock\n")
	e.finds("sockets", "127.0.0.1:143: nobody listens there", "    # start it", "port 993: nobody", "    # start it")
	e.tcp(tcpLine("0200007F:008F", listens, 7), tcpLine(any993, listens, 8))
	e.process(9, "nc", "/usr/bin/nc", "/", 7)
	e.process(10, daemonName, "/usr/sbin/maildir-imapd", "/", 8)
	e.finds("sockets", "127.0.0.1:143: nobody listens there", "    # start it") // 127.0.0.2 is another's to have
	e.tcp(tcpLine(lo143, listens, 7), tcpLine(any993, listens, 8))
	e.finds("sockets", "127.0.0.1:143: *taken by nc, process 9", "    kill 9")
}

// TestDoctorUnitFiles: where systemd does not run, the files of units tell, with their drop-ins, for an instance too.
func TestDoctorUnitFiles(t *testing.T) {
	e := newExam(t, "")
	e.mkdir("host/etc/maildir-imapd")
	e.link("../../../imapd.ini", "host/etc/maildir-imapd/shop.ini")
	e.exam.file = e.path("host/etc/maildir-imapd/shop.ini")
	e.link(e.path("users"), "host/etc/maildir-imapd/users")
	e.link(e.path("state"), "host/etc/maildir-imapd/state")
	e.write("host/usr/lib/systemd/system/maildir-imapd@.service", "[Service]\nUser=nobody\nReadWritePaths=-/srv/mail /var/%i\nReadWritePaths=/more\nProtectHome=yes\n")
	e.write("host/usr/lib/systemd/system/maildir-imapd@.service.d/10.conf", "[Service]\nReadWritePaths=\nReadWritePaths=/vendor\n")
	e.write("host/etc/systemd/system/maildir-imapd@shop.service.d/20.conf", "[Service]\nReadWritePaths=/%i/\nProtectHome=no\n")
	e.write("host/usr/lib/systemd/system/maildir-imapd@.service.d/20.conf", "[Service]\nReadWritePaths=/hidden\n")
	e.write("host/usr/lib/systemd/system/maildir-imapd-imap@.socket", "[Socket]\nListenStream=127.0.0.1:1143\nFileDescriptorName=imap\n")
	e.finds("sockets", "[listener \"imaps\"]: systemd has no socket of this name", "    *")
	u := e.exam.service
	if e.exam.unit != "maildir-imapd@shop.service" || u.word("User") != "nobody" || u.word("ProtectHome") != "no" || fmt.Sprint(u.paths("ReadWritePaths")) != "[/vendor/ /shop/]" {
		t.Errorf("%s %v", e.exam.unit, u)
	}
	e.tcp(tcpLine("0100007F:0477", listens, 7))
	e.process(9, "nc", "/usr/bin/nc", "/", 7)
	e.finds("sockets", "[listener \"imaps\"]: *", "    *", "127.0.0.1:1143: is wanted for [listener \"imap\"], and taken by nc", "    kill 9")
}

// TestAddresses: as the kernel writes them, and as people do.
func TestAddresses(t *testing.T) {
	for hex, want := range map[string]string{
		lo143: "127.0.0.1:143", any6 + ":008F": "[::]:143", "B80D0120000000000000000001000000:03E1": "[2001:db8::1]:993",
		"0000000000000000FFFF00000100007F:008F": "127.0.0.1:143",
	} {
		if got, ok := hexAddress(hex); !ok || got.String() != want {
			t.Errorf("%s: %v %v", hex, got, ok)
		}
	}
	for _, bad := range []string{"", "xx:1", "01:1", "0100007F", "0100007F:GGGG"} {
		if got, ok := hexAddress(bad); ok {
			t.Errorf("%q is %v", bad, got)
		}
	}
	for text, want := range map[string]string{
		"143": "[::]:143", ":143": "[::]:143", "[::]:143 (Stream)": "[::]:143", "0.0.0.0:143 (Stream)": "0.0.0.0:143", "127.0.0.1:imaps": "127.0.0.1:993",
		"/run/imap.sock": "", "/run/imap.sock (Stream)": "", "mail.example.org:143": "", "[::1]:143": "[::1]:143",
	} {
		if got, ok := parseAddress(text); ok != (want != "") || ok && got.String() != want {
			t.Errorf("%s: %v %v", text, got, ok)
		}
	}
	if a := netip.MustParseAddrPort("[::]:143"); !clash(a, netip.MustParseAddrPort("127.0.0.1:143")) || clash(a, netip.MustParseAddrPort("[::]:144")) {
		t.Error("clash")
	}
}
