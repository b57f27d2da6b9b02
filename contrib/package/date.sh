#!/bin/sh
# date.sh: prints the moment of the last commit, which is what packages say of all their files, in seconds; in an
# unpacked archive that of its CHANGELOG.md.
cd "$(dirname "$0")/../.." || exit
git log -1 --format=%ct 2>/dev/null || stat -c %Y CHANGELOG.md
