# lib.sh: what the tests in boot.sh's container share: ". /rig/lib.sh". Each check is one line, ok or FAIL with what was
# said; at the end, however it comes, stands "N checks, M failed", and the exit status is 0 if none has.
# A test that needs Debian packages in its root names them in a line "# packages: ..." of its own.
checks=0 failed=0
finish() {
	local status=$?
	trap - EXIT
	[ "$failed" = 0 ] && [ "$status" = 0 ] || journalctl -q -b --no-pager -o short-monotonic -u 'maildir-imapd*' | tail -n 80
	[ "$status" = 0 ] || { checks=$((checks + 1)) failed=$((failed + 1)); echo "FAIL  the test itself ended with status $status"; }
	[ "$checks" != 0 ] || failed=1
	echo "$checks checks, $failed failed"
	exit $((failed != 0))
}
trap finish EXIT

# ok WHAT COMMAND...: the command must succeed.
ok() {
	local what=$1 said began=$SECONDS took=
	shift
	checks=$((checks + 1))
	said=$("$@" 2>&1)
	set -- $? "$@"
	[ $((SECONDS - began)) -lt 3 ] || took=" ($((SECONDS - began)) s)"
	if [ "$1" = 0 ]; then echo "ok    $what$took"; else shift; failed=$((failed + 1)); echo "FAIL  $what: $(head -c 1500 <<<"${said:-$*}")"; fi
}
# no WHAT COMMAND...: the command must fail.
no() {
	local what=$1
	shift
	ok "$what" fails "$@"
}
fails() {
	local said
	said=$("$@" 2>&1) || return 0
	echo "succeeded: $said"
	return 1
}
# is WHAT GOT WANT
is() { ok "$1" same "$2" "$3"; }
same() { [ "$1" = "$2" ] || { echo "\"$1\", not \"$2\""; return 1; }; }
# has WHAT TEXT PATTERN: some line of the text matches.
has() { ok "$1" matches "$2" "$3"; }
matches() { grep -q -- "$2" <<<"$1" || { echo "no \"$2\" in: $(head -c 1500 <<<"$1")"; return 1; }; }
# soon COMMAND...: it succeeds within 15 seconds.
soon() {
	local said
	for _ in $(seq 150); do said=$("$@" 2>&1) && return; sleep 0.1; done
	echo "not within 15 seconds: $*: $said"
	return 1
}

unit=maildir-imapd.service
# prop NAME [UNIT]
prop() { systemctl show -P "$1" "${2:-$unit}"; }
# journal [UNIT]: its messages since boot
journal() { journalctl -q -b -o cat -u "${1:-$unit}"; }
# logged PATTERN [UNIT]: it is in the journal, or will be in a moment.
logged() {
	for _ in $(seq 100); do journal "${2-}" | grep -q -- "$1" && return; sleep 0.1; done
	echo "no \"$1\" in the journal"
	return 1
}
# status PATTERN: systemctl status says so, or will in a moment.
status() {
	for _ in $(seq 100); do prop StatusText | grep -q -- "$1" && return; sleep 0.1; done
	prop StatusText
	return 1
}
# state [UNIT]: active, inactive, failed
state() { prop ActiveState "${1:-$unit}"; }
# imap COMMANDS [PORT]: what the server answers to them (printf's escapes) on a cleartext port.
imap() {
	exec 3<>"/dev/tcp/127.0.0.1/${2:-143}" || return
	printf "$1" >&3
	timeout 10 cat <&3 | tr -d '\r'
	exec 3>&-
}
# greeted [PORT [ADDRESS]]
greeted() { timeout 10 bash -c 'exec 3<>"/dev/tcp/$2/$1" && head -n 1 <&3 | grep "^\* OK"' - "${1:-143}" "${2:-127.0.0.1}"; }

# lay puts in place what make install has put into /tree, makes the accounts as the README has it, and gives a configuration
# for the user ann, whose password is secret.
lay() {
	cp -r --preserve=mode,timestamps /tree/. /
	getent group maildir-imapd >/dev/null || groupadd --system maildir-imapd
	userdel vmail 2>/dev/null
	useradd --system --user-group --home-dir /srv/mail --create-home --shell /usr/sbin/nologin vmail
	chgrp maildir-imapd /etc/maildir-imapd && chmod 2755 /etc/maildir-imapd
	cat >/etc/maildir-imapd/imapd.ini <<-'INI'
		[server]
		hostname = mail.example.org
		[auth]
		cleartext = yes
		[mail]
		path = /srv/mail/%u
	INI
	maildir-imapctl passwd ann <<<secret || return
	systemctl daemon-reload
}
# packaged sets deb to the Debian package that make deb has made, without which the test ends.
packaged() {
	deb=$(ls -t /src/bin/maildir-imapd_*_"$(dpkg --print-architecture)".deb 2>/dev/null | head -n 1)
	[ -n "$deb" ] || { echo "no package in bin/: make deb"; exit 1; }
}
# repack NAME [COMMAND]: deb-NAME.deb is that package with version 999NAME, after the command has changed its tree.
repack() {
	rm -rf tree
	dpkg-deb -R "$deb" tree || return
	sed -i "s/^Version: .*/Version: 999$1/" tree/DEBIAN/control
	[ $# -lt 2 ] || (cd tree && eval "$2")
	dpkg-deb -Znone -b tree "deb-$1.deb" >/dev/null
}
# dropin NAME LINE... [UNIT=...]: a drop-in for $unit
dropin() {
	local name=$1
	shift
	mkdir -p "/etc/systemd/system/$unit.d"
	printf '%s\n' "$@" >"/etc/systemd/system/$unit.d/$name.conf"
	systemctl daemon-reload
}

# people N: the users user0, user1, ... with the password secret
people() {
	local i
	for i in $(seq 0 $(($1 - 1))); do
		grep -qs "^user$i:" /etc/maildir-imapd/users.passwd || maildir-imapctl passwd "user$i" <<<secret >/dev/null || return
	done
}
# at_work USERS CONNECTIONS SECONDS: lets workers.py begin.
at_work() {
	clients=$(($1 * $2))
	python3 /rig/workers.py "$@" >/tmp/worked 2>/tmp/complaints &
	working=$!
	soon grep -qs ready /tmp/worked
}
# came_back TIMES: waits for their end, and checks that they were sent away so often and nothing was lost.
came_back() {
	local commands=0 comebacks=0 refused cut bad lost slowest=9999
	wait "$working"
	sed -i /^ready/d /tmp/worked && . /tmp/worked
	echo "      $(paste -sd' ' /tmp/worked)"
	ok "$clients clients worked" [ "$commands" -gt $((clients * 10)) ]
	is 'each came back each time' "$comebacks" $((clients * $1))
	is 'none was refused, none cut, no command failed, no message lost' "$refused $cut $bad $lost $(head -c 600 /tmp/complaints)" '0 0 0 0 '
	ok 'each was back at work within two seconds' [ "$slowest" -le 2000 ]
}
