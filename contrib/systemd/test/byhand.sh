#!/bin/bash
# byhand.sh: README.md, Install, without the package: its very commands, and the small imapd.ini that it shows.
. /rig/lib.sh
sed -n '/^<!-- begin: contrib\/systemd\/test\/byhand.sh -->$/,/^<!-- end -->$/s/^    //p' /src/README.md >/tmp/steps
# As it says: without the certificate's lines the daemon signs one itself.
sed -n '/^```ini$/,/^```$/{/^```/d;/^\[tls\]/,/^$/d;p}' /src/README.md >/tmp/imapd.ini
has 'README has a small imapd.ini' "$(cat /tmp/imapd.ini)" '^path = /srv/mail/%u'
editor() { cp /tmp/imapd.ini "$1"; }
typed() { eval "$1" <<<'a long way home'; } # the password, where one is asked for

is 'README begins with make' "$(head -n 2 /tmp/steps | xargs)" 'make make install PREFIX=/usr'
ok 'which has been here' cp -r --preserve=mode,timestamps /tree/. /
sed 1,2d /tmp/steps >/tmp/more
while read -r command; do
	echo "    # $command"
	ok "${command%% #*}" typed "$command"
done </tmp/more

is 'the passwords are for one group' "$(stat -c '%U:%G %a' /etc/maildir-imapd/users.passwd)" 'root:maildir-imapd 640'
no 'and not for who delivers mail as vmail' runuser -u vmail -- cat /etc/maildir-imapd/users.passwd
is 'the mail is there' "$(stat -c '%U %a' /srv/mail/robin)" 'vmail 700'
has 'and served by the name of the ini' "$(greeted)" 'mail.example.org'
is 'runs as vmail' "$(stat -c %U "/proc/$(prop MainPID)")" vmail
