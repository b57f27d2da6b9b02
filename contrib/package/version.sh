#!/bin/sh
# version.sh: prints the version that packages get: the newest of CHANGELOG.md. Until that is released, the moment and
# the hash of the last commit stand behind a ~, which is before the release and after every earlier commit, for dpkg and
# rpm alike; after it, behind a +.
set -eu
cd "$(dirname "$0")/../.."
heading=$(sed -n 's/^## //p' CHANGELOG.md | head -n 1)
version=${heading%% *}
commit=$(TZ=UTC git log -1 --abbrev=10 --date=format-local:%Y%m%d%H%M%S --format=git%cd.%h 2>/dev/null) || commit=
if [ -n "$commit" ]; then
	[ -z "$(git status --porcelain --untracked-files=no)" ] || commit=$commit.dirty
	case $(git describe --tags --exact-match 2>/dev/null) in
	"v$version" | "$version") [ "${commit%.dirty}" != "$commit" ] || commit= ;;
	esac
fi
case $heading in
*unreleased*) echo "$version~${commit:-unreleased}" ;;
*) echo "$version${commit:++$commit}" ;;
esac
