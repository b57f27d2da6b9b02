#!/bin/bash
# build.sh DIRECTORY [VERSION]: builds the package for RPM distributions from this clone as it lies there, into
# DIRECTORY, looks into it, and prints its name. It takes Go from $PATH with its own caches, and no root. The time in
# all of it is that of the last commit.
set -eu
here=$(realpath "$(dirname "$0")") src=$(realpath "$(dirname "$0")/../..")
out=$(mkdir -p "$1" && realpath "$1")
command -v rpmbuild >/dev/null || { echo "missing: rpmbuild (Debian: sudo apt-get install --no-install-recommends rpm)" >&2; exit 1; }
version=${2:-$("$src/contrib/package/version.sh")}
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$("$src/contrib/package/date.sh")}
export SOURCE_DATE_EPOCH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/src" "$work/tree"
tar -C "$src" -cf - --exclude=./.git --exclude=./bin --exclude=./demo . | tar -C "$work/src" -xf -
words=(PREFIX=/usr VERSION="$version" GOLDFLAGS='-s -w')
make -s --no-print-directory -C "$work/src" build "${words[@]}"
make -s --no-print-directory -C "$work/src" install DESTDIR="$work/tree" "${words[@]}"
rm "$work"/tree/usr/share/doc/maildir-imapd/CHANGELOG.md
cp "$src/CHANGELOG.md" "$work/tree/usr/share/doc/maildir-imapd/"
"$src/contrib/package/licenses.sh" >"$work/src/third-party.txt"
find "$work/tree" -exec touch -hd "@$SOURCE_DATE_EPOCH" {} +
rpmbuild -bb --quiet --define "_topdir $work/rpm" --define "_rpmdir $work/out" --define "version $version" \
	--define "tree $work/tree" --define "src $work/src" --define "_prefix /usr" --define "_libexecdir /usr/libexec" \
	"$here/maildir-imapd.spec" >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
rpm=$(find "$work/out" -name '*.rpm')
"$here/check.sh" "$rpm"
cp "$rpm" "$out/"
echo "$out/${rpm##*/}"
