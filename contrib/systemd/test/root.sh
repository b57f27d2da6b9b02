#!/bin/bash
# root.sh SUITE [PACKAGE...]: prints the path of a minimal Debian root of that release that boots systemd, with PACKAGEs
# in it. It is made when there is none, in some 25 seconds, and kept below ${XDG_CACHE_HOME:-/var/cache}/maildir-imapd;
# another list of packages is another root. Those that nobody has asked for in two weeks are removed.
# Needs root and mmdebstrap.
set -eu
suite=$1
shift
# What every root has: systemd as PID 1, "ip", "openssl" and Python. What a test needs besides, its line "# packages:" names.
# procps is missing on purpose: a host may have no /bin/kill.
include=$(printf '%s\n' systemd systemd-sysv dbus iproute2 openssl python3 "$@" | sort -u | paste -sd,)
cache=${XDG_CACHE_HOME:-/var/cache}/maildir-imapd
root=$cache/root-$suite-$(printf '1 %s' "$include" | sha256sum | cut -c1-12)
mkdir -p "$cache"
if [ -d "$root" ]; then
	touch "$root"
	echo "$root"
	exit
fi
exec 9>"$cache/root.lock"
flock 9 # another run may be making it
find "$cache" -mindepth 1 -maxdepth 1 -name 'root-*' -mtime +14 -exec rm -rf --one-file-system {} +
if [ -d "$root" ]; then
	echo "$root"
	exit
fi
command -v mmdebstrap >/dev/null || {
	echo "mmdebstrap is missing: apt-get install --no-install-recommends mmdebstrap systemd-container" >&2
	exit 1
}
# The mirror that this machine's own apt uses, if it has one.
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null | grep -m1 '/debian/*$') || mirror=http://deb.debian.org/debian
echo "making $root: $include" >&2
rm -rf --one-file-system "$cache/making"
# An image of three hundred megabytes is enough: neither manuals nor translations.
mmdebstrap --quiet --variant=minbase --include="$include" --aptopt='Acquire::Languages "none"' \
	--dpkgopt='path-exclude=/usr/share/locale/*' "$suite" "$cache/making" "$mirror" 9>&- >&2 || {
	status=$?
	rm -rf --one-file-system "$cache/making"
	exit "$status"
}
: >"$cache/making/etc/machine-id" # each boot gets its own
mv "$cache/making" "$root"
touch "$root"
echo "$root"
