#!/bin/bash
# sandbox.sh: what the services can and cannot do, tried from inside: each unit runs a probe in place of its program.
. /rig/lib.sh
lay
printf '[server]\nstate = /var/lib/maildir-imapd/two\n' >/etc/maildir-imapd/two.ini
for s in imap:1143 imaps:1993; do
	mkdir -p "/etc/systemd/system/maildir-imapd-${s%:*}@two.socket.d"
	printf '[Socket]\nListenStream=127.0.0.1:%s\n' "${s#*:}" >"/etc/systemd/system/maildir-imapd-${s%:*}@two.socket.d/port.conf"
done
# What everybody on this machine could read: it is the sandbox that must refuse.
for d in /home/robin /root /run/user/7 /var/lib/another /var/tmp /tmp; do
	mkdir -p "$d" && echo secret >"$d/secret" && chmod 755 "$d" && chmod 644 "$d/secret"
done
groupadd readers && usermod -aG readers vmail

cat >/usr/local/bin/probe <<'PROBE'
#!/bin/bash
cd / # not where somebody else is
may() { # may WHAT COMMAND...
	local what=$1
	shift
	if said=$("$@" 2>&1); then echo "can $what"; else echo "cannot $what"; fi
}
tcp() { exec 9<>"/dev/tcp/$1/$2"; }
may 'read the configuration' cat /etc/maildir-imapd/imapd.ini
may 'read the passwords' cat /etc/maildir-imapd/users.passwd
may 'write mail' touch "/srv/mail/$PROBED"
may 'give mail to a group of its own' chgrp readers "/srv/mail/$PROBED"
may 'write its state' touch "$STATE_DIRECTORY/probe"
may 'read homes' cat /home/robin/secret
may 'read the home of root' cat /root/secret
may 'read what a session has' cat /run/user/7/secret
may 'read shadow' cat /etc/shadow
may 'read the state of others' cat /var/lib/another/secret
may 'list the state of others' ls /var/lib/another
may 'read tmp of others' cat /tmp/secret
may 'read var-tmp of others' cat /var/tmp/secret
may 'write etc' touch /etc/maildir-imapd/probe
may 'write usr' touch /usr/local/probe
may 'write run' touch /run/probe
may 'write beside its state' touch /var/lib/probe
may 'write beside the mail' touch /srv/probe
may 'see other processes' test -d /proc/1
may 'read a kernel setting' cat /proc/sys/kernel/osrelease
may 'write a kernel setting' bash -c 'echo x >/proc/sys/kernel/hostname'
may 'read the kernel log' dmesg
may 'see the network' ip link
may 'connect to this machine' tcp 127.0.0.1 143
may 'connect to another' tcp 192.0.2.1 143
may 'make a user namespace' unshare --user true
may 'mount' mount -t tmpfs tmpfs /srv/mail
may 'make a device' mknod /srv/mail/device c 1 3
may 'set the clock' date -s 2001-01-01
may 'name the machine' hostname probe
may 'run in real time' chrt --rr 1 true
may 'be another personality' setarch i686 true
may 'take a right' setpriv --inh-caps=+setuid --ambient-caps=+setuid true
may 'become another' setpriv --reuid 0 true
for line in NoNewPrivs CapEff CapBnd Seccomp; do grep "^$line:" /proc/self/status; done
echo "core $(ulimit -Hc)"
PROBE
chmod 755 /usr/local/bin/probe

want() { # the answer to each question; those that only the daemon may are given
	cat <<-END
		can read the configuration
		can read the passwords
		can write mail
		can give mail to a group of its own
		can write its state
	END
	sed -n "s/^may '\([^']*\)'.*/cannot \1/p" /usr/local/bin/probe | sed 1,5d
	printf 'NoNewPrivs:\t1\nCapEff:\t0000000000000000\nCapBnd:\t0000000000000000\nSeccomp:\t2\ncore 0\n'
}
ok 'the sockets start' systemctl start maildir-imapd-imap.socket maildir-imapd-imaps.socket
ok 'from outside, there is something to connect to' greeted
# None of this is refused for another reason: without the sandbox, the same account can.
outside=$(cd / && PROBED=outside STATE_DIRECTORY=/srv/mail setpriv --reuid vmail --regid vmail --groups "$(id -G vmail | tr ' ' ,),$(getent group maildir-imapd | cut -d: -f3)" /usr/local/bin/probe)
for what in 'read homes' 'read the home of root' 'read what a session has' 'read the state of others' 'list the state of others' 'read tmp of others' \
	'read var-tmp of others' 'see other processes' 'read a kernel setting' 'see the network' 'connect to this machine' 'be another personality'; do
	has "outside it can $what" "$outside" "^can $what\$"
done
systemctl stop maildir-imapd.service 2>/dev/null # that connection has started it
for unit in maildir-imapd.service maildir-imapd-expire.service maildir-imapd@two.service; do
	dropin probe '[Service]' Type=oneshot Restart=no WatchdogSec=0 "Environment=PROBED=$unit" \
		ExecStart= ExecStart=/usr/local/bin/probe "StandardOutput=truncate:/tmp/answers.$unit"
	ok "$unit: the probe runs" systemctl start "$unit"
	ok "$unit: it can what it must, and nothing else" diff -u <(want) "/tmp/answers.$unit"
done
