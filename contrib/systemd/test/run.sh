#!/bin/bash
# run.sh SUITES TESTS: runs each of the TESTS (names of files here, without .sh; none: all) in a container of each of the
# Debian releases SUITES, and prints the totals. It ends non-zero if a check failed, or a test did not come to its end.
# In the container are /tree, what make install gives, /src, this clone, with bin/*.deb in it if make deb has been here,
# and /rig, this folder.
#   JOBS=2     tests at the same time
set -eu
here=$(realpath "$(dirname "$0")")
src=$(realpath "$here/../../..")
if [ "${1-}" = one ]; then # one SUITE TEST: with $work, below
	suite=$2 test=$3 start=$SECONDS log=$work/$2.$3
	packages=$(sed -n 's/^# packages: //p' "$here/$test.sh")
	status=0
	# shellcheck disable=SC2086
	if root=$("$here/root.sh" "$suite" $packages 2>"$log"); then
		"$here/boot.sh" "$root" "$here/$test.sh" --bind-ro="$work/tree":/tree --bind-ro="$src":/src >>"$log" 2>&1 || status=$?
	else
		status=$?
	fi
	total=$(grep -xE '[0-9]+ checks, [0-9]+ failed' "$log" | tail -n 1)
	[ -n "$total" ] || total='1 checks, 1 failed'
	[ "$status" = 0 ] || case $total in *' 0 failed') total='1 checks, 1 failed' ;; esac
	exec 9>"$work/lock"
	flock 9 # what two tests say does not mix
	echo "=== $suite $test"
	cat "$log"
	echo "--- $suite $test: $total, $((SECONDS - start)) s"
	echo "$total" >>"$work/totals"
	exit
fi

suites=$1 tests=${2-}
# The long ones begin, and the short ones fill up the time that is left.
[ -n "$tests" ] || tests=$(echo package upgrade restart; cd "$here" && ls *.sh | sed 's/\.sh$//' | grep -vxE 'boot|lib|root|run|package|upgrade|restart')
[ "$(id -u)" = 0 ] || { echo "containers take root: sudo make systemd-test" >&2; exit 1; }
for t in $tests; do [ -f "$here/$t.sh" ] || { echo "no test $t in $here" >&2; exit 1; }; done
work=$(mktemp -d /tmp/maildir-imapd-test.XXXXXX)
export work
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
make -s -C "$src" install DESTDIR="$work/tree" PREFIX=/usr
: >"$work/totals"
for s in $suites; do for t in $tests; do echo "$s $t"; done; done >"$work/list"
xargs -r -P "${JOBS:-2}" -L 1 "$0" one <"$work/list" || true # the totals tell
awk -v want="$(wc -l <"$work/list")" -v took="$SECONDS" '{ n += $1; bad += $3 } END {
	printf "systemd-test: %d of %d tests came to their end, %d checks, %d failed, %d s\n", NR, want, n, bad, took
	exit NR != want || n == 0 || bad != 0 }' "$work/totals"
