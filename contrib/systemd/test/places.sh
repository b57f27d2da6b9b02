#!/bin/bash
# places.sh: mail that lies elsewhere than the units have it, or is not there, or not yet.
. /rig/lib.sh
lay
ini=/etc/maildir-imapd/imapd.ini
login() { imap 'a LOGIN ann secret\r\nb APPEND INBOX {5+}\r\nhallo\r\nc LOGOUT\r\n'; }
serves() { matches "$(login)" '^b OK '; }
refuses() { matches "$(login)" '^a NO \[UNAVAILABLE\]'; }
systemctl start maildir-imapd-imap.socket maildir-imapd-imaps.socket
lives() { sed -i "s|^path = .*|path = $1|" $ini && systemctl restart maildir-imapd; }

rm -rf /srv/mail
ok 'no /srv/mail: users are turned away' refuses
ok 'and the log says what to do' logged 'mkdir /srv/mail: read-only file system; the unit lets .* make the directory for vmail and restart'
mkdir /srv/mail && systemctl restart maildir-imapd
ok 'a /srv/mail of root'"'"'s' refuses
ok 'and the log says whom it is for' logged 'permission denied; this runs as vmail'
chown vmail:vmail /srv/mail
ok 'mended while it runs' serves

mkdir /tmp/disk && chown vmail:vmail /tmp/disk
systemctl stop maildir-imapd.service 2>/dev/null
mount --bind /srv/mail /srv/mail && mount -o remount,bind,ro /srv/mail
ok 'a read-only /srv/mail is read' matches "$(imap 'a LOGIN ann secret\r\nb SELECT INBOX\r\nc FETCH 1 BODY[]\r\nd LOGOUT\r\n')" '^c OK '
ok 'not written' matches "$(login)" '^b NO '
ok 'and the log says why' logged 'read-only file system'
systemctl stop maildir-imapd.service 2>/dev/null
umount /srv/mail
ok 'writable again' serves

# A mount that comes late is seen by the daemon that runs: it was for this directory.
rm -rf /srv/mail/* && chown root:root /srv/mail && systemctl restart maildir-imapd
ok 'not mounted: nobody is shown an empty mailbox' refuses
mount --bind /tmp/disk /srv/mail
ok 'mounted late: served' serves
is 'what was mounted' "$(ls /tmp/disk)" ann
systemctl stop maildir-imapd.service 2>/dev/null
umount /srv/mail

# With the drop-in of the manual it waits for the mount.
chown vmail:vmail /srv/mail
dropin mount '[Service]' 'ExecStartPre=+/usr/bin/findmnt --task 1 /srv/mail'
login >/tmp/early &
ok 'without the mount it does not start' logged 'Failed with result .exit-code.'
mount --bind /tmp/disk /srv/mail
wait $!
has 'the client who came too early is served in the end' "$(cat /tmp/early)" '^b OK '
is 'below the mount is nothing' "$(umount -l /srv/mail; ls /srv/mail)" ''
rm -r /etc/systemd/system/maildir-imapd.service.d && systemctl daemon-reload

mkdir -p /data/mail && chown vmail:vmail /data/mail
lives /data/mail/%u
ok 'elsewhere' refuses
ok 'the log names the setting' logged '/data/mail/ann.*ReadWritePaths='
dropin places '[Service]' ReadWritePaths=/data/mail
systemctl restart maildir-imapd
ok 'with it, served' serves

mkdir -p /var/lib/vmail && chown vmail:vmail /var/lib/vmail
lives /var/lib/vmail/%u
ok 'below /var/lib' refuses
dropin places '[Service]' BindPaths=/var/lib/vmail
systemctl restart maildir-imapd
ok 'shown to it, served' serves

# The mail of one account, in its home: a daemon of its own.
useradd --create-home robin
cat >/etc/maildir-imapd/robin.ini <<'INI'
[server]
state = /var/lib/maildir-imapd/robin
[auth]
cleartext = yes
[mail]
path = /home/robin/Maildir
INI
unit=maildir-imapd@robin.service
mkdir -p /etc/systemd/system/maildir-imapd-imap@robin.socket.d
printf '[Socket]\nListenStream=127.0.0.1:2143\n' >/etc/systemd/system/maildir-imapd-imap@robin.socket.d/port.conf
dropin robin '[Service]' User=robin Group=robin ProtectHome=no ReadWritePaths=/home/robin
maildir-imapctl passwd robin <<<rotkehlchen
ok 'a daemon of robin'"'"'s' systemctl start maildir-imapd-imap@robin.socket
has 'serves robin' "$(imap 'a LOGIN robin rotkehlchen\r\nb APPEND INBOX {5+}\r\nhallo\r\nc LOGOUT\r\n' 2143)" '^b OK '
is 'with files of robin'"'"'s' "$(find /home/robin/Maildir ! -user robin | wc -l) $(find /home/robin/Maildir/{cur,new} -type f | wc -l)" '0 1'
has 'and a state of its own' "$(stat -c '%U %a' /var/lib/maildir-imapd/robin/login-seed)" '^robin 600$'
