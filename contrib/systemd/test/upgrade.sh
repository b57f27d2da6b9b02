#!/bin/bash
# upgrade.sh: fifty mail clients at work notice an upgrade of the Debian package as they notice a restart, and nothing else.
. /rig/lib.sh
export DEBIAN_FRONTEND=noninteractive
packaged
cd /tmp
ok 'install' apt-get -q -y install "$deb"
printf '[auth]\ncleartext = yes\n' >>/etc/maildir-imapd/imapd.ini
for i in 1 2; do ok 'a newer package, with another program in it' repack $i "printf $i >>usr/sbin/maildir-imapd"; done
people 10
ok 'a client starts it' greeted
at_work 10 5 14
pid=$(prop MainPID)
for i in 1 2; do
	sleep 2
	ok "upgrade $i" apt-get -q -y install ./deb-$i.deb
	no "$i: it is another process" [ "$(prop MainPID)" = "$pid" ]
	pid=$(prop MainPID)
	is "$i: of the new program" "$(stat -L -c %i "/proc/$pid/exe")" "$(stat -c %i /usr/sbin/maildir-imapd)"
done
came_back 2
