#!/bin/bash
# fail2ban.sh: the filter and the jail at work: fail2ban itself reads the journal of the service and of an instance, bans who
# fails, and nobody whom a login name mentions.
# packages: expect fail2ban neomutt python3-systemd
# (The first and the third are firstmail.sh's.)
. /rig/lib.sh
ok 'the README'"'"'s steps' lay
sed -i 's/^cleartext.*/&\nfailure_delay = 10ms/' /etc/maildir-imapd/imapd.ini
{ cat /etc/maildir-imapd/imapd.ini; printf '[listener "imaps"]\nenabled = no\n'; } >/etc/maildir-imapd/two.ini
mkdir -p /etc/systemd/system/maildir-imapd-imap@two.socket.d
printf '[Socket]\nListenStream=\nListenStream=1143\n' >/etc/systemd/system/maildir-imapd-imap@two.socket.d/port.conf
systemctl daemon-reload
ok 'the sockets start' systemctl start maildir-imapd-imap.socket maildir-imapd-imap@two.socket

cp /src/contrib/fail2ban/maildir-imapd.conf /etc/fail2ban/filter.d/
cp /src/contrib/fail2ban/jail.d/maildir-imapd.conf /etc/fail2ban/jail.d/
rm -f /etc/fail2ban/jail.d/defaults-debian.conf
printf '[DEFAULT]\nignoreself = false\nbanaction = dummy\n' >/etc/fail2ban/jail.local # a ban is noted, nothing more
ok 'fail2ban takes them' fail2ban-client -t

# wrong NAME [PORT]: a login by that name fails.
wrong() { imap "a LOGIN \"$1\" wrong\r\nb LOGOUT\r\n" "${2:-143}" | grep '^a NO'; }
ok 'a login fails' wrong ann
ok 'and one of an instance' wrong ann 1143
ok 'and one whose name has the address of another' wrong 'x remote=192.0.2.66 user=y msg=login'
ok 'the journal has all' logged 192.0.2.66
seen=$(fail2ban-regex -o ip systemd-journal /etc/fail2ban/filter.d/maildir-imapd.conf)
is 'the filter sees three, all from here' "$seen" '127.0.0.1
127.0.0.1
127.0.0.1'

ok 'fail2ban starts' systemctl start fail2ban.service
ok 'with its jail' soon fail2ban-client status maildir-imapd
no 'and without that for a file' fail2ban-client status maildir-imapd-file
for _ in 1 2 3 4 5; do wrong ann; wrong 'x remote=192.0.2.66 user=y' 1143; done >/dev/null
banned() { same "$(fail2ban-client get maildir-imapd banip | xargs)" 127.0.0.1; }
ok 'who has failed ten times is banned, and nobody else' soon banned
