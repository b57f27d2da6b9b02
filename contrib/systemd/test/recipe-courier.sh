#!/bin/bash
# recipe-courier.sh: a tree of Courier's is taken over: folders, UIDs, flags and subscriptions stay as they are.
# packages: courier-authlib-userdb courier-imap exim4-daemon-light
. /rig/lib.sh
state() { python3 /rig/mailstate.py ann secret; }
lay
sed -i 's/^authmodulelist=.*/authmodulelist="authuserdb"/' /etc/courier/authdaemonrc
mkdir -p /etc/courier && : >/etc/courier/userdb && chmod 600 /etc/courier/userdb
userdb ann set "uid=$(id -u vmail)" "gid=$(id -g vmail)" home=/srv/mail/ann mail=/srv/mail/ann
userdb ann set "systempw=$(openssl passwd -5 secret)"
ok 'a user of Courier' makeuserdb
runuser -u vmail -- maildirmake /srv/mail/ann
ok 'Courier starts' systemctl restart courier-authdaemon courier-imap
ok 'mail by Courier' python3 /rig/mailseed.py INBOX.Work '\Seen'
before=$(state)
has 'Courier tells the folders' "$before" '^Work 1 '

systemctl stop courier-imap courier-authdaemon
printf 'prefix = INBOX.\nseparator = .\n' >>/etc/maildir-imapd/imapd.ini
ok 'adopt tells what the tree brings' maildir-imapctl adopt -dry-run /srv/mail/ann
ok 'the sockets start' systemctl start maildir-imapd-imap.socket maildir-imapd-imaps.socket
is 'the clients find everything as it was' "$(state)" "$before"
