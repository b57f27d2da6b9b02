#!/bin/bash
# doctor.sh: what maildir-imapctl doctor finds under a real systemd, and that the commands that it prints mend it.
. /rig/lib.sh

looked() { said=$(maildir-imapctl doctor "$@" 2>&1); }
finds() { # WHAT PATTERN CHECK...: it finds it, and ends with 1
	local what=$1 pattern=$2 status=0
	shift 2
	looked "$@" || status=$?
	is "$what: the status" "$status" 1
	has "$what" "$said" "$pattern"
}
mends() { # WHAT CHECK...: what it says mends it, run as it stands there
	local what=$1
	shift
	looked "$@"
	sed -n 's/^    //p' <<<"$said" | sh >/dev/null 2>&1
	ok "$what, and its commands mend it" maildir-imapctl doctor "$@"
}

ok 'the README'"'"'s steps' lay
finds 'sockets that nobody has started' '^maildir-imapd-imap.socket: is not started: nobody listens' sockets
mends 'they are not started' sockets
ok 'a client is greeted' greeted
ok 'nothing else is found, though the certificate has signed itself' maildir-imapctl doctor
looked certificates
has 'that is a note' "$said" '^note: \[tls\] certificate: is not set'

systemctl disable -q maildir-imapd-imaps.socket
finds 'a socket that a boot would not start' '^maildir-imapd-imaps.socket: listens now, and will not after the next boot' sockets
mends 'disabled' sockets
dropin x '[Service]' 'Environment=A=b'
echo 'Environment=C=d' >>"/etc/systemd/system/$unit.d/x.conf"
touch -d '+10 seconds' "/etc/systemd/system/$unit.d/x.conf"
finds 'files that systemd has not read' 'maildir-imapd.service: its files have changed' sockets
mends 'not read' sockets
unit=maildir-imapd-imap.socket dropin x '[Socket]' FileDescriptorName=mail
finds 'a socket under a name of its own' 'hands over its socket as "mail", and there is no section' sockets
rm -r /etc/systemd/system/*.d && systemctl daemon-reload

systemctl stop maildir-imapd-imap.socket maildir-imapd-imaps.socket "$unit"
printf '[Service]\nExecStart=/usr/bin/systemd-socket-activate --accept -l 143 /bin/cat\n[Install]\nWantedBy=multi-user.target\n' >/etc/systemd/system/other.service
systemctl daemon-reload && systemctl enable -q --now other.service
soon bash -c 'exec 3<>/dev/tcp/127.0.0.1/143' >/dev/null
finds 'somebody else on the port' '^port 143: is wanted for .*taken by systemd-socket.* of package systemd, which other.service has started' sockets
has 'and how to stop it' "$said" '^    systemctl disable --now other.service$'
mends 'the port is taken' sockets
ok 'a client is greeted again' greeted

chmod 644 /etc/maildir-imapd/users.passwd
finds 'passwords for everybody' 'users.passwd: every account of this machine can read' passwords
mends 'for everybody' passwords
is 'the passwords are for one group again' "$(stat -c '%U:%G %a' /etc/maildir-imapd/users.passwd)" 'root:maildir-imapd 640'
chown root:root /etc/maildir-imapd/users.passwd
finds 'passwords for root alone' 'users.passwd: vmail, as which the daemon runs, has no permission r' passwords
mends 'for root alone' passwords
is 'they are the group'"'"'s' "$(stat -c '%U:%G %a' /etc/maildir-imapd/users.passwd)" 'root:maildir-imapd 640'

login() { imap 'a LOGIN ann secret\r\nb SELECT INBOX\r\nc LOGOUT\r\n' | grep '^b OK'; }
sed -i 's,^path = .*,path = /bigdisk/%u,' /etc/maildir-imapd/imapd.ini
finds 'a root that is not there' '^/bigdisk: is not there' roots
mends 'the root is absent, and the unit lets nothing there' roots
sleep 0.5
ok 'mail is served there' login
mkdir -p /home/mail && chown vmail:vmail /home/mail
sed -i 's,^path = .*,path = /home/mail/%u,' /etc/maildir-imapd/imapd.ini
finds 'a root that the unit hides' '^/home/mail: maildir-imapd.service has ProtectHome=yes' roots
mends 'hidden by the unit' roots
sleep 0.5
ok 'mail is served there as well' login
mount -t tmpfs -o ro tmpfs /home/mail
finds 'a root that is read-only' '^/home/mail: is on a file system that is read-only' roots
mends 'read-only' roots
umount /home/mail
ok 'in the end nothing is found' maildir-imapctl doctor
