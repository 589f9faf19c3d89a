#!/bin/bash
# Measures what has a budget against a peer or a limit in the same run, and
# prints one table. Short on purpose: about two minutes. The figures belong to
# the machine it runs on; the ratios are what to compare.
set -uo pipefail
cd "$(dirname "$0")/.."
raw=$(mktemp)
trap 'rm -f "$raw"' EXIT

bench() { # bench MODULE PACKAGE BENCHMARKS TIME
	echo "measuring $1/$2 …" >&2
	(cd "$1" && go test -run '^$' -bench "^($3)\$" -benchtime "$4" "./$2") >>"$raw" 2>&1 ||
		echo "FAILED $1/$2" >>"$raw"
}
bench edge internal/driver/modbus 'BenchmarkPoll' 3s
bench edge internal/driver/mqtt 'BenchmarkTelemetry|BenchmarkStandardLibrary' 1s
bench edge app 'BenchmarkMQTTDurable' 2s
bench edge internal/detect 'BenchmarkStep|BenchmarkTick' 1s
bench edge internal/outbox/segment 'BenchmarkAppend|BenchmarkRead' 2s
bench protocol envelope 'BenchmarkEnvelope' 1s
bench cloud internal/ingest 'BenchmarkIngest|BenchmarkSeriesAlone' 2s
bench cloud internal/duty 'BenchmarkAt' 1s
bench simulators/e2e . 'BenchmarkChangeToPage' 1x

grep -E '^(FAILED|--- FAIL|panic)' "$raw" >&2
awk '
# A line of go test -bench: name, iterations, then pairs of value and unit.
/^Benchmark/ {
	name = $1; sub(/-[0-9]+$/, "", name)
	for (i = 3; i < NF; i += 2) v[name, $(i + 1)] = $i
	seen[name] = 1
}
function num(x,  s) { # 2615000 -> 2.6 M
	if (x >= 1e6) return sprintf("%.2f M", x / 1e6)
	if (x >= 1e3) return sprintf("%.1f k", x / 1e3)
	if (x >= 100) return sprintf("%.0f", x)
	return sprintf("%.2f", x)
}
function row(what, got, peer, ratio, budget, ok) {
	printf "%-38s | %-22s | %-38s | %6s | %-22s | %s\n", what, got, peer, ratio, budget, ok ? "yes" : "NO"
	if (!ok) missed++
}
function head(what) {
	printf "%-38s | %-22s | %-38s | %6s | %-22s | %s\n", "what", "measured", "peer or limit, same run", "ratio", "budget", "held"
	gsub(/./, "-", what); print what what what what what
}
END {
	head("--------------------------------")
	b = "BenchmarkPoll"
	if (b in seen) row("Modbus poll, 100 registers, decoded", num(v[b, "polls/s"]) " /s", num(v[b, "raw-polls/s"]) " /s raw goburrow, no decoding", sprintf("%.2f", v[b, "ratio"]), ">= 0.8 of raw", v[b, "ratio"] >= 0.8)
	for (w = 1; w <= 64; w++) if ((n = "BenchmarkMQTTDurable/window=" w) in seen) {
		row("MQTT in, QoS 1, durable" (n ~ /\// ? ", " substr(n, index(n, "/") + 1) : ""), num(v[n, "msgs/s"]) " msg/s", num(v[n, "raw-msgs/s"]) " msg/s raw mochi + paho", sprintf("%.2f", v[n, "ratio"]), ">= 0.7 of raw", v[n, "ratio"] >= 0.7)
	}
	b = "BenchmarkTelemetry"; p = "BenchmarkStandardLibrary"
	if (b in seen) row("JSON telemetry, 10 values, 200 B", num(v[b, "ns/op"] / 1000) " us, " v[b, "allocs/op"] " allocs", num(v[p, "ns/op"] / 1000) " us encoding/json", sprintf("%.2f", v[p, "ns/op"] / v[b, "ns/op"]), "<= 1 us, <= 2 allocs", v[b, "ns/op"] <= 1000 && v[b, "allocs/op"] <= 2)
	b = "BenchmarkStep"
	if (b in seen) row("detector step, per sample", num(v[b, "ns/sample"]) " ns", "2 us", sprintf("%.2f", 2000 / v[b, "ns/sample"]), "<= 2 us", v[b, "ns/sample"] <= 2000)
	b = "BenchmarkEnvelope/encode"
	if (b in seen) {
		row("envelope of 1,000 samples, encode", num(v[b, "ns/op"] / 1000) " us", "100 us", sprintf("%.2f", 1e5 / v[b, "ns/op"]), "<= 100 us", v[b, "ns/op"] <= 1e5)
		row("envelope, size", v[b, "B/sample"] " B/sample", "16 B raw (time, value)", sprintf("%.2f", 16 / v[b, "B/sample"]), "<= 3 B/sample", v[b, "B/sample"] <= 3)
	}
	b = "BenchmarkEnvelope/decode"
	if (b in seen) row("envelope of 1,000 samples, decode", num(v[b, "ns/op"] / 1000) " us", "100 us", sprintf("%.2f", 1e5 / v[b, "ns/op"]), "<= 100 us", v[b, "ns/op"] <= 1e5)
	b = "BenchmarkAppend"
	if (b in seen) {
		row("outbox, 16 x 4 KiB a commit", num(v[b, "records/s"]) " records/s", num(v[b, "raw-records/s"]) " /s plain file, same fsyncs", sprintf("%.2f", v[b, "ratio"]), ">= 0.8 of raw", v[b, "ratio"] >= 0.8)
		row("outbox, bytes on disk per byte", v[b, "amplification"], "1", sprintf("%.2f", 1 / v[b, "amplification"]), "<= 1.3", v[b, "amplification"] <= 1.3)
	}
	b = "BenchmarkIngest"; p = "BenchmarkSeriesAlone"
	if (b in seen) row("ingest, envelope to Receipt", num(v[b, "samples/s"]) " samples/s", num(v[p, "samples/s"]) " /s series store alone, fsynced", sprintf("%.2f", v[b, "samples/s"] / v[p, "samples/s"]), ">= 300 k samples/s", v[b, "samples/s"] >= 3e5)
	b = "BenchmarkChangeToPage"
	if (b in seen) row("sensor change to page accepted, p99", num(v[b, "p99-ms"]) " ms", "500 ms", sprintf("%.2f", 500 / v[b, "p99-ms"]), "<= 500 ms", v[b, "p99-ms"] <= 500)
	b = "BenchmarkAt"
	if (b in seen) row("who is on duty", num(v[b, "ns/op"] / 1000) " us", "1 ms", sprintf("%.2f", 1e6 / v[b, "ns/op"]), "<= 1 ms", v[b, "ns/op"] <= 1e6)
	print ""
	print "Other programs on this machine slow every figure down. ratio: ours against the peer or the limit, above 1 is better than it. Budgets never fail the build."
	if (missed) print missed " over budget on this machine, in this run."
}' "$raw"
! grep -qE '^(FAILED|--- FAIL|panic)' "$raw"
