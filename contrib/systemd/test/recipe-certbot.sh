#!/bin/bash
# recipe-certbot.sh: a renewed certificate, handed over by the deploy hook, is served at once by the running daemon.
. /rig/lib.sh
lay
hook=/usr/share/doc/maildir-imapd/tls/certbot-deploy
export RENEWED_LINEAGE=/etc/letsencrypt/live/mail.example.org
# renew SERIAL: what certbot does.
renew() {
	mkdir -p $RENEWED_LINEAGE && chmod 700 /etc/letsencrypt/live
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 90 -set_serial "$1" -subj /CN=mail.example.org \
		-addext subjectAltName=DNS:mail.example.org -keyout $RENEWED_LINEAGE/privkey.pem -out $RENEWED_LINEAGE/fullchain.pem 2>/dev/null
}
served() { [ "$(openssl s_client -connect 127.0.0.1:993 </dev/null 2>/dev/null | openssl x509 -noout -serial)" = "serial=$1" ]; }
renew 17
ok 'the hook' $hook
is 'who may read the key' "$(stat -c '%U:%G %a' /etc/maildir-imapd/tls/mail.example.org.pem)" 'root:maildir-imapd 640'
printf '[tls]\ncertificate = /etc/maildir-imapd/tls/mail.example.org.pem\n' >>/etc/maildir-imapd/imapd.ini
ok 'the configuration is right' maildir-imapd -check
ok 'the sockets start' systemctl start maildir-imapd-imap.socket maildir-imapd-imaps.socket
ok 'the certificate is served' soon served 11
pid=$(prop MainPID)
exec 5<>/dev/tcp/127.0.0.1/143
printf 'a LOGIN ann secret\r\n' >&5
renew 34
ok 'the hook after a renewal' $hook
ok 'the new one is served' soon served 22
is 'by the same process' "$(prop MainPID)" "$pid"
printf 'b NOOP\r\nc LOGOUT\r\n' >&5
has 'a client of before goes on' "$(timeout 10 cat <&5)" '^b OK'
ok 'other certificates are not ours' env DOMAINS=mail.example.org RENEWED_LINEAGE=/etc/letsencrypt/live/www.example.org $hook
no 'and are not copied' [ -e /etc/maildir-imapd/tls/www.example.org.pem ]
