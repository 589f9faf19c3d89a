#!/bin/sh
# Says which of the named programs are missing and how to get them.
set -u
missing=0
for p in "$@"; do
	command -v "$p" >/dev/null 2>&1 && continue
	missing=1
	case $p in
	go) echo "missing: go 1.26 or newer -> https://go.dev/dl" ;;
	node | npm) echo "missing: $p (Node.js 20 or newer, npm 11) -> apt-get install nodejs npm, or https://nodejs.org" ;;
	*) echo "missing: $p" ;;
	esac >&2
done
exit $missing
