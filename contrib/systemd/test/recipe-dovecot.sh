#!/bin/bash
# recipe-dovecot.sh: a tree of Dovecot's is taken over by changing three lines, used, and given back; a client sees the
# same folders, UIDs, flags, keywords, dates and subscriptions before and after each change.
# packages: dovecot-imapd postfix
. /rig/lib.sh
state() { python3 /rig/mailstate.py ann secret; }
systemctl stop dovecot
lay
if dovecot --version | grep -q '^2\.3'; then
	cat >/etc/dovecot/dovecot.conf <<-'CONF'
		protocols = imap
		listen = 127.0.0.1
		ssl = no
		disable_plaintext_auth = no
		mail_location = maildir:/srv/mail/%u
		first_valid_uid = 1
		passdb {
		  driver = passwd-file
		  args = /etc/dovecot/users
		}
		userdb {
		  driver = static
		  args = uid=vmail gid=vmail home=/srv/mail/%u
		}
		namespace inbox {
		  inbox = yes
		}
	CONF
else
	cat >/etc/dovecot/dovecot.conf <<-'CONF'
		dovecot_config_version = 2.4.0
		dovecot_storage_version = 2.4.0
		protocols = imap
		listen = 127.0.0.1
		ssl = no
		auth_allow_cleartext = yes
		mail_driver = maildir
		mail_path = /srv/mail/%{user}
		first_valid_uid = 1
		passdb passwd-file {
		  passwd_file_path = /etc/dovecot/users
		}
		userdb static {
		  fields {
		    uid = vmail
		    gid = vmail
		    home = /srv/mail/%{user}
		  }
		}
		namespace inbox {
		  inbox = yes
		}
	CONF
fi
echo "ann:$(doveadm pw -s SHA512-CRYPT -p secret)" >/etc/dovecot/users
chown dovecot:maildir-imapd /etc/dovecot/users && chmod 640 /etc/dovecot/users
ok 'Dovecot starts' systemctl start dovecot
ok 'mail by Dovecot' python3 /rig/mailseed.py Work.Plans '\Seen $Label1'
before=$(state)
has 'Dovecot tells the folders' "$before" '^Work/Plans 1 '
has 'and keywords' "$before" '^INBOX 1 $Label1 .Seen'

systemctl stop dovecot
sed -i '/^\[auth\]/,$d' /etc/maildir-imapd/imapd.ini
cat >>/etc/maildir-imapd/imapd.ini <<-'INI'
	[auth]
	cleartext = yes
	file = /etc/dovecot/users
	[mail]
	path = /srv/mail/%u
	separator = .
INI
ok 'the three lines are right' maildir-imapd -check
ok 'the sockets start' systemctl start maildir-imapd-imap.socket maildir-imapd-imaps.socket
is 'the clients find everything as it was' "$(state)" "$before"
ok 'mail by maildir-imapd' python3 - <<-'PY'
	import imaplib
	s = imaplib.IMAP4("127.0.0.1")
	s.login("ann", "secret")
	date = '"02-Feb-2024 10:00:00 +0000"'
	s.create("Later"), s.subscribe("Later")
	assert s.append("Later", "($Label2)", date, b"Subject: third\r\n\r\nhi\r\n")[0] == "OK"
	s.select("INBOX")
	assert s.store("2", "+FLAGS", r"(\Answered $Label2)")[0] == s.store("1", "+FLAGS", r"(\Deleted)")[0] == s.expunge()[0] == "OK"
	s.logout()
PY
between=$(state)
no 'it has changed' [ "$between" = "$before" ]
has 'the keyword of before is kept' "$(cat /srv/mail/ann/dovecot-keywords)" 'Label1'

systemctl stop maildir-imapd-imap.socket maildir-imapd-imaps.socket maildir-imapd.service
ok 'Dovecot again' systemctl start dovecot
is 'which finds everything as we left it' "$(state)" "$between"
ok 'and goes on with UIDs that were not given' python3 - <<-'PY'
	import imaplib
	s = imaplib.IMAP4("127.0.0.1")
	s.login("ann", "secret")
	said = s.append("INBOX", None, None, b"Subject: fourth\r\n\r\nhi\r\n")
	assert b"3]" in said[1][0], said
	s.logout()
PY
