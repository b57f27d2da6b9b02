#!/bin/bash
# oldstate.sh: the package is installed over mail and state that an earlier program has left, of before the first release:
# index, cache, read marks and third copies in the formats of then. oldstate.tar.gz has them, and beside them in "ann" and
# "robin" what mailstate.py had from that program for these users.
. /rig/lib.sh
export DEBIAN_FRONTEND=noninteractive
packaged
mkdir /tmp/old && tar -xzf /rig/oldstate.tar.gz -C /tmp/old
cp -a /tmp/old/srv /tmp/old/var /
groupadd --system vmail && useradd --system -g vmail --home-dir /srv/mail --shell /usr/sbin/nologin vmail
chown -R vmail:vmail /srv/mail /var/lib/maildir-imapd
seed=$(sha256sum </var/lib/maildir-imapd/login-seed)
ok 'install over it' apt-get -q -y install "$deb"
printf '[namespace "public"]\nprefix = Public/\npath = /srv/mail/public\n[auth]\ncleartext = yes\n' >>/etc/maildir-imapd/imapd.ini
for u in ann robin; do ok "a password for $u" maildir-imapctl passwd $u <<<secret; done
for u in ann robin; do
	is "$u finds UIDs, flags, keywords and read marks as they were" "$(python3 /rig/mailstate.py $u secret 2>&1)" "$(cat /tmp/old/$u)"
done
has 'no UID is given twice' "$(imap 'a LOGIN ann secret\r\nb APPEND INBOX {5+}\r\nhallo\r\nc LOGOUT\r\n')" '^b OK .APPENDUID [0-9]* 4.'
has 'marks go on' "$(imap 'a LOGIN robin secret\r\nb SELECT Public/team\r\nc UID STORE 3 +FLAGS (\\Seen)\r\nd LOGOUT\r\n')" '^c OK '
systemctl stop maildir-imapd.service 2>/dev/null
has 'and last' "$(python3 /rig/mailstate.py robin secret)" '^Public/team 3 .Seen'
has 'with those of before' "$(python3 /rig/mailstate.py robin secret)" '^Public/team 2 .Seen shared'
has 'and are each one'"'"'s own' "$(python3 /rig/mailstate.py ann secret)" '^Public/team 2 shared'
is 'the state is taken over' "$(sha256sum </var/lib/maildir-imapd/login-seed)" "$seed"
is 'nothing is complained of' "$(journalctl -q -b -p warning -o cat -u maildir-imapd.service | grep -v self-signed)" ''
ok 'nor found by the check' maildir-imapctl check -all
