#!/bin/bash
# check.sh DIRECTORY [VERSION]: looks at the package that build.sh has made there: whether another build gives the same
# bytes, whether what must be in it is, with its owner and mode, and what lintian has to say.
set -eu
here=$(realpath "$(dirname "$0")") out=$(realpath "$1")
version=${2:-$("$here/../package/version.sh")}
deb=$out/maildir-imapd_$version-1_$(dpkg --print-architecture).deb
command -v lintian >/dev/null || { echo "missing: sudo apt-get install --no-install-recommends lintian" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

(umask 077 && TZ=Asia/Tokyo LC_ALL=C.UTF-8 "$here/build.sh" "$work" "$version" >/dev/null)
cmp "$deb" "$work/${deb##*/}"
echo "the same bytes: $(sha256sum "$deb")"

# Mode, owner and name of what an administrator relies on.
dpkg-deb --contents "$deb" | awk '{ print $1, $2, $6 }' >"$work/contents"
while read -r line; do
	grep -qxF -- "$line" "$work/contents" || { echo "not in the package: $line" >&2; bad=1; }
done <<'LIST'
-rwxr-xr-x root/root ./usr/sbin/maildir-imapd
-rwxr-xr-x root/root ./usr/bin/maildir-imapctl
-rwxr-xr-x root/root ./usr/libexec/maildir-imapd/after-upgrade
-rw-r--r-- root/root ./etc/maildir-imapd/imapd.ini
-rw-r----- root/root ./etc/maildir-imapd/users.passwd
-rw-r--r-- root/root ./usr/lib/sysusers.d/maildir-imapd.conf
-rw-r--r-- root/root ./usr/lib/tmpfiles.d/maildir-imapd.conf
-rw-r--r-- root/root ./etc/ufw/applications.d/maildir-imapd
-rw-r--r-- root/root ./usr/lib/firewalld/services/maildir-imapd.xml
-rw-r--r-- root/root ./usr/share/man/man5/maildir-imapd.ini.5.gz
-rw-r--r-- root/root ./usr/share/man/man5/maildir-imapd.passwd.5.gz
-rw-r--r-- root/root ./usr/share/man/man8/maildir-imapd.8.gz
-rw-r--r-- root/root ./usr/share/man/man8/maildir-imapctl.8.gz
-rw-r--r-- root/root ./usr/share/bash-completion/completions/maildir-imapctl
-rw-r--r-- root/root ./usr/share/zsh/vendor-completions/_maildir-imapctl
-rw-r--r-- root/root ./usr/share/fish/vendor_completions.d/maildir-imapctl.fish
-rw-r--r-- root/root ./usr/share/doc/maildir-imapd/README.Debian
-rw-r--r-- root/root ./usr/share/doc/maildir-imapd/changelog.gz
-rw-r--r-- root/root ./usr/share/doc/maildir-imapd/copyright
-rw-r--r-- root/root ./usr/share/doc/maildir-imapd/third-party.txt.gz
-rw-r--r-- root/root ./usr/share/doc/maildir-imapd/examples/imapd.ini
-rw-r--r-- root/root ./usr/share/doc/maildir-imapd/examples/apparmor/usr.sbin.maildir-imapd
-rw-r--r-- root/root ./usr/share/doc/maildir-imapd/examples/fail2ban/maildir-imapd.conf
-rw-r--r-- root/root ./usr/share/doc/maildir-imapd/examples/fail2ban/jail.d/maildir-imapd.conf
LIST
for unit in "$here"/../systemd/*.{service,socket,timer}; do
	grep -qxF -- "-rw-r--r-- root/root ./usr/lib/systemd/system/${unit##*/}" "$work/contents" ||
		{ echo "not in the package: ${unit##*/}" >&2; bad=1; }
done
for word in /srv /var /home /lib; do
	! grep " \.$word" "$work/contents" || { echo "$word is not the package's" >&2; bad=1; }
done
dpkg-deb --info "$deb" conffiles | sort | diff - <(printf '/etc/%s\n' maildir-imapd/imapd.ini maildir-imapd/users.passwd ufw/applications.d/maildir-imapd) || bad=1
[ -z "${bad-}" ] || exit 1
echo "$(wc -l <"$work/contents") files and directories, $(($(stat -c %s "$deb") / 1024)) KiB"

lintian --display-info --display-experimental --pedantic --fail-on error,warning,info,pedantic,experimental "$deb"
echo "lintian has nothing to say"
