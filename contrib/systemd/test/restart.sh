#!/bin/bash
# restart.sh: fifty mail clients at work notice a restart by BYE between two commands, and are back within two seconds.
. /rig/lib.sh
lay
people 10
ok 'the sockets start' systemctl start maildir-imapd-imap.socket maildir-imapd-imaps.socket
at_work 10 5 9
for i in 1 2; do
	sleep 3
	ok "restart $i" systemctl restart maildir-imapd
done
came_back 2

# A user each, and so a password to check each.
people 50
ok 'they can log in' logged 'password file: 51 users'
at_work 50 1 6
sleep 3
ok 'restart 3' systemctl restart maildir-imapd
came_back 1
