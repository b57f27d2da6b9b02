#!/bin/bash
# sockets.sh: systemd's sockets: their names, not their order, say what speaks on them; one of them may be missing, and so
# may IPv6; a daemon's own ports, and daemons beside the first.
. /rig/lib.sh
lay
ini=/etc/maildir-imapd/imapd.ini
tls() { timeout 10 openssl s_client -quiet -connect "127.0.0.1:$1" 2>/dev/null < <(printf 'a LOGOUT\r\n') | grep '^\* OK'; }
refused() { same "$(bash -c "exec 3<>/dev/tcp/127.0.0.1/$1" 2>&1 | grep -o 'Connection refused' | head -n 1)" 'Connection refused'; }

for names in imap:imaps imaps:imap; do
	plain=20143 secret=20993
	[ $names = imap:imaps ] || plain=20993 secret=20143
	runuser -u vmail -G maildir-imapd -- systemd-socket-activate -l 127.0.0.1:20143 -l 127.0.0.1:20993 --fdname=$names \
		env -u NOTIFY_SOCKET maildir-imapd -config $ini >/tmp/activate 2>&1 &
	pid=$!
	ok "$names: clear text on the one" soon greeted $plain
	ok "$names: TLS on the other" tls $secret
	kill $pid
	wait $pid
done

systemctl start maildir-imapd.service 2>/dev/null
ok 'without sockets it says how to start them' logged 'the unit lets the daemon open no ports: start systemd.s sockets'
ok 'the sockets start' systemctl enable --now maildir-imapd-imap.socket maildir-imapd-imaps.socket
ok 'and the first client is served' greeted
ok 'on the other port, too' tls 993
ok 'IPv6' greeted 143 ::1

ok 'one socket is disabled' systemctl disable --now maildir-imapd-imap.socket
is 'the daemon, which had it, stops' "$(state)" inactive
ok 'the other serves' tls 993
ok 'the port is closed' refused 143
ok 'a restart' systemctl restart maildir-imapd
ok 'does not open it' refused 143

systemctl stop maildir-imapd-imaps.socket maildir-imapd.service 2>/dev/null
systemd-socket-activate -l 143 cat 2>/dev/null & other=$! # another server has the port
soon bash -c 'ss -ltn | grep -q ":143 "'
systemctl start maildir-imapd-imaps.socket
no 'a port that is taken' systemctl start maildir-imapd-imap.socket
# A short-lived process of systemd's says it, and the journal does not always know of which unit that was.
ok 'the journal says so' soon bash -c 'journalctl -q -b -o cat | grep "^maildir-imapd-imap.socket: .*:143.*: Address already in use"'
ok 'the other port serves' tls 993
kill $other
wait $other 2>/dev/null
ok 'the port is free again' systemctl restart maildir-imapd-imap.socket # start would not do: the service runs already
ok 'and served' greeted

for f in all default lo; do echo 1 >/proc/sys/net/ipv6/conf/$f/disable_ipv6; done
ok 'without IPv6 the sockets start' systemctl restart maildir-imapd-imap.socket maildir-imapd-imaps.socket
no 'there is no IPv6' greeted 143 ::1
ok 'IPv4 is served' greeted
ok 'under TLS, too' tls 993
for f in all default lo; do echo 0 >/proc/sys/net/ipv6/conf/$f/disable_ipv6; done

printf '[listener "local"]\nlisten = 127.0.0.1:1143\n[metrics]\nlisten = 127.0.0.1:9143\n' >>$ini
ok 'restart' systemctl restart maildir-imapd
ok 'the unit lets it open no port' logged 'listener .*local.*the unit lets the daemon open no ports'
ok 'for metrics neither' logged 'metrics. listen: .*the unit lets the daemon open no ports'
ok 'which ends nothing' greeted
dropin ports '[Service]' PrivateNetwork=no 'RestrictAddressFamilies=AF_INET AF_INET6' IPAddressDeny=
systemctl restart maildir-imapd
ok 'with the drop-in of the manual it does' greeted 1143
has 'and shows metrics' "$(exec 3<>/dev/tcp/127.0.0.1/9143 && printf 'GET /metrics HTTP/1.0\r\n\r\n' >&3 && timeout 5 cat <&3)" '^imapd_connections '

# A second daemon.
cat >/etc/maildir-imapd/two.ini <<'INI'
[server]
hostname = two.example.org
state = /var/lib/maildir-imapd/two
[auth]
file = two.passwd
cleartext = yes
[mail]
path = /srv/mail/two/%u
INI
unit=maildir-imapd@two.service
ok 'a password for the second' maildir-imapctl -config /etc/maildir-imapd/two.ini passwd bob <<<geheim
no 'a socket without an address does not start' systemctl start maildir-imapd-imap@two.socket
ok 'and says so' logged 'lacks Listen setting\|has no Listen setting\|Refusing' maildir-imapd-imap@two.socket
mkdir -p /etc/systemd/system/maildir-imapd-imap@two.socket.d
printf '[Socket]\nListenStream=127.0.0.1:2143\n' >/etc/systemd/system/maildir-imapd-imap@two.socket.d/port.conf
systemctl daemon-reload
ok 'with one it does' systemctl enable --now maildir-imapd-imap@two.socket
answer=$(imap 'a LOGIN bob geheim\r\nb CREATE Sent\r\nc LOGOUT\r\n' 2143)
has 'the second has its own name' "$answer" '^\* OK .*two.example.org'
has 'and users' "$answer" '^a OK '
has 'and mail' "$answer" '^b OK '
has 'not those of the first' "$(imap 'a LOGIN ann secret\r\nb LOGOUT\r\n' 2143)" '^a NO '
is 'one state is not the other' "$(find /var/lib/maildir-imapd -name login-seed | wc -l)" 2
is 'the daemon of one socket is active' "$(state)" active
ok 'reload' systemctl reload $unit
ok 'reloaded' logged SIGHUP
ok 'the first stops' systemctl stop maildir-imapd-imap.socket maildir-imapd-imaps.socket
ok 'the second does not' greeted 2143
