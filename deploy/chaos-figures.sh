#!/bin/bash
# Takes the reports of full runs into docs/chaos and writes the table of
# docs/reliability.md anew. With --check it only compares the two.
# usage: chaos-figures.sh [--check]
set -euo pipefail
cd "$(dirname "$0")/.."
doc=docs/reliability.md
if [ "${1:-}" != --check ]; then
	mkdir -p docs/chaos
	for report in bin/chaos/reports/*.full.json; do
		[ -e "$report" ] || continue
		row=$(basename "$report" .full.json)
		cp "$report" "docs/chaos/$row.json"
		chmod 644 "docs/chaos/$row.json"
	done
fi
fresh=$(mktemp)
trap 'rm -f "$fresh"' EXIT
{
	sed '/<!-- figures:/q' $doc
	node deploy/chaos-table.mjs docs/chaos deploy/chaos-rows.txt --markdown
	sed -n '/<!-- end of figures/,$p' $doc
} >"$fresh"
if [ "${1:-}" = --check ]; then
	diff -u $doc "$fresh" || { echo "$doc and docs/chaos differ: run make chaos-figures" >&2; exit 1; }
else
	cat "$fresh" >$doc
fi
