package lines_test

import (
	"context"
	"io/fs"
	"math"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/linshao/linshao/protocol/kit/chaos/row"
	"github.com/linshao/linshao/simulators/e2e/chaos/rig"
	"github.com/linshao/linshao/simulators/e2e/daemon"
)

const (
	// slopeBound is how fast memory may grow, in bytes an hour.
	slopeBound = 1 << 20
	// flatBound is how far goroutines and file descriptors may be apart at
	// the begin and the end.
	flatBound = 20
	// logBound bounds the write-ahead log of the database, and what an
	// outbox keeps of what is settled.
	logBound = 64 << 20
	// restless is how many devices a second sign in and leave.
	restless = 200
)

// vitals are what must not grow, sampled by the second.
type vitals struct {
	at                               []float64 // hours
	anon, rss, live, fds, goroutines []float64
}

// Ten minutes of load with devices that come and go all the time: memory, file
// descriptors, goroutines and logs stay where they are.
func TestChaosR22(t *testing.T) {
	r := row.Begin(t, "R22", "soak")
	length := time.Duration(r.N(2, 600)) * time.Second
	town := rig.New(t, rig.Options{Meters: 20, Metrics: 10, Gates: 48})
	town.Start()
	e := town.Estates[0]
	load := town.Load(rig.Load{Samples: 2000, AlarmEvery: 2 * time.Second, Handle: true})
	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()
	var wg sync.WaitGroup
	var came int
	wg.Go(func() { came = comeAndGo(ctx, t, e) })
	both := [2]vitals{}
	for i, d := range []*daemon.Daemon{e.Edge, town.Cloud} {
		wg.Go(func() { both[i].watch(ctx, t, d) })
	}
	wg.Wait()
	load.Stop()
	r.Load(2000, load.Reached())
	r.Count("reconnects", came)
	r.Count("reconnects_per_s", int(float64(came)/length.Seconds()))
	if r.Full() && float64(came) < 0.9*restless*length.Seconds() {
		t.Errorf("%d reconnects in %s are too few: the run does not count", came, length)
	}
	both[0].judge(r, "edge")
	both[1].judge(r, "cloud")
	judgeLogs(t, r, town, e)
	town.Judge(r)
}

// comeAndGo has devices sign in and leave, half of them without a word, and
// returns how many did.
func comeAndGo(ctx context.Context, t *testing.T, e *rig.Estate) int {
	const hands = 20
	gates := e.Gates()[8:] // those before raise alarms
	// A dial that the end breaks off may say so before ctx does.
	end, _ := ctx.Deadline()
	var wg sync.WaitGroup
	counts := make([]int, hands)
	for i := range hands {
		wg.Go(func() {
			pace := time.NewTicker(time.Second * hands / restless)
			defer pace.Stop()
			for ctx.Err() == nil {
				k, err := e.Dial(ctx, gates[(i+counts[i]*hands)%len(gates)])
				switch {
				case err != nil && time.Now().Before(end):
					t.Error(err)
					return
				case err != nil:
					return
				case counts[i]%2 == 0:
					k.Disconnect(0)
				default:
					k.Cut()
					k.Disconnect(0)
				}
				counts[i]++
				select {
				case <-pace.C:
				case <-ctx.Done():
				}
			}
		})
	}
	wg.Wait()
	sum := 0
	for _, n := range counts {
		sum += n
	}
	return sum
}

func (v *vitals) watch(ctx context.Context, t *testing.T, d *daemon.Daemon) {
	began := time.Now()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		if m := metrics(d); m != nil {
			v.at = append(v.at, time.Since(began).Hours())
			v.anon = append(v.anon, float64(status(t, d, "RssAnon:")))
			v.rss = append(v.rss, float64(rss(t, d)))
			// At GOGC=100 the next collection comes at twice what was alive
			// after the last.
			v.live = append(v.live, m["go_memstats_next_gc_bytes"]/2)
			v.fds = append(v.fds, m["process_open_fds"])
			v.goroutines = append(v.goroutines, m["go_goroutines"])
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// judge fits a line through the last two thirds. What the fit cannot tell from
// flat, by twice its error, is flat.
func (v *vitals) judge(r *row.Row, who string) {
	tail := len(v.at) / 3
	for name, y := range map[string][]float64{"rss": v.rss, "anonymous": v.anon, "live_heap": v.live} {
		slope, wrong := fit(v.at[tail:], y[tail:])
		r.Count(who+"_"+name+"_kib", int(y[len(y)-1])>>10)
		r.Count(who+"_"+name+"_kib_per_hour", int(slope)>>10)
		r.Count(who+"_"+name+"_kib_per_hour_error", int(wrong)>>10)
		if r.Full() && name == "anonymous" && slope-2*wrong > slopeBound {
			r.Violation("the %s's memory grows by %.1f ± %.1f MiB an hour", who, slope/(1<<20), wrong/(1<<20))
		}
	}
	for name, y := range map[string][]float64{"fds": v.fds, "goroutines": v.goroutines} {
		first, last := mean(y[tail:tail+(len(y)-tail)/4+1]), mean(y[len(y)-(len(y)-tail)/4-1:])
		r.Count(who+"_"+name, int(last))
		if r.Full() && last-first > flatBound {
			r.Violation("the %s's %s went from %.0f to %.0f", who, name, first, last)
		}
	}
}

func judgeLogs(t *testing.T, r *row.Row, town *rig.Town, e *rig.Estate) {
	t.Helper()
	wal := int64(0)
	must(t, filepath.WalkDir(town.CloudData, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "-wal") {
			return nil //nolint:nilerr // files come and go beside us
		}
		if i, err := entry.Info(); err == nil {
			wal += i.Size()
		}
		return nil
	}))
	outbox := int64(metrics(e.Edge)["linshao_edge_outbox_bytes"])
	r.Count("database_wal_kib", int(wal>>10))
	r.Count("outbox_kib", int(outbox>>10))
	if wal > logBound || outbox > logBound {
		r.Violation("logs grew to %d kB of the database, %d kB of the outbox", wal>>10, outbox>>10)
	}
}

func mean(y []float64) float64 {
	sum := 0.0
	for _, v := range y {
		sum += v
	}
	return sum / float64(len(y))
}

// fit returns the slope of the line through the points and its standard error.
func fit(x, y []float64) (slope, wrong float64) {
	mx, my, sxx, sxy := mean(x), mean(y), 0.0, 0.0
	for i := range x {
		sxx += (x[i] - mx) * (x[i] - mx)
		sxy += (x[i] - mx) * (y[i] - my)
	}
	if len(x) < 3 || sxx == 0 {
		return 0, 0
	}
	slope = sxy / sxx
	rest := 0.0
	for i := range x {
		d := y[i] - my - slope*(x[i]-mx)
		rest += d * d
	}
	return slope, math.Sqrt(rest / float64(len(x)-2) / sxx)
}

func TestFit(t *testing.T) {
	t.Parallel()
	slope, wrong := fit([]float64{0, 1, 2, 3}, []float64{1, 3, 5, 7})
	if slope != 2 || wrong != 0 {
		t.Errorf("a line: %v ± %v", slope, wrong)
	}
	if slope, wrong = fit([]float64{0, 1, 2, 3}, []float64{1, 4, 4, 7}); slope < 1.7 || slope > 1.9 || wrong < 0.2 || wrong > 0.6 {
		t.Errorf("a crooked one: %v ± %v", slope, wrong)
	}
}
