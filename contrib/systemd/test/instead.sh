#!/bin/bash
# instead.sh: the Debian package on a host where Dovecot serves IMAP: apt puts the one in the place of the other.
# packages: dovecot-imapd postfix
. /rig/lib.sh
export DEBIAN_FRONTEND=noninteractive
packaged
cd /tmp
greeting() { timeout 10 bash -c 'exec 3<>/dev/tcp/127.0.0.1/143 && head -n 1 <&3'; }
dovecots() { greeting | grep Dovecot; }
ours() { greeting | grep '^\* OK' | grep -v Dovecot; }

systemctl start dovecot.service
ok 'Dovecot serves' soon dovecots
no 'dpkg does not put another beside it' dpkg -i "$deb"
ok 'nor is Dovecot harmed' dovecots
ok 'apt puts it in its place' apt-get -q -y -o Dpkg::Use-Pty=0 install "$deb"
ok 'port 143 is ours' soon ours
is 'and 993' "$(state maildir-imapd-imaps.socket)" active
is 'no unit has failed' "$(systemctl --failed --no-legend)" ''
is 'Dovecot'"'"'s settings stay' "$(dpkg-query -W -f '${db:Status-Status}' dovecot-imapd)" config-files
ok 'remove' apt-get -q -y remove maildir-imapd
no 'the port is free' greeting
