#!/bin/bash
# Runs the tests of every module and closes with one summary of all of them.
# usage: test-go.sh GOTESTSUM "MODULES" [go test flags]
set -uo pipefail
sum=$1 modules=$2
shift 2
top=$(cd "$(dirname "$0")/.." && pwd)
out=$top/bin/test
mkdir -p "$out"
rm -f "$out"/*.json
status=0
for m in $modules; do
	echo "== $m"
	# The race detector needs cgo. The end-to-end tests run the static
	# binaries, so only their own code would be raced.
	# Those run anew each time: Go does not see that a binary has changed.
	fresh=
	[ "$m" = simulators/e2e ] && fresh=-count=1
	(cd "$top/$m" && CGO_ENABLED=1 "$sum" --format pkgname --hide-summary=skipped,output \
		--jsonfile "$out/$(echo "$m" | tr / -).json" -- -race -timeout 15m $fresh "$@" ./...) || status=1
done
cat "$out"/*.json >"$out/all.ndjson"
echo "== all modules"
"$sum" --raw-command --format dots --hide-summary=skipped -- cat "$out/all.ndjson" | tail -n 40
exit $status
