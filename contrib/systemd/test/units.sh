#!/bin/bash
# units.sh: what the units promise, from the README's steps to stopping.
. /rig/lib.sh

ok 'the README'"'"'s steps' lay
ok 'the example is a good configuration' maildir-imapd -config /etc/maildir-imapd/imapd.ini.example -check
is 'the passwords are for one group' "$(stat -c '%U:%G %a' /etc/maildir-imapd/users.passwd)" 'root:maildir-imapd 640'
no 'and not for who delivers mail as vmail' runuser -u vmail -- cat /etc/maildir-imapd/users.passwd
units=(maildir-imapd.service maildir-imapd-imap.socket maildir-imapd-imaps.socket maildir-imapd-expire.timer maildir-imapd-expire.service)
verified() { # of the machine's other units nothing is asked
	local said
	said=$(systemd-analyze verify --man=no "${units[@]}" 2>&1 | grep maildir-imapd)
	echo "$said"
	[ -z "$said" ]
}
ok 'the units are valid' verified
for u in maildir-imapd.service maildir-imapd-expire.service maildir-imapd@x.service; do
	ok "$u is exposed as little as 1.0" systemd-analyze security --threshold=10 --no-pager "$u"
	systemd-analyze security --no-pager "$u" | tail -n 1
done
# but for the comments, and the names of an instance
same_as_template() {
	diff <(sed '/^#/d' /usr/lib/systemd/system/maildir-imapd.service) <(sed -e '/^#/d' -e 's/ -config .*//' -e 's/, %i$//' -e 's/@%i//g' -e 's/\/%i$//' /usr/lib/systemd/system/maildir-imapd@.service)
}
ok 'the template is the service' same_as_template

ok 'the sockets start' systemctl enable --now maildir-imapd-imap.socket maildir-imapd-imaps.socket
is 'the service waits for a client' "$(state)" inactive
answer=$(imap 'a LOGIN ann secret\r\nb CREATE Sent\r\nc APPEND Sent {5+}\r\nhallo\r\nd LOGOUT\r\n')
has 'greeting' "$answer" '^\* OK .*mail.example.org'
has 'login, folder, message' "$answer" '^c OK '
is 'active by notification' "$(state) $(prop Type)" 'active notify'
ok 'status text' status 'listening on .*imaps \[::\]:993'
is 'runs as vmail' "$(stat -c %U "/proc/$(prop MainPID)")" vmail
is 'the mail is its own' "$(stat -c '%U %a' /srv/mail/ann)" 'vmail 700'
is 'the key is private' "$(stat -Lc '%U %a' /var/lib/maildir-imapd/self-signed.pem)" 'vmail 600'
ok 'the journal has the login' logged '^msg=login '
has 'the journal knows levels' "$(journalctl -q -p warning -o cat -u maildir-imapd)" self-signed

has 'the owner of the mail needs no password' "$(runuser -u vmail -- maildir-imapd -preauth ann <<<'a LOGOUT' 2>&1)" '^\* PREAUTH '
has 'another account does' "$(runuser -u nobody -- maildir-imapd -preauth ann 2>&1 </dev/null)" 'only root, ann and the owner of /srv/mail/ann may name'

printf '[mailbox "Sent"]\nkeep = 1\n' >>/etc/maildir-imapd/imapd.ini
imap 'a LOGIN ann secret\r\nb APPEND Sent {5+}\r\nhello\r\nc LOGOUT\r\n' >/dev/null
is 'nothing expires by itself' "$(systemctl is-enabled maildir-imapd-expire.timer)" disabled
ok 'mail expires when told to' systemctl start maildir-imapd-expire.service
has 'and nothing else' "$(journal maildir-imapd-expire.service)" 'Sent: 1'
is 'one message is left' "$(find /srv/mail/ann/.Sent/cur /srv/mail/ann/.Sent/new -type f | wc -l)" 1
sed -i '/^.mailbox/,$d' /etc/maildir-imapd/imapd.ini

mkdir -p /srv/mail/public/.team/{cur,new,tmp} && echo 'anyone lrik' >/srv/mail/public/.team/dovecot-acl
groupadd readers && usermod -aG readers vmail
chown -R vmail:readers /srv/mail/public && find /srv/mail/public -type d -exec chmod 2770 {} +
printf '[namespace "public"]\nprefix = Public/\npath = /srv/mail/public\n' >>/etc/maildir-imapd/imapd.ini
systemctl restart maildir-imapd
answer=$(imap 'a LOGIN ann secret\r\nb CREATE Public/team/plans\r\nc APPEND Public/team/plans {5+}\r\nhello\r\nd LOGOUT\r\n')
has 'the group has a folder made' "$answer" '^c OK '
is 'a new public folder is the group'"'"'s' "$(stat -c '%G %a' /srv/mail/public/.team.plans)" 'readers 2770'
is 'and so is its mail' "$(stat -c '%G %a' /srv/mail/public/.team.plans/{cur,new}/* 2>/dev/null)" 'readers 660'
sed -i '/^.namespace/,$d' /etc/maildir-imapd/imapd.ini
systemctl restart maildir-imapd

pid=$(prop MainPID)
ok 'reload' systemctl reload maildir-imapd
ok 'reloaded' logged SIGHUP
echo 'bob:{PLAIN}geheim' >>/etc/maildir-imapd/users.passwd
chmod 644 /etc/maildir-imapd/users.passwd
ok 'a new user is noticed' logged 'password file: 2 users, 1 before'
echo frob >>/etc/maildir-imapd/imapd.ini
ok 'passwords that all can read are warned of' logged 'every account of this machine can reach a secret.*users.passwd'
chmod 640 /etc/maildir-imapd/users.passwd
ok 'a mistake stands in the status' status 'imapd.ini:7: '
sed -i '$d' /etc/maildir-imapd/imapd.ini
ok 'and goes when it is mended' status '^[0-9]* connections'
is 'the process is the same' "$(prop MainPID)" "$pid"

for _ in $(seq 60); do
	greeted >/dev/null && echo in || echo refused
	sleep 0.05
done >/tmp/clients 2>&1 &
sleep 0.5
ok 'restart' systemctl restart maildir-imapd
wait $!
is 'refuses none of 60 clients' "$(sort /tmp/clients | uniq -c | xargs)" '60 in'

exec 4<>/dev/tcp/127.0.0.1/143
read -r _ <&4
ok 'stop' systemctl stop maildir-imapd.service
has 'says goodbye' "$(timeout 10 cat <&4)" '^\* BYE'
exec 4>&-
is 'and stops clean' "$(prop Result)" success
chmod 600 /etc/maildir-imapd/users.passwd
chown root:root /etc/maildir-imapd/users.passwd
systemctl start maildir-imapd.service 2>/dev/null
ok 'who cannot read the passwords says what to do' logged 'this runs as vmail: give the file'
sleep 12 # longer than systemd tries by default
chown root:maildir-imapd /etc/maildir-imapd/users.passwd
chmod 640 /etc/maildir-imapd/users.passwd
waits() { [ "$(state)" = active ] || { systemctl status --no-pager maildir-imapd.service maildir-imapd-imap.socket; return 1; }; }
ok 'and serves once they are mended, however late' soon waits
ok 'the next client is greeted' greeted
