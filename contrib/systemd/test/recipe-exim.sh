#!/bin/bash
# recipe-exim.sh: Exim delivers into the Maildirs that the daemon serves, by contrib/mta's recipe.
# packages: courier-authlib-userdb courier-imap exim4-daemon-light
. /rig/lib.sh
lay
{
	printf '%s\n' 'primary_hostname = mail.example.org' 'acl_smtp_rcpt = accept'
	cat /usr/share/doc/maildir-imapd/mta/exim-virtual.conf
} >/etc/exim4/exim4.conf
echo 'ann: ann' >/etc/exim4/mailboxes
ok 'the recipe is a good configuration' exim4 -bV
ok 'Exim starts' systemctl restart exim4
ok 'the sockets start' systemctl start maildir-imapd-imap.socket maildir-imapd-imaps.socket
exec 5<>/dev/tcp/127.0.0.1/143
printf 'a LOGIN ann secret\r\nb SELECT INBOX\r\nc IDLE\r\n' >&5
ok 'a message' exim4 -odf -f robin@example.org ann@example.org <<<$'Subject: by exim\n\nHello.'
told() { timeout 10 grep -m 1 '1 EXISTS' <&5; }
ok 'a client that waits is told' told
exec 5>&-
has 'and reads it' "$(imap 'a LOGIN ann secret\r\nb SELECT INBOX\r\nc FETCH 1 BODY.PEEK[]\r\nd LOGOUT\r\n')" '^Subject: by exim'
is 'the file is vmail'"'"'s' "$(stat -c '%U %a' /srv/mail/ann/cur/* /srv/mail/ann/new/* 2>/dev/null)" 'vmail 600'
exim4 -odf -f robin@example.org nobody@example.org <<<hello >/dev/null 2>&1
no 'nobody else has mail' [ -e /srv/mail/nobody ]
