#!/bin/bash
# root.sh SUITE [PACKAGE...]: prints the path of a minimal Debian root of that release that boots systemd, with PACKAGEs
# in it. It is made when there is none and kept below ${XDG_CACHE_HOME:-/var/cache}/maildir-imapd: the one without packages
# in some 25 seconds, the others in some 6 each, on top of a copy of that. Another list is another root. Those that nobody has asked for in two weeks are removed.
# Needs root and mmdebstrap.
set -eu
suite=$1
shift
# What every root has: systemd as PID 1, "ip", "openssl" and Python. What a test needs besides, its line "# packages:" names.
# procps is missing on purpose: a host may have no /bin/kill.
include=systemd,systemd-sysv,dbus,iproute2,openssl,python3
cache=${XDG_CACHE_HOME:-/var/cache}/maildir-imapd
root=$cache/root-$suite-$(printf '2 %s' "$include" "$(printf '%s\n' "$@" | sort -u | xargs)" | sha256sum | cut -c1-12)
mkdir -p "$cache"
if [ -d "$root" ]; then
	touch "$root"
	echo "$root"
	exit
fi
base=
[ $# = 0 ] || base=$("$0" "$suite") # nothing but what is said comes on top of this one
exec 9>"$cache/root.lock"
flock 9 # another run may be making it
find "$cache" -mindepth 1 -maxdepth 1 -name 'root-*' -mtime +14 -exec rm -rf --one-file-system {} +
if [ -d "$root" ]; then
	echo "$root"
	exit
fi
rm -rf --one-file-system "$cache/making"
failed() { # failed STATUS
	rm -rf --one-file-system "$cache/making"
	exit "$1"
}

# install ROOT PACKAGE...: by this machine's apt, in a view of the file system that ends with it. No service starts.
install() {
	mount -t proc proc "$1/proc"
	mount --bind /dev "$1/dev"
	export DEBIAN_FRONTEND=noninteractive APT_CONFIG=$1/apt.conf
	printf '%s;\n' "APT::Architecture \"$(dpkg --root="$1" --print-architecture)\"" 'APT::Install-Recommends "false"' "Dir \"$1\"" \
		"Dir::State::status \"$1/var/lib/dpkg/status\"" "DPkg::Chroot-Directory \"$1\"" 'Acquire::Languages "none"' 'Acquire::Retries "3"' \
		'APT::Sandbox::User "root"' >"$APT_CONFIG"
	printf '#!/bin/sh\nexit 101\n' >"$1/usr/sbin/policy-rc.d"
	chmod 755 "$1/usr/sbin/policy-rc.d"
	apt-get -qq update
	apt-get -qq -y -o Dpkg::Use-Pty=0 install "${@:2}"
	rm -rf "$1/usr/sbin/policy-rc.d" "$APT_CONFIG" "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*
}
if [ -n "$base" ]; then
	echo "making $root: $*" >&2
	cp -a --reflink=auto "$base" "$cache/making" || failed $?
	export -f install
	unshare --mount --propagation private bash -euc 'install "$@"' - "$cache/making" "$@" >"$cache/making.log" 2>&1 9>&- || {
		status=$?
		cat "$cache/making.log" >&2
		failed "$status"
	}
	rm "$cache/making.log"
else
	command -v mmdebstrap >/dev/null || {
		echo "mmdebstrap is missing: apt-get install --no-install-recommends mmdebstrap systemd-container" >&2
		exit 1
	}
	# The mirror that this machine's own apt uses, if it has one.
	mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null | grep -m1 '/debian/*$') || mirror=http://deb.debian.org/debian
	echo "making $root: $include" >&2
	# An image of three hundred megabytes is enough: neither manuals nor translations.
	mmdebstrap --quiet --variant=minbase --include="$include" --aptopt='Acquire::Languages "none"' \
		--dpkgopt='path-exclude=/usr/share/locale/*' "$suite" "$cache/making" "$mirror" 9>&- >&2 || failed $?
fi
: >"$cache/making/etc/machine-id" # each boot gets its own
mv "$cache/making" "$root"
touch "$root"
echo "$root"
