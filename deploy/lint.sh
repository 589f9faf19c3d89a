#!/bin/bash
# Checks what cannot be run here: examples against the binaries, units, scripts,
# the probe, and (by a Go test) compose, dashboards and alert rules.
# Needs no network. What is not installed is named and skipped.
set -uo pipefail
cd "$(dirname "$0")/.."
status=0
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

fail() {
	echo "lint deploy: $*" >&2
	status=1
}

for s in deploy/*.sh; do
	sh=sh
	head -1 "$s" | grep -q bash && sh=bash
	$sh -n "$s" || fail "$s does not parse"
	[ -x "$s" ] || fail "$s is not executable"
done
if command -v shellcheck >/dev/null 2>&1; then
	shellcheck deploy/*.sh || fail "shellcheck"
fi

check() { # check BINARY FILE: its own check accepts the file
	"bin/$1" check --config "$2" >"$scratch/out" 2>&1 || { cat "$scratch/out" >&2; fail "$2"; }
}
if [ -x bin/linshao-edge ] && [ -x bin/linshao-cloud ]; then
	check linshao-edge deploy/examples/edge.yaml
	check linshao-cloud deploy/examples/cloud.yaml
	check linshao-cloud deploy/compose/cloud.yaml
	# The secrets of the compose file are made up here.
	printf 'gate-east-1:a-password-for-lint\n' >"$scratch/passwords"
	LINSHAO_HTTP_TOKEN=0123456789abcdef LINSHAO_UPLINK_PASSWORD=secret LINSHAO_MQTT_PASSWORD_FILE=$scratch/passwords \
		check linshao-edge deploy/compose/edge.yaml
	# Without its secrets the edge of the compose file must refuse.
	if bin/linshao-edge check --config deploy/compose/edge.yaml >/dev/null 2>&1; then
		fail "deploy/compose/edge.yaml is accepted without a token"
	fi
	printf 'data_dir: %s/cloud\nmqtt: {listen: "127.0.0.1:1884"}\n' "$scratch" >"$scratch/cloud.yaml"
	for _ in 1 2; do # importing twice is importing once
		bin/linshao-cloud import --log-level error --config "$scratch/cloud.yaml" deploy/examples/plan.yaml >"$scratch/out" 2>&1 ||
			{ cat "$scratch/out" >&2; fail "deploy/examples/plan.yaml"; }
	done
else
	echo "lint deploy: bin/ is not built, the examples are not checked" >&2
fi

if command -v systemd-analyze >/dev/null 2>&1; then
	for unit in deploy/systemd/*.service; do
		# The binaries and the user are where the unit is installed, not here.
		sed -e 's|/usr/local/bin/linshao-[a-z]*|/bin/true|' -e '/^User=/d' -e '/^Group=/d' "$unit" >"$scratch/$(basename "$unit")"
		out=$(systemd-analyze verify "$scratch/$(basename "$unit")" 2>&1 | grep -F "$(basename "$unit")")
		[ -z "$out" ] || fail "$unit: $out"
	done
else
	echo "lint deploy: systemd-analyze is not installed, the units are not checked" >&2
fi

deploy/chaos-figures.sh --check || fail "docs/reliability.md"
go vet deploy/docker/probe/main.go || fail "the probe"
(cd cloud && go test -count=1 -run 'TestDeploy|TestAlertRules|TestDashboards|TestCompose|TestEveryMetric' .) || fail "deploy files"
exit $status
