#!/bin/bash
# checks.sh: what the units promise, one line each. Runs inside boot.sh's container, where /rig is its folder.
failed=0
ok() { # ok WHAT COMMAND...
	local what=$1 said
	shift
	if said=$("$@" 2>&1); then echo "ok    $what"; else failed=1; echo "FAIL  $what: $said"; fi
}
prop() { systemctl show -P "$1" maildir-imapd.service; }
journal() { journalctl -q -o cat -u maildir-imapd.service; }
logged() { for _ in $(seq 100); do journal | grep -q -- "$1" && return; sleep 0.1; done; echo "no $1 in the journal"; return 1; }
status() { for _ in $(seq 100); do prop StatusText | grep -q -- "$1" && return; sleep 0.1; done; prop StatusText; return 1; }
imap() { # imap COMMANDS: what the server answers on port 143
	exec 3<>/dev/tcp/127.0.0.1/143 || return
	printf "$1" >&3
	timeout 10 cat <&3 | tr -d '\r'
	exec 3>&-
}
greeted() { exec 3<>/dev/tcp/127.0.0.1/143 && timeout 10 head -n 1 <&3 | grep -q '^\* OK'; }
waits() { for _ in $(seq 50); do [ "$(prop ActiveState)" = active ] && return; sleep 0.1; done; systemctl status --no-pager maildir-imapd.service maildir-imapd-imap.socket; return 1; }
verified() { # of the machine's other units nothing is asked
	local said
	said=$(systemd-analyze verify --man=no maildir-imapd.service maildir-imapd-imap.socket maildir-imapd-imaps.socket maildir-imapd-expire.timer maildir-imapd-expire.service 2>&1 | grep maildir-imapd)
	echo "$said"
	[ -z "$said" ]
}

# The README's steps, what make install has put into /rig/tree first.
cp -r --preserve=mode,timestamps /rig/tree/. /
ok 'the example is a good configuration' maildir-imapd -config /etc/maildir-imapd/imapd.ini.example -check
userdel vmail 2>/dev/null
useradd --system --home-dir /srv/mail --create-home --shell /usr/sbin/nologin vmail
chgrp vmail /etc/maildir-imapd && chmod g+s /etc/maildir-imapd
cat >/etc/maildir-imapd/imapd.ini <<'INI'
[server]
hostname = mail.example.org
[auth]
cleartext = yes
[mail]
path = /srv/mail/%u
INI
ok 'a password' maildir-imapctl passwd ann <<<secret
ok 'for the daemon only' [ "$(stat -c '%U:%G %a' /etc/maildir-imapd/users.passwd)" = 'root:vmail 640' ]
systemctl daemon-reload

ok 'the units are valid' verified
ok 'security score' systemd-analyze security --threshold=20 --no-pager maildir-imapd.service maildir-imapd-expire.service
ok 'the sockets start' systemctl enable --now maildir-imapd-imap.socket maildir-imapd-imaps.socket
ok 'the service waits for a client' [ "$(prop ActiveState)" = inactive ]
answer=$(imap 'a LOGIN ann secret\r\nb CREATE Sent\r\nc APPEND Sent {5+}\r\nhallo\r\nd LOGOUT\r\n')
ok 'greeting' grep -q '^\* OK .*mail.example.org' <<<"$answer"
ok 'login, folder, message' grep -q '^c OK ' <<<"$answer"
ok 'active by notification' [ "$(prop ActiveState) $(prop Type)" = 'active notify' ]
ok 'status text' status 'listening on .*imaps \[::\]:993'
ok 'runs as vmail' [ "$(stat -c %U "/proc/$(prop MainPID)")" = vmail ]
ok 'the mail is its own' [ "$(stat -c '%U %a' /srv/mail/ann)" = 'vmail 700' ]
ok 'the key is private' [ "$(stat -Lc '%U %a' /var/lib/maildir-imapd/self-signed.pem)" = 'vmail 600' ]
ok 'the journal has the login' logged '^msg=login '
ok 'the journal knows levels' bash -c 'journalctl -q -p warning -o cat -u maildir-imapd | grep -q self-signed'

ok 'the owner of the mail needs no password' grep -q '^\* PREAUTH ' <(runuser -u vmail -- maildir-imapd -preauth ann <<<'a LOGOUT' 2>&1)
ok 'another account does' grep -q 'only root, ann and the owner of /srv/mail/ann may name' <(runuser -u nobody -- maildir-imapd -preauth ann 2>&1 </dev/null)

printf '[mailbox "Sent"]\nkeep = 1\n' >>/etc/maildir-imapd/imapd.ini
imap 'a LOGIN ann secret\r\nb APPEND Sent {5+}\r\nhello\r\nc LOGOUT\r\n' >/dev/null
ok 'nothing expires by itself' [ "$(systemctl is-enabled maildir-imapd-expire.timer)" = disabled ]
ok 'mail expires when told to' systemctl start maildir-imapd-expire.service
ok 'and nothing else' grep -q 'Sent: 1' <(journalctl -q -o cat -u maildir-imapd-expire.service)
ok 'one message is left' [ "$(find /srv/mail/ann/.Sent/cur /srv/mail/ann/.Sent/new -type f | wc -l)" = 1 ]
sed -i '/^.mailbox/,$d' /etc/maildir-imapd/imapd.ini

mkdir -p /srv/mail/public/.team/{cur,new,tmp} && echo 'anyone lrik' >/srv/mail/public/.team/dovecot-acl
groupadd readers && usermod -aG readers vmail
chown -R vmail:readers /srv/mail/public && find /srv/mail/public -type d -exec chmod 2770 {} +
printf '[namespace "public"]\nprefix = Public/\npath = /srv/mail/public\n' >>/etc/maildir-imapd/imapd.ini
systemctl restart maildir-imapd
answer=$(imap 'a LOGIN ann secret\r\nb CREATE Public/team/plans\r\nc APPEND Public/team/plans {5+}\r\nhello\r\nd LOGOUT\r\n')
ok 'the group has a folder made' bash -c 'grep -q "^c OK " <<<"$1" || { echo "$1"; exit 1; }' - "$answer"
ok 'a new public folder is the group'"'"'s' [ "$(stat -c '%G %a' /srv/mail/public/.team.plans)" = 'readers 2770' ]
ok 'and so is its mail' [ "$(stat -c '%G %a' /srv/mail/public/.team.plans/{cur,new}/* 2>/dev/null)" = 'readers 660' ]
sed -i '/^.namespace/,$d' /etc/maildir-imapd/imapd.ini
systemctl restart maildir-imapd

pid=$(prop MainPID)
ok 'reload' systemctl reload maildir-imapd
ok 'reloaded' logged SIGHUP
echo 'bob:{PLAIN}geheim' >>/etc/maildir-imapd/users.passwd
ok 'a new user is noticed' logged 'password file: 2 users, 1 before'
echo frob >>/etc/maildir-imapd/imapd.ini
ok 'a mistake stands in the status' status 'imapd.ini:7: '
sed -i '$d' /etc/maildir-imapd/imapd.ini
ok 'and goes when it is mended' status '^[0-9]* connections'
ok 'the process is the same' [ "$(prop MainPID)" = "$pid" ]

for _ in $(seq 60); do
	greeted && echo in || echo refused
	exec 3>&-
	sleep 0.05
done >/tmp/clients 2>&1 &
sleep 0.5
ok 'restart' systemctl restart maildir-imapd
wait $!
ok 'refuses none of 60 clients' bash -c '[ "$(sort /tmp/clients | uniq -c | tr -s " ")" = " 60 in" ] || { sort /tmp/clients | uniq -c; exit 1; }'
mkdir -p /etc/systemd/system/maildir-imapd.service.d
printf '[Service]\nWatchdogSec=2s\n' >/etc/systemd/system/maildir-imapd.service.d/short.conf
systemctl daemon-reload && systemctl restart maildir-imapd
sleep 5
ok 'the watchdog is fed' [ "$(prop NRestarts) $(prop ActiveState)" = '0 active' ]
kill -STOP "$(prop MainPID)"
ok 'and restarts what hangs' bash -c 'for _ in $(seq 150); do [ "$(systemctl show -P NRestarts maildir-imapd)" != 0 ] && exit; sleep 0.1; done; exit 1'
ok 'which serves again' greeted
exec 4<>/dev/tcp/127.0.0.1/143
read -r _ <&4
ok 'stop' systemctl stop maildir-imapd.service
ok 'says goodbye' grep -q '^\* BYE' <(timeout 10 cat <&4)
exec 4>&-
ok 'and stops clean' [ "$(prop Result)" = success ]
chmod 600 /etc/maildir-imapd/users.passwd
chown root:root /etc/maildir-imapd/users.passwd
systemctl start maildir-imapd.service 2>/dev/null
ok 'who cannot read the passwords says what to do' logged 'this runs as vmail: give the file'
sleep 12 # longer than systemd tries by default
chown root:vmail /etc/maildir-imapd/users.passwd
chmod 640 /etc/maildir-imapd/users.passwd
ok 'and serves once they are mended, however late' waits
ok 'the next client starts it' greeted
[ "$failed" = 0 ] || journal
exit "$failed"
