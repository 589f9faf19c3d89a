#!/bin/bash
# Runs the rows of deploy/chaos-rows.txt one after the other and prints what
# their reports say. usage: chaos.sh short|full [ROW,ROW]
# Reports stay in bin/chaos/reports until the row runs again in the same mode.
set -uo pipefail
mode=$1 only=${2:-}
cd "$(dirname "$0")/.."
export CHAOS_MODE=$mode CHAOS_OUT=$PWD/bin/chaos/reports CHAOS_COMMIT
CHAOS_COMMIT=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)
[ -z "$(git status --porcelain 2>/dev/null)" ] || CHAOS_COMMIT=$CHAOS_COMMIT+
case $mode in
short) limit=5m ;;
full) limit=40m ;;
*)
	echo "MODE is short or full, not $mode" >&2
	exit 2
	;;
esac
mkdir -p "$CHAOS_OUT"

missing() { # missing NEEDS: the programs of the list that are not here
	for program in ${1//,/ }; do
		[ "$program" = - ] || command -v "$program" >/dev/null 2>&1 || printf ' %s' "$program"
	done
}

status=0 found=
while read -r row module package test needs; do
	case $row in '' | \#*) continue ;; esac
	case ",$only," in ,, | *,"$row",*) ;; *) continue ;; esac
	found=yes
	absent=$(missing "$needs")
	[ -z "$absent" ] || echo "== $row: missing:$absent"
	echo "== $row ($mode)"
	log=$CHAOS_OUT/$row.$mode.log
	rm -f "$CHAOS_OUT/$row.$mode.json"
	if ! (cd "$module" && go test -count=1 -timeout "$limit" -run "^$test\$" "$package") >"$log" 2>&1; then
		tail -n 40 "$log"
		status=1
	fi
done <deploy/chaos-rows.txt
if [ -n "$only" ] && [ -z "$found" ]; then
	echo "no such row: $only" >&2
	exit 2
fi
node deploy/chaos-table.mjs "$CHAOS_OUT" deploy/chaos-rows.txt
exit $status
