#!/bin/bash
# check.sh RPM: whether the package has what it must have: files with their modes, what it requires, and what it does
# when it is installed, upgraded and removed. There is no RPM distribution here to install it on.
set -eu
rpm=$1
here=$(realpath "$(dirname "$0")")
bad=0
complain() { echo "${rpm##*/}: $*" >&2; bad=1; }
query() { rpm -qp --nosignature "$@" "$rpm" 2>/dev/null; }

rpm -K --nosignature "$rpm" >/dev/null || complain 'its digests are wrong'
files=$(query --qf '[%{FILEMODES:perms} %{FILEUSERNAME}:%{FILEGROUPNAME} %{FILEFLAGS:fflags} %{FILENAMES}\n]' | tr -s ' ')
while read -r line; do
	grep -qxF -- "$line" <<<"$files" || complain "not in it: $line"
done <<'LIST'
drwxr-sr-x root:maildir-imapd /etc/maildir-imapd
-rw-r--r-- root:root cn /etc/maildir-imapd/imapd.ini
-rw-r----- root:maildir-imapd cn /etc/maildir-imapd/users.passwd
-rwxr-xr-x root:root /usr/sbin/maildir-imapd
-rwxr-xr-x root:root /usr/bin/maildir-imapctl
-rwxr-xr-x root:root /usr/libexec/maildir-imapd/after-upgrade
-rw-r--r-- root:root /usr/lib/sysusers.d/maildir-imapd.conf
-rw-r--r-- root:root /usr/lib/tmpfiles.d/maildir-imapd.conf
-rw-r--r-- root:root /usr/lib/firewalld/services/maildir-imapd.xml
-rw-r--r-- root:root /usr/share/bash-completion/completions/maildir-imapctl
-rw-r--r-- root:root /usr/share/zsh/site-functions/_maildir-imapctl
-rw-r--r-- root:root /usr/share/fish/vendor_completions.d/maildir-imapctl.fish
LIST
for page in "$here"/../../man/*.[58]; do
	grep -q -- "^-rw-r--r-- root:root d /usr/share/man/man${page##*.}/${page##*/}.gz$" <<<"$files" || complain "no manual page ${page##*/}"
done
for unit in "$here"/../systemd/*.{service,socket,timer}; do
	grep -qxF -- "-rw-r--r-- root:root /usr/lib/systemd/system/${unit##*/}" <<<"$files" || complain "no unit ${unit##*/}"
done
grep -E ' /(srv|var|home|usr/local|tmp)' <<<"$files" && complain 'these are not its own'

for need in systemd util-linux; do
	query --requires | grep -qxF "$need" || complain "does not require $need"
done
query --requires | grep -vE '^(rpmlib\(|/bin/sh|systemd|util-linux|shadow-utils|findutils|config\()' && complain 'requires these, of which nobody knows'

# The scriptlets: each is shell, and does its part at the right one of installation, upgrade and removal.
part() { query --qf "%{$1}"; }
for p in PREIN POSTIN PREUN POSTUN POSTTRANS; do
	part $p | sh -n || complain "$p is no shell script"
done
part PREIN | grep -q '^u vmail ' || complain 'the accounts are not there before the files'
part PREIN | grep -q '^g maildir-imapd ' || complain 'the group is not there before the files'
part POSTIN | grep -qE '(re)?start|--now [^m]' && complain 'the installation stops or starts something'
part PREUN | grep -q '^if \[ "\$1" = 0 \]' || complain 'an upgrade stops the daemon'
part POSTTRANS | grep -q '^/usr/libexec/maildir-imapd/after-upgrade' || complain 'after an upgrade nothing is restarted'
for p in PREIN POSTIN PREUN POSTUN POSTTRANS; do
	part $p | grep -E '\brm\b|userdel|groupdel' && complain "$p removes what is not the package's"
done
exit $bad
