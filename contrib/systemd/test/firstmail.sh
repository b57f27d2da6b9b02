#!/bin/bash
# firstmail.sh: from a machine that has never heard of the package to the first mail read in neomutt, by the very commands
# of README.md, Install, typed at a terminal. It shows the screens, for a person to read, and counts the seconds.
# packages: expect fail2ban neomutt python3-systemd
# (The second and the fourth are fail2ban.sh's: the same list is the same root, which is made once.)
. /rig/lib.sh
packaged
mkdir /tmp/first
cp "$deb" /tmp/first # as it comes from a download
cd /tmp/first
grep -qs localhost /etc/hosts || echo '127.0.0.1 localhost' >>/etc/hosts # as every installer leaves it
export HOME=/root TERM=xterm LC_ALL=C.UTF-8 COLUMNS=110 LINES=30

sed -n '/^<!-- begin: contrib\/systemd\/test\/firstmail.sh -->$/,/^<!-- end -->$/s/^    //p' /src/README.md >steps
is 'README has its steps' "$(wc -l <steps)" 5
cat >type <<'EXPECT'
# type COMMAND: at a terminal, with the answers of a person called robin
set timeout 30
spawn -noecho sh -c [lindex $argv 0]
stty rows 30 columns 110 < $spawn_out(slave,name)
proc lost {} { puts "\n*** nothing that was waited for"; exit 1 }
set read 0
expect {
	"Do you want to continue?" { send "y\r"; exp_continue }
	"New password for robin: " { send "a long way home\r"; exp_continue }
	"Once more: " { send "a long way home\r"; exp_continue }
	"Password of robin: " { send "a long way home\r"; exp_continue }
	-re "Password for robin@localhost: *" { send "a long way home\r"; exp_continue }
	"does not exist. Create it?" { send "n"; exp_continue }
	-re "accept \\(?o\\)?nce" { send "o"; exp_continue }
	-re "Hello, robin\\." {
		if {$read == 1} { set read 2; send "q"; after 500; send "q" }
		exp_continue
	}
	-re "first mail" {
		# neomutt's list of messages, then the message; before that, the word is in the command
		if {$read == 0 && [string match neomutt* [lindex $argv 0]]} {
			set read 1
			send "\r"
		}
		exp_continue
	}
	timeout lost
	eof
}
if {[string match neomutt* [lindex $argv 0]] && $read != 2} lost
exit [lindex [wait] 3]
EXPECT
typed() { expect type "$1" >screen 2>&1 </dev/null; }
# What a terminal would show: without the sequences that move the cursor and colour.
shown() { tr -d '\r' <screen | sed 's/\x1b\[[0-9;?]*[a-zA-Z]/ /g; s/\x1b[()][A-Z0-9]//g; s/\x1b[=>]//g' | fold -s -w 150 | grep -v '^ *$' | sed 's/^/      | /'; }

start=$(date +%s%N)
while read -r command; do
	echo "    # $command"
	ok "${command%% -*}" typed "$command"
	shown
done <steps
took=$((($(date +%s%N) - start) / 1000000))
ok "the first mail is read after $took ms, of 60000 at most" [ "$took" -le 60000 ]

is 'the mail was read through the server' "$(find /srv/mail/robin/cur -name '1.first:2,*S*' | wc -l)" 1
is 'robin is in the password file' "$(grep -c '^robin:' /etc/maildir-imapd/users.passwd)" 2
is 'which the daemon alone may read' "$(stat -c '%U:%G %a' /etc/maildir-imapd/users.passwd)" 'root:maildir-imapd 640'
is 'by its own account' "$(stat -c '%U %a' /srv/mail/robin)" 'vmail 700'
is 'nothing has failed' "$(systemctl --failed --no-legend 'maildir-imapd*')" ''
no 'no password is in the journal' journalctl -q -b --no-pager --grep 'long way home'
no 'nor was it shown' grep -q 'long way home' screen
