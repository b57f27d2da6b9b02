#!/bin/bash
# upgrade.sh: fifty mail clients at work notice an upgrade of the Debian package as they notice a restart, and nothing else.
. /rig/lib.sh
export DEBIAN_FRONTEND=noninteractive
deb=$(ls -t /src/bin/maildir-imapd_*_"$(dpkg --print-architecture)".deb 2>/dev/null | head -n 1)
[ -n "$deb" ] || { echo "no package in bin/: make deb"; exit 1; }
# newer N: a package of a later version with another program in it
newer() {
	dpkg-deb -R "$deb" /tmp/tree || return
	sed -i "s/^Version: .*/Version: 999.$1/" /tmp/tree/DEBIAN/control
	printf '%s' "$1" >>/tmp/tree/usr/sbin/maildir-imapd
	dpkg-deb -Znone -b /tmp/tree "/tmp/newer$1.deb"
	rm -rf /tmp/tree
}
ok 'install' apt-get -q -y install "$deb"
printf '[auth]\ncleartext = yes\n' >>/etc/maildir-imapd/imapd.ini
ok 'a newer package' newer 1
ok 'and one newer yet' newer 2
people 10
ok 'a client starts it' greeted
at_work 10 5 14
pid=$(prop MainPID)
for i in 1 2; do
	sleep 2
	ok "upgrade $i" apt-get -q -y install /tmp/newer$i.deb
	no "$i: it is another process" [ "$(prop MainPID)" = "$pid" ]
	pid=$(prop MainPID)
	is "$i: of the new program" "$(stat -L -c %i "/proc/$pid/exe")" "$(stat -c %i /usr/sbin/maildir-imapd)"
done
came_back 2
