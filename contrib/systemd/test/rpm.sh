#!/bin/bash
# rpm.sh: the RPM package, installed, used, upgraded and removed by Debian's rpm, which knows nothing of what it requires
# but runs the same scriptlets. It takes the newest bin/maildir-imapd-*.rpm; make rpm makes one.
# packages: curl rpm
. /rig/lib.sh
rpm=$(ls -t /src/bin/maildir-imapd-*.rpm 2>/dev/null | head -n 1)
[ -n "$rpm" ] || { echo "no package in bin/: make rpm"; exit 1; }
owned() { stat -c '%U:%G %a' "$1"; }
lists() { curl -sSk -m 10 --user ann:secret imaps://localhost/; }
mail() { (cd /srv/mail && find . -type f -exec sha256sum {} + | sort); }
sockets='maildir-imapd-imap.socket maildir-imapd-imaps.socket'

echo "      $rpm"
said=$(rpm -i --nodeps --nosignature "$rpm" 2>&1)
is 'install' $? 0
has 'it tells the next step' "$said" 'systemctl enable --now maildir-imapd-imap.socket maildir-imapd-imaps.socket'
is 'the account' "$(getent passwd vmail | cut -d: -f6-)" /srv/mail:/usr/sbin/nologin
is 'the place for mail' "$(owned /srv/mail)" 'vmail:vmail 750'
is 'passwords' "$(owned /etc/maildir-imapd/users.passwd)" 'root:maildir-imapd 640'
is 'new files there get the group' "$(owned /etc/maildir-imapd)" 'root:maildir-imapd 2755'
ok 'the settings are good' maildir-imapd -check
ok 'a password' maildir-imapctl passwd ann <<<secret
ok 'the sockets' systemctl enable --now $sockets
has 'the first client' "$(lists 2>&1)" '^\* LIST .* INBOX'

pid=$(prop MainPID) before=$(for s in $sockets; do prop InvocationID "$s"; done)
ok 'upgrade' rpm -U --replacepkgs --nodeps --nosignature "$rpm"
no 'the daemon is another one' [ "$(prop MainPID)" = "$pid" ]
is 'the sockets are the same' "$(for s in $sockets; do prop InvocationID "$s"; done)" "$before"
has 'ann has her mail' "$(lists 2>&1)" INBOX
cp /etc/maildir-imapd/imapd.ini /tmp/good.ini
printf '[mail]\nlayuot = fs\n' >>/etc/maildir-imapd/imapd.ini
pid=$(prop MainPID)
has 'a key that is not known is told at an upgrade' "$(rpm -U --replacepkgs --nodeps --nosignature "$rpm" 2>&1)" '/etc/maildir-imapd/imapd.ini:[0-9]*: .*layuot'
no 'and the new daemon runs' [ "$(prop MainPID)" = "$pid" ]
cp /tmp/good.ini /etc/maildir-imapd/imapd.ini
printf '[mail]\nlayout = sideways\n' >>/etc/maildir-imapd/imapd.ini
pid=$(prop MainPID)
said=$(rpm -U --replacepkgs --nodeps --nosignature "$rpm" 2>&1)
is 'upgrade with a mistake in the settings' $? 0
has 'the mistake is told' "$said" '/etc/maildir-imapd/imapd.ini:[0-9]*: .*sideways'
is 'the old daemon runs' "$(prop MainPID)" "$pid"

before=$(mail)
ok 'remove' rpm -e maildir-imapd
is 'the daemon is stopped' "$(find /proc/[0-9]*/exe -lname '/usr/sbin/maildir-imapd*' 2>/dev/null)" ''
no 'the port is closed' greeted 143
is 'no mail is touched' "$(mail)" "$before"
ok 'the account stays' getent passwd vmail
ok 'changed settings stay' grep -q sideways /etc/maildir-imapd/imapd.ini.rpmsave
ok 'and passwords' grep -q ^ann: /etc/maildir-imapd/users.passwd.rpmsave
is 'no unit has failed' "$(systemctl --failed --no-legend)" ''
