#!/bin/bash
# tls.sh: certificates from files, which are taken over when they are renewed, and from systemd's credentials, which are
# taken over at a restart.
. /rig/lib.sh
lay
ini=/etc/maildir-imapd/imapd.ini
# renew SERIAL: a new pair, put in place the way certbot does, by swapping links
renew() {
	local dir=/etc/letsencrypt/archive live=/etc/letsencrypt/live/mail.example.org
	mkdir -p "$dir" "$live"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -set_serial "$1" -subj /CN=mail.example.org \
		-addext subjectAltName=DNS:mail.example.org -keyout "$dir/privkey$1.pem" -out "$dir/fullchain$1.pem" 2>/dev/null || return
	ln -sfn "$dir/fullchain$1.pem" "$live/fullchain.pem" && ln -sfn "$dir/privkey$1.pem" "$live/privkey.pem"
}
serial() { timeout 10 openssl s_client -connect 127.0.0.1:993 </dev/null 2>/dev/null | openssl x509 -noout -serial; }
serves() { same "$(serial)" "serial=0$1"; }
ok 'a certificate' renew 1
chmod 700 /etc/letsencrypt/{archive,live}
systemctl start maildir-imapd-imap.socket maildir-imapd-imaps.socket

printf '[tls]\ncertificate = credential:tls.pem\nkey = credential:tls.key\n' >>$ini
has 'what only the service has is not looked at outside' "$(maildir-imapd -check)" 'key = credential:tls.key was not looked at'
systemctl start maildir-imapd.service 2>/dev/null
ok 'without a credential the start says what is missing' logged 'certificate: credential:tls.pem: systemd has handed over none; say LoadCredential=tls.pem:/FILE'
live=/etc/letsencrypt/live/mail.example.org
dropin tls '[Service]' LoadCredential=tls.pem:$live/fullchain.pem
ok 'or which one' logged 'key: credential:tls.key: systemd has handed over others only; say LoadCredential=tls.key:/FILE'
dropin tls '[Service]' LoadCredential=tls.pem:$live/fullchain.pem LoadCredential=tls.key:$live/privkey.pem
ok 'with both it serves' soon serves 1
no 'the key is not for who delivers mail' runuser -u vmail -- cat $live/privkey.pem
no 'nor for others' runuser -u nobody -- cat /run/credentials/maildir-imapd.service/tls.key
ok 'renewed' renew 2
ok 'a reload does not see it' systemctl reload maildir-imapd
sleep 1
ok 'the old one is served still' serves 1
ok 'a restart' systemctl restart maildir-imapd
ok 'takes it over' serves 2

sed -i '/^.tls/,$d' $ini
printf '[tls]\ncertificate = %s/fullchain.pem\nkey = %s/privkey.pem\n' $live $live >>$ini
ok 'a file that it cannot read leaves the old certificate' status 'certificate: open .*permission denied; let the daemon'
ok 'which is served' serves 2
chgrp -R maildir-imapd /etc/letsencrypt && chmod -R g+rX /etc/letsencrypt
chgrp maildir-imapd /etc/letsencrypt/{archive,live} && chmod 750 /etc/letsencrypt/{archive,live}
systemctl reload maildir-imapd
ok 'readable by its group, it is taken' status '^[0-9]* connections'
exec 4<>/dev/tcp/127.0.0.1/143
read -r _ <&4
pid=$(prop MainPID)
ok 'renewed in place' renew 3
chgrp maildir-imapd /etc/letsencrypt/archive/* && chmod 640 /etc/letsencrypt/archive/*
ok 'a renewed file is served without a restart' soon serves 3
is 'by the same process' "$(prop MainPID)" "$pid"
printf 'a NOOP\r\n' >&4
has 'connections go on' "$(timeout 5 head -n 1 <&4)" '^a OK'
exec 4>&-

mkdir -p /var/lib/dehydrated && cp $live/*.pem /var/lib/dehydrated && chmod 644 /var/lib/dehydrated/*
sed -i 's|/etc/letsencrypt/live/mail.example.org|/var/lib/dehydrated|' $ini
ok 'below /var/lib it is hidden' status 'no such file or directory; if it is there, the unit hides it'
dropin tls '[Service]' BindReadOnlyPaths=/var/lib/dehydrated
ok 'restart' systemctl restart maildir-imapd
ok 'unless the unit shows it' serves 3
