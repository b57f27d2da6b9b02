#!/bin/sh
# licenses.sh: prints the licenses of what is linked into the two programs: Go's own, and those of the modules.
set -eu
cd "$(dirname "$0")/../.."
go=${GO:-go}
one() { # one NAME DIRECTORY
	printf '%s\n\n' "==== $1"
	found=
	for f in "$2"/LICEN[SC]E* "$2"/COPYING* "$2"/NOTICE*; do
		[ ! -f "$f" ] || { found=yes; cat "$f"; echo; }
	done
	[ -n "$found" ] || { echo "no license in $2" >&2; return 1; }
}
one "$("$go" env GOVERSION)" "$("$go" env GOROOT)"
"$go" list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}	{{.Dir}}{{end}}{{end}}' ./cmd/... | LC_ALL=C sort -u |
	while IFS='	' read -r name dir; do one "$name" "$dir" || exit; done
