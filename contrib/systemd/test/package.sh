#!/bin/bash
# package.sh: the Debian package's life: installed, used, upgraded, removed, installed again, purged; and what it says and
# does where something is in its way. It takes the newest bin/maildir-imapd_*.deb; make deb makes one.
# packages: curl rpm
. /rig/lib.sh
export DEBIAN_FRONTEND=noninteractive
packaged
cd /tmp
# apt ARGUMENT...: apt-get as a person would call it, with nobody to answer; what it says is in the file said.
apt() {
	local status=0
	apt-get -q -y -o Dpkg::Use-Pty=0 "$@" </dev/null >said 2>&1 || status=$?
	cat said
	return $status
}
owned() { stat -c '%U:%G %a' "$1"; }
lists() { curl -sSk -m 10 --user "${1:-ann:secret}" imaps://localhost/; }
# listener PORT: another program that listens there
listener() { perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(Listen => 1, LocalPort => shift, ReuseAddr => 1) or die; sleep' "$1" & }
taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
screen() { sed 's/^/      | /' said; } # for a person to read
sockets='maildir-imapd-imap.socket maildir-imapd-imaps.socket'

echo "      $deb"
no 'no mail, no accounts before' ls /srv/mail
ok 'install' apt install "$deb"
screen
has 'it tells the next step' "$(cat said)" 'The first user: maildir-imapctl user add NAME'
for s in $sockets; do
	is "$s is enabled" "$(systemctl is-enabled "$s")" enabled
	is "$s listens" "$(state "$s")" active
done
is 'expiry is for who enables it' "$(systemctl is-enabled maildir-imapd-expire.timer)" disabled
is 'the daemon waits for a client' "$(state)" inactive
is 'the account' "$(getent passwd vmail | cut -d: -f6-)" /srv/mail:/usr/sbin/nologin
is 'vmail may not read passwords' "$(id -nG vmail)" vmail
is 'the place for mail' "$(owned /srv/mail)" 'vmail:vmail 750'
is 'settings' "$(owned /etc/maildir-imapd/imapd.ini)" 'root:root 644'
is 'passwords' "$(owned /etc/maildir-imapd/users.passwd)" 'root:maildir-imapd 640'
is 'new files there get the group' "$(owned /etc/maildir-imapd)" 'root:maildir-imapd 2755'
ok 'the settings are good' maildir-imapd -check
ok 'README.Debian is there' test -s /usr/share/doc/maildir-imapd/README.Debian
ok 'the long example is good' maildir-imapd -config /usr/share/doc/maildir-imapd/examples/imapd.ini -check

# steps PATTERN: those commands of README.Debian
steps() { sed -n "s/^       \(maildir-imapctl $1\)/\1/p" /usr/share/doc/maildir-imapd/README.Debian; }
is 'README.Debian has its steps' "$(steps '[up].*' | paste -sd,)" 'maildir-imapctl user add ann,maildir-imapctl probe -k -user ann'
ok 'its first user' sh -c "$(steps user.*)" <<<secret
is 'keeps them secret' "$(owned /etc/maildir-imapd/users.passwd)" 'root:maildir-imapd 640'
has 'the first client' "$(lists 2>&1)" '^\* LIST .* INBOX'
is 'has started the daemon' "$(state)" active
has 'README.Debian'"'"'s client' "$(sh -c "$(steps probe.*)" <<<secret 2>&1)" 'INBOX'
has 'another password' "$(lists ann:wrong 2>&1)" 'denied'
is 'mail for ann' "$(owned /srv/mail/ann)" 'vmail:vmail 700'
printf 'Subject: hello\n\nhello\n' >/srv/mail/ann/new/1.hello && chown vmail: /srv/mail/ann/new/1.hello
has 'the first mail' "$(curl -sSk -m 10 --user ann:secret 'imaps://localhost/INBOX;UID=1')" '^Subject: hello'

mkdir -p /etc/systemd/system/maildir-imapd-imap@sales.socket.d
printf '[Socket]\nListenStream=127.0.0.1:2143\n' >/etc/systemd/system/maildir-imapd-imap@sales.socket.d/listen.conf
sed 's,^hostname =.*,state = /var/lib/maildir-imapd/sales,' /etc/maildir-imapd/imapd.ini >/etc/maildir-imapd/sales.ini
systemctl daemon-reload
ok 'one more daemon' systemctl enable --now maildir-imapd-imap@sales.socket
ok 'and its client' greeted 2143
sales=$(prop MainPID maildir-imapd@sales.service)

pid=$(prop MainPID) before=$(for s in $sockets; do prop InvocationID "$s"; done)
ok 'the same package once more' apt install --reinstall "$deb"
is 'leaves the sockets' "$(for s in $sockets; do prop InvocationID "$s"; done)" "$before"
has 'and everything else' "$(lists 2>&1)" INBOX

repack 1
is 'the sockets stay' "$(for s in $sockets; do prop InvocationID "$s"; done | sort -u | wc -l)" 2
before=$(for s in $sockets; do prop InvocationID "$s"; done) pid=$(prop MainPID)
(until [ -e stop ]; do greeted 143 >/dev/null && echo up || echo down; sleep 0.03; done) >clients &
clients=$!
cp /etc/maildir-imapd/users.passwd passwd.before
ok 'upgrade' apt install ./deb-1.deb
touch stop
wait $clients
no 'refuses no client' grep -v up clients
echo "      $(grep -c up clients) clients meanwhile"
is 'the sockets are the same' "$(for s in $sockets; do prop InvocationID "$s"; done)" "$before"
no 'the daemon is another one' [ "$(prop MainPID)" = "$pid" ]
is 'so are those of the other daemon' "$(state maildir-imapd-imap@sales.socket)" active
no 'which is another one, too' [ "$(prop MainPID maildir-imapd@sales.service)" = "$sales" ]
ok 'passwords are untouched' cmp passwd.before /etc/maildir-imapd/users.passwd
no 'nobody is asked to make a user again' grep 'The first user' said
has 'ann has her mail' "$(lists 2>&1)" INBOX

echo '# ours' >>/etc/maildir-imapd/imapd.ini
repack 2 'echo "# theirs" >>etc/maildir-imapd/imapd.ini'
ok 'upgrade over changed settings' apt -o Dpkg::Options::=--force-confold install ./deb-2.deb
ok 'keeps the changes' grep -q ours /etc/maildir-imapd/imapd.ini
ok 'and puts the new ones beside' grep -q theirs /etc/maildir-imapd/imapd.ini.dpkg-dist
is 'and runs' "$(state)" active

cp /etc/maildir-imapd/imapd.ini good.ini
printf '[mail]\nlayout = sideways\n' >>/etc/maildir-imapd/imapd.ini
line=$(grep -n sideways /etc/maildir-imapd/imapd.ini | cut -d: -f1)
repack 3 'echo "# theirs" >>etc/maildir-imapd/imapd.ini'
echo 'no section' >>/etc/maildir-imapd/sales.ini
pid=$(prop MainPID) sales=$(prop MainPID maildir-imapd@sales.service)
ok 'upgrade with a mistake in the settings' apt -o Dpkg::Options::=--force-confold install ./deb-3.deb
screen
is 'is installed all the same' "$(dpkg-query -W -f '${db:Status-Status} ${Version}' maildir-imapd)" 'installed 9993'
is 'the old daemon runs' "$(prop MainPID)" "$pid"
has 'the mistake is told' "$(cat said)" "/etc/maildir-imapd/imapd.ini:$line: .*sideways"
has 'and that it runs' "$(cat said)" 'The old version goes on running'
is 'so does the other one' "$(prop MainPID maildir-imapd@sales.service)" "$sales"
has 'with its own mistake' "$(cat said)" '/etc/maildir-imapd/sales.ini:.*no section'
has 'clients are served' "$(lists 2>&1)" INBOX
cp good.ini /etc/maildir-imapd/imapd.ini
ok 'when it is mended' systemctl restart maildir-imapd.service
no 'the new one runs' [ "$(prop MainPID)" = "$pid" ]

chmod 600 /etc/maildir-imapd/users.passwd
repack 4 'echo "# theirs" >>etc/maildir-imapd/imapd.ini'
pid=$(prop MainPID)
ok 'upgrade with passwords that only root can read' apt install ./deb-4.deb
is 'the old daemon runs on' "$(prop MainPID)" "$pid"
has 'it was looked at as the daemon would' "$(cat said)" 'users.passwd.*permission denied'
is 'the mode is the administrator'"'"'s' "$(owned /etc/maildir-imapd/users.passwd)" 'root:maildir-imapd 600'
chmod 640 /etc/maildir-imapd/users.passwd
systemctl stop maildir-imapd.service
echo 'no section' >>/etc/maildir-imapd/imapd.ini
ok 'the same where it does not run' dpkg-reconfigure maildir-imapd
has 'is told as well' "$(dpkg-reconfigure maildir-imapd 2>&1)" 'so it will not start'
is 'and stays so' "$(state)" inactive
cp good.ini /etc/maildir-imapd/imapd.ini
has 'a client starts it' "$(lists 2>&1)" INBOX

mail=$(cd /srv/mail && find . -type f -exec sha256sum {} + | sort)
uids=$(head -n 1 /srv/mail/ann/dovecot-uidlist)
ok 'remove' apt remove maildir-imapd
screen
is 'the daemon is stopped' "$(find /proc/[0-9]*/exe -lname '/usr/sbin/maildir-imapd*' 2>/dev/null)" ''
no 'port 143 is closed' taken 143
no 'port 2143 is closed' taken 2143
no 'port 993 is closed' taken 993
is 'no unit has failed' "$(systemctl --failed --no-legend)" ''
ok 'settings stay' cmp good.ini /etc/maildir-imapd/imapd.ini
is 'so does the state' "$(owned /var/lib/maildir-imapd)" 'vmail:vmail 750'
is 'and mail' "$(cd /srv/mail && find . -type f -exec sha256sum {} + | sort)" "$mail"
ok 'install again' apt install ./deb-4.deb
has 'ann is served as before' "$(lists 2>&1)" INBOX
is 'with the same UIDs' "$(head -n 1 /srv/mail/ann/dovecot-uidlist)" "$uids"

mail=$(cd /srv/mail && find . -type f -exec sha256sum {} + | sort)
chmod 711 /srv/mail
mv /etc/maildir-imapd/sales.ini /etc/maildir-imapd/ours.pem
rm -r /etc/systemd/system/maildir-imapd-imap@sales.socket.d
ok 'purge' apt purge maildir-imapd
screen
is 'no mail is touched' "$(cd /srv/mail && find . -type f -exec sha256sum {} + | sort)" "$mail"
has 'and that is told' "$(cat said)" 'all mail stays'
ok 'the account stays' getent passwd vmail
no 'state is gone' ls /var/lib/maildir-imapd
is 'of settings only ours are left' "$(ls -A /etc/maildir-imapd)" ours.pem
has 'and that is told, too' "$(cat said)" "'/etc/maildir-imapd' not empty"
is 'nothing else is left' "$(find /etc /usr /var/lib /run/systemd /lib/systemd -name '*maildir-imap*' -not -path '/etc/maildir-imapd' -not -path '/var/lib/dpkg/*' -not -path '*/deb-systemd-helper-*' 2>/dev/null)" ''
rm -r /etc/maildir-imapd

dpkg-statoverride --add root vmail 2750 /etc/maildir-imapd
listener 143
sleep 0.3
ok 'install where another program has port 143' apt install ./deb-4.deb
screen
has 'it is told who' "$(cat said)" 'port 143 is taken by perl, process'
is 'the other port listens' "$(state maildir-imapd-imaps.socket)" active
is 'an overridden mode is kept' "$(owned /etc/maildir-imapd)" 'root:vmail 2750'
is 'and the place for mail as it was' "$(owned /srv/mail)" 'vmail:vmail 711'
no 'without a word of other programs' grep -i 'systemctl:\|journalctl' said
maildir-imapctl passwd ann <<<secret >/dev/null
has 'clients of the other port are served' "$(lists 2>&1)" INBOX
kill %%
ok 'when that is gone' soon systemctl restart maildir-imapd-imap.socket
ok 'it listens' greeted 143

# Mail where nobody expects it.
state=/var/lib/maildir-imapd
mkdir -p $state/bob/cur $state/anonymous/cur /srv/disk/cur /srv/disk/trees
touch $state/bob/cur/1.mail $state/anonymous/cur/2.mail /srv/disk/cur/3.mail /srv/disk/login-seed
ln -s /srv/disk $state/disk
rm -rf $state/alerts && ln -s /srv/disk/cur $state/alerts
apt purge maildir-imapd >/dev/null
is 'mail in the place of the state stays' "$(cd $state && find . -name '*.mail' | sort | paste -sd' ')" './anonymous/cur/2.mail ./bob/cur/1.mail'
is 'and so does what a link there leads to' "$(cd /srv/disk && find . -type f | sort | paste -sd' ')" './cur/3.mail ./login-seed'
is 'of the state nothing is left' "$(ls -A $state | paste -sd' ')" 'alerts anonymous bob disk'
has 'which is told' "$(cat said)" "$state stays"
rm -r $state
dpkg-statoverride --remove /etc/maildir-imapd

printf '[Socket]\nListenStream=993\nAccept=yes\n' >/etc/systemd/system/other.socket
printf '[Service]\nExecStart=/bin/cat\nStandardInput=socket\n' >/etc/systemd/system/other@.service
systemctl daemon-reload
systemctl start other.socket
ok 'install where systemd itself has port 993' apt install ./deb-4.deb
has 'it is told for whom' "$(cat said)" 'port 993 is taken by systemd for other.socket'
systemctl stop other.socket
apt purge maildir-imapd >/dev/null

mkdir -p other/DEBIAN
printf 'Package: other-imapd\nVersion: 1\nArchitecture: all\nMaintainer: somebody <a@example.org>\nDescription: another IMAP server\nProvides: imap-server\n' >other/DEBIAN/control
dpkg-deb -b other other.deb >/dev/null
dpkg -i other.deb >/dev/null
has 'another IMAP server excludes it' "$(dpkg -i ./deb-4.deb 2>&1)" 'other-imapd'
no 'and it is not installed' test -e /usr/sbin/maildir-imapd
apt -s install ./deb-4.deb >/dev/null
has 'apt would remove the other one' "$(cat said)" '^Remv other-imapd'
dpkg -P other-imapd >/dev/null
ok 'without it' apt install ./deb-4.deb
ok 'all is well' greeted 143
is 'at the end no unit has failed' "$(systemctl --failed --no-legend)" ''

apt purge maildir-imapd >/dev/null
rm -rf /etc/maildir-imapd
life() { # in a root that nobody has booted
	mount -t tmpfs tmpfs /run && mkdir /run/lock || return
	for act in '-i ./deb-4.deb' '-i ./deb-4.deb' '-r maildir-imapd' '-i ./deb-4.deb' '-P maildir-imapd'; do
		dpkg $act || return
	done
}
export -f life
ok 'installed, upgraded, removed and purged where no systemd runs' unshare --mount bash -c life
is 'mail stays there as well' "$(cd /srv/mail && find . -name 1.hello\* | wc -l)" 1
