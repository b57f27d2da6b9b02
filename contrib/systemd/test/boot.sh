#!/bin/bash
# boot.sh: boots systemd from this machine's own files, or from the tree in $ROOT, in a container that changes
# nothing outside, and runs checks.sh in it as a unit. Its exit status is that of the checks.
# Needs root and systemd-nspawn (Debian: systemd-container).
set -eu
here=$(realpath "$(dirname "$0")")
if [ "${1-}" != inside ]; then
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	make -s -C "$here/../../.." build
	make -s -C "$here/../../.." install DESTDIR="$work/tree" PREFIX=/usr
	cp "$here/checks.sh" "$work"
	rc=0
	unshare --mount --propagation private timeout --kill-after=5 "${LIMIT:-120}" "$0" inside "$work" $$ || rc=$?
	for tree in /sys/fs/cgroup /sys/fs/cgroup/unified; do # the group made below, empty by now
		[ ! -d "$tree/maildir-imapd.$$" ] || find "$tree/maildir-imapd.$$" -depth -type d -exec rmdir {} + 2>/dev/null || true
	done
	exit "$rc"
fi

# In a mount namespace of our own: systemd wants the unified control groups and a fresh /run, and nspawn makes
# its groups below the one that it is started in.
work=$2
umount -R /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir "/sys/fs/cgroup/maildir-imapd.$3"
echo $$ >"/sys/fs/cgroup/maildir-imapd.$3/cgroup.procs"
mount -t tmpfs tmpfs /run
root=${ROOT:-/}
if [ "$root" = / ]; then # nspawn does not take / itself
	mkdir /run/root
	mount --bind / /run/root
	root=/run/root
fi
mkdir /run/out
: >/run/out/log
cat >/run/checks.service <<-UNIT
	[Unit]
	After=basic.target dbus.socket
	Wants=dbus.socket
	SuccessAction=exit
	FailureAction=exit
	[Service]
	ExecStart=/bin/bash /rig/checks.sh
	StandardOutput=append:/out/log
	StandardError=inherit
UNIT
rc=0
systemd-nspawn --quiet --directory="$root" --volatile=overlay --private-network --settings=no --register=no --keep-unit \
	--resolv-conf=off --system-call-filter=bpf --bind=/run/out:/out --bind-ro="$work":/rig \
	--bind-ro=/run/checks.service:/etc/systemd/system/checks.service \
	--boot systemd.unit=checks.service systemd.show_status=0 </dev/null >/run/console 2>&1 || rc=$?
cat /run/out/log
[ "$rc" = 0 ] || cat /run/console
exit "$rc"
