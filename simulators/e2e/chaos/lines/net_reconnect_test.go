package lines_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/linshao/linshao/protocol/kit/chaos/row"
	"github.com/linshao/linshao/simulators/e2e/chaos/rig"
	"github.com/linshao/linshao/simulators/fleet"
)

const (
	// alarmsEach is how many alarms each edge brings.
	alarmsEach = 2
	// starved is how many times as long as the median an edge may wait for
	// its first samples to be taken; a few seconds do not count.
	starved, starvedFloor = 5, 10_000
	// cloudGrowth bounds what the cloud's memory may grow by, however many
	// come back and whatever they bring: what ingest takes in at once, twice
	// for the collector of garbage, and the head of the series store.
	cloudGrowth = 768 << 20
)

// After an hour without a cloud all edges come back at once, each with an hour
// of samples and two alarms: the alarms are there within seconds, no edge
// waits for the others to finish, and the cloud's memory stays bounded.
func TestChaosReconnect(t *testing.T) {
	r := row.Begin(t, "RECONNECT", "all edges come back at once")
	o := fleet.Options{
		Devices: 10, Rate: 0.05, Every: time.Second, Duration: time.Second, Grace: time.Minute, Seed: r.Seed(1),
		Backlog: time.Hour, Alarms: alarmsEach, Log: slog.New(slog.DiscardHandler),
	}
	edges := r.N(20, 500)
	if r.Full() {
		o.Rate, o.Duration, o.Grace = 0.5, 20*time.Second, 3*time.Minute
	}
	town := rig.New(t, rig.Options{Estates: edges, Meters: 1, Metrics: 1, Lifts: 1, Gates: 1})
	town.Cloud.Start()
	town.Ready(town.Cloud)
	o.URL, o.Credentials = "tcp://"+town.CloudMQTT, credentials(t, town)
	introduce(t, o)
	before := rss(t, town.Cloud)

	ctx, done := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { ticketsArrive(ctx, r, town, edges*alarmsEach) })
	wg.Go(func() { watchMemory(ctx, t, r, town, before) })
	got, err := fleet.Run(t.Context(), o)
	must(t, err)
	all, err := town.API.Tickets(t.Context(), "")
	must(t, err)
	done()
	wg.Wait()
	judgeReturn(r, got, edges)
	if len(all) != edges*alarmsEach {
		r.Violation("%d tickets of %d alarms", len(all), edges*alarmsEach)
	}
}

// introduce has every edge connect once: the cloud knows them before they go.
func introduce(t *testing.T, o fleet.Options) {
	t.Helper()
	o.Backlog, o.Alarms, o.Duration = 0, 0, 100*time.Millisecond
	_, err := fleet.Run(t.Context(), o)
	must(t, err)
}

func judgeReturn(r *row.Row, got fleet.Totals, edges int) {
	r.Count("edges", edges)
	r.Count("samples", int(got.Samples)) //nolint:gosec // a count
	r.Count("broken", int(got.Broken))   //nolint:gosec // a count
	for name, ms := range map[string]int{
		"alarm_receipt_p50_ms": got.AlarmP50MS, "alarm_receipt_p99_ms": got.AlarmP99MS, "alarm_receipt_max_ms": got.AlarmMaxMS,
		"first_samples_p50_ms": got.FirstP50MS, "first_samples_max_ms": got.FirstMaxMS,
		"drained_p50_ms": got.DrainedP50MS, "drained_max_ms": got.DrainedMaxMS,
		"settled_per_s": int(got.SettledPerSecond),
	} {
		r.Count(name, ms)
	}
	if got.Settled != got.Samples || got.Alarms != uint64(edges)*alarmsEach { //nolint:gosec // a count
		r.Violation("%d of %d samples and %d of %d alarms were settled", got.Settled, got.Samples, got.Alarms, edges*alarmsEach)
	}
	if !r.Full() {
		return
	}
	if got.AlarmP99MS > alarmsWithin {
		r.Violation("the alarms' p99 took %d ms", got.AlarmP99MS)
	}
	if got.FirstMaxMS > max(starvedFloor, starved*got.FirstP50MS) {
		r.Violation("an edge waited %d ms for its first samples, the median %d ms", got.FirstMaxMS, got.FirstP50MS)
	}
}

// ticketsArrive asks for tickets until all are there.
func ticketsArrive(ctx context.Context, r *row.Row, town *rig.Town, want int) {
	began := time.Now()
	for ctx.Err() == nil {
		if all, err := town.API.Tickets(ctx, ""); err == nil && len(all) >= want {
			r.Observe("tickets_ms", float64(time.Since(began).Milliseconds()))
			return
		}
	}
}

// watchMemory keeps the most that the cloud needed.
func watchMemory(ctx context.Context, t *testing.T, r *row.Row, town *rig.Town, before int64) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	most := before
	for ctx.Err() == nil {
		most = max(most, rss(t, town.Cloud))
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	r.Count("cloud_rss_before_mib", int(before>>20))
	r.Count("cloud_rss_most_mib", int(most>>20))
	if most-before > cloudGrowth {
		r.Violation("the cloud grew from %d to %d MiB", before>>20, most>>20)
	}
}

// credentials reads what the town's edges would sign in with.
func credentials(t *testing.T, town *rig.Town) []fleet.Credential {
	t.Helper()
	out := make([]fleet.Credential, len(town.Estates))
	field := regexp.MustCompile(`(?m)^\s*(edge|username|password): *"?([^"\s]+)"?$`)
	for i, e := range town.Estates {
		b, err := os.ReadFile(filepath.Join(town.Dir, e.ID+".yaml"))
		must(t, err)
		_, uplink, _ := strings.Cut(string(b), "uplink:")
		found := map[string]string{}
		for _, m := range field.FindAllStringSubmatch(uplink, -1) {
			found[m[1]] = m[2]
		}
		out[i] = fleet.Credential{Estate: e.ID, Edge: e.ID + "-edge", Username: found["username"], Password: found["password"]}
		if out[i].Password == "" {
			t.Fatalf("no password in %s", b)
		}
	}
	return out
}
