#!/bin/sh
# Unpacks Debian's courier-imap into a directory of its own, for tests: it conflicts with dovecot-imapd (both are
# imap-server), so it must not be installed beside it. Prints the directory and, if all is there, does nothing else.
#
#   contrib/interop/courier.sh [DIR]      (default: $MAILDIR_IMAPD_COURIER, or courier in the system's or user's cache)
set -eu
if [ "$(id -u)" = 0 ]; then
	cache=/var/cache # which the account that runs Courier can read
else
	cache=${XDG_CACHE_HOME:-$HOME/.cache}
fi
dir=${1:-${MAILDIR_IMAPD_COURIER:-$cache/maildir-imapd/courier}}
packages='courier-imap courier-base courier-authlib libcourier-unicode4 libgamin0 libidn12 libgdbm6'

if [ -x "$dir/usr/bin/imapd" ] && [ -e "$dir/complete" ]; then
	echo "$dir"
	exit 0
fi
mkdir -p "$dir"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
# As root, apt fetches as the account _apt, to which this directory must be open.
if [ "$(id -u)" = 0 ] && id _apt >/dev/null 2>&1; then chown _apt "$work"; fi
try=1
# shellcheck disable=SC2086 # the list is words
until apt-get -q -o Acquire::Retries=3 download $packages >&2; do
	[ $try -lt 3 ] || exit 1
	try=$((try + 1))
	sleep 2
	[ "$(id -u)" != 0 ] || apt-get -q update >&2 || sleep 5
done
for deb in ./*.deb; do dpkg-deb -x "$deb" "$dir"; done
LD_LIBRARY_PATH="$dir/usr/lib:$dir/usr/lib/$(uname -m)-linux-gnu" ldd "$dir/usr/bin/imapd" | grep 'not found' >&2 && exit 1
chmod -R go+rX "$dir"
touch "$dir/complete"
echo "$dir"
