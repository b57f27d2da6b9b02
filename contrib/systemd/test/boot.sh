#!/bin/bash
# boot.sh [ROOT] SCRIPT [OPTION-OF-SYSTEMD-NSPAWN...]: boots systemd from the tree ROOT (root.sh's bookworm if there is none;
# / is this machine's own files) in a container that changes nothing outside, runs SCRIPT in it as a unit, shows what
# that writes, and exits with its status. The folder of this file is /rig in there.
#   LIMIT=300   seconds after which it is ended
#   KERNEL=     more words for systemd's command line
# Needs root and systemd-nspawn (Debian: systemd-container).
set -eu
here=$(realpath "$(dirname "$0")")
if [ "${1-}" != inside ]; then
	if [ -d "${1-}" ]; then root=$(realpath "$1"); shift; else root=$("$here/root.sh" bookworm); fi
	script=$(realpath "${1:?which script?}")
	shift
	command -v systemd-nspawn >/dev/null || {
		echo "systemd-nspawn is missing: apt-get install --no-install-recommends systemd-container" >&2
		exit 1
	}
	unshare --mount --propagation private timeout --kill-after=10 "${LIMIT:-300}" "$0" inside $$ "$root" "$script" "$@" &
	inside=$!
	trap 'kill "$inside" 2>/dev/null' INT TERM
	rc=0
	wait "$inside" || rc=$?
	trap '' INT TERM
	wait "$inside" 2>/dev/null || true # where a signal has ended the first wait
	for tree in /sys/fs/cgroup /sys/fs/cgroup/unified; do # the group made below, empty by now or in a moment
		for _ in 1 2 3 4 5; do
			[ -d "$tree/maildir-imapd.$$" ] || break
			find "$tree/maildir-imapd.$$" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.2
		done
	done
	[ "$rc" != 124 ] || echo "boot.sh: ended after ${LIMIT:-300} seconds" >&2
	exit "$rc"
fi

# In a mount namespace of our own: systemd wants the unified control groups and a fresh /run, and nspawn makes
# its groups below the one that it is started in.
group=maildir-imapd.$2 root=$3 script=$4
shift 4
umount -R /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir "/sys/fs/cgroup/$group"
echo $$ >"/sys/fs/cgroup/$group/cgroup.procs"
mount -t tmpfs tmpfs /run
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
	ExecStart=/bin/bash /rig-script
	StandardOutput=append:/out/log
	StandardError=inherit
UNIT
# --system-call-filter=bpf: or else IPAddressDeny= does nothing, silently.
# shellcheck disable=SC2086
systemd-nspawn --quiet --directory="$root" --volatile=overlay --private-network --settings=no --register=no --keep-unit \
	--resolv-conf=off --system-call-filter=bpf --bind=/run/out:/out --bind-ro="$here":/rig --bind-ro="$script":/rig-script \
	--bind-ro=/run/checks.service:/etc/systemd/system/checks.service "$@" \
	--boot systemd.unit=checks.service systemd.show_status=0 ${KERNEL-} </dev/null >/run/console 2>&1 &
nspawn=$!
tail -n +1 -f -s 0.1 --pid=$nspawn /run/out/log &
tail=$!
rc=0
wait $nspawn || rc=$?
wait $tail || true
[ "$rc" = 0 ] || cat /run/console
exit "$rc"
