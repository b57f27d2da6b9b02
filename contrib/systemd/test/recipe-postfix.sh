#!/bin/bash
# recipe-postfix.sh: Postfix delivers into the Maildirs that the daemon serves, by contrib/mta's recipes.
# packages: dovecot-imapd postfix
. /rig/lib.sh
lay
recipes=/usr/share/doc/maildir-imapd/mta
# take FILE: puts a recipe's lines into main.cf.
take() {
	grep -v '^#' "$1" | sed "s/static:999/static:$(id -u vmail)/" | while read -r line; do postconf -e "$line" || return; done
}
postconf -e 'myhostname = mail.example.org' 'mydestination = localhost' 'inet_interfaces = loopback-only' 'compatibility_level = 3.6'
ok 'the recipe for virtual users' take $recipes/postfix-virtual.cf
echo 'ann@example.org    ann/' >/etc/postfix/mailboxes
ok 'the list of users' postmap /etc/postfix/mailboxes
ok 'Postfix starts' systemctl restart postfix
ok 'the sockets start' systemctl start maildir-imapd-imap.socket maildir-imapd-imaps.socket

exec 5<>/dev/tcp/127.0.0.1/143
printf 'a LOGIN ann secret\r\nb SELECT INBOX\r\nc IDLE\r\n' >&5
sendmail -f robin@example.org ann@example.org <<<$'Subject: by virtual\n\nHello.'
told() { timeout 10 grep -m 1 '1 EXISTS' <&5; }
ok 'a client that waits is told' told
exec 5>&-
has 'and reads it' "$(imap 'a LOGIN ann secret\r\nb SELECT INBOX\r\nc FETCH 1 BODY.PEEK[]\r\nd LOGOUT\r\n')" '^Subject: by virtual'
is 'the file is vmail'"'"'s' "$(stat -c %U /srv/mail/ann/cur/* /srv/mail/ann/new/* 2>/dev/null)" vmail
ok 'nobody else has mail' bash -c '! sendmail -f robin@example.org nobody@example.org <<<hello; sleep 2; [ ! -e /srv/mail/nobody ]'

# One person's machine: home_mailbox, the daemon runs as that person.
useradd --create-home robin
ok 'the recipe for ~/Maildir' take $recipes/postfix-home.cf
postfix reload 2>/dev/null
maildir-imapctl passwd robin <<<secret >/dev/null
systemctl stop maildir-imapd.service
sed -n 's/^#    //p' $recipes/postfix-home.cf | sed '/^\[mail\]/,$d' >/tmp/dropin
has 'the drop-in names the account' "$(cat /tmp/dropin)" '^User=robin'
mkdir -p /etc/systemd/system/maildir-imapd.service.d && cp /tmp/dropin /etc/systemd/system/maildir-imapd.service.d/robin.conf
sed -i 's|^path = .*|path = ~/Maildir|' /etc/maildir-imapd/imapd.ini
systemctl daemon-reload
sendmail -f ann@example.org robin@localhost <<<$'Subject: at home\n\nHello.'
arrived() { ls /home/robin/Maildir/new/*; }
ok 'the mail is in ~/Maildir' soon arrived
has 'robin reads it' "$(imap 'a LOGIN robin secret\r\nb SELECT INBOX\r\nc FETCH 1 BODY.PEEK[]\r\nd LOGOUT\r\n')" '^Subject: at home'
is 'as robin' "$(stat -c %U "/proc/$(prop MainPID)")" robin
