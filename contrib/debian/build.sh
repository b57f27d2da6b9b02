#!/bin/bash
# build.sh DIRECTORY [VERSION]: builds the Debian package from this clone as it lies there, into DIRECTORY, and prints its
# name. It takes Go from $PATH with its own caches, and no root. The time in all of it is that of the last commit, so
# that the same commit and the same Go give the same bytes.
#   DEB_HOST_ARCH=arm64   for another machine
set -eu
here=$(realpath "$(dirname "$0")") src=$(realpath "$(dirname "$0")/../..")
out=$(mkdir -p "$1" && realpath "$1")
missing=
for p in debhelper dpkg-dev make; do
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || missing+=" $p"
done
[ -z "$missing" ] || { echo "missing: sudo apt-get install --no-install-recommends$missing" >&2; exit 1; }
command -v "${GO:-go}" >/dev/null || { echo "missing: Go $(sed -n 's/^go //p' "$src/go.mod"), in \$PATH" >&2; exit 1; }

version=${2:-$("$src/contrib/package/version.sh")}
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$("$src/contrib/package/date.sh")}
arch=${DEB_HOST_ARCH:-$(dpkg --print-architecture)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/maildir-imapd"
tar -C "$src" -cf - --exclude=./.git --exclude=./bin --exclude=./demo . | tar -C "$work/maildir-imapd" -xf -
cp -r "$here" "$work/maildir-imapd/debian"
cd "$work/maildir-imapd"
rm debian/build.sh debian/check.sh
cat >debian/changelog <<-CHANGES
	maildir-imapd ($version-1) unstable; urgency=medium

	  * What is new: /usr/share/doc/maildir-imapd/changelog.gz.

	 -- $(sed -n 's/^Maintainer: //p' debian/control)  $(LC_ALL=C date -uRd "@$SOURCE_DATE_EPOCH")
CHANGES
dpkg-buildpackage -b -us -uc -a"$arch" >"$work/log" 2>&1 || { tail -n 60 "$work/log" >&2; exit 1; }
deb=maildir-imapd_$version-1_$arch.deb
cp "$work/$deb" "$out/"
echo "$out/$deb"
