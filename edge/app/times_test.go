package app

import (
	"log/slog"
	"math"
	"sync/atomic"
	"testing"
	"time"

	"github.com/linshao/linshao/edge/internal/vfs"
	"github.com/linshao/linshao/protocol/kit/clock"
	"github.com/linshao/linshao/protocol/telemetry"
)

// wrist is a Clock that a test sets and that starts untrusted.
type wrist struct {
	*clock.Fake
	boot    string
	trusted atomic.Bool
}

func (w *wrist) Boot() string  { return w.boot }
func (w *wrist) Trusted() bool { return w.trusted.Load() }
func (w *wrist) Vouch()        { w.trusted.Store(true) }
func (w *wrist) Doubt()        { w.trusted.Store(false) }

// cloudMS is the cloud's clock when a boot of these tests begins.
const cloudMS = 1_800_000_000_000

// wake starts a boot whose wall clock is ahead of the cloud's.
func wake(t *testing.T, disk Disk, boot string, ahead time.Duration) (*times, *wrist) {
	t.Helper()
	if err := disk.MkdirAll("d"); err != nil {
		t.Fatal(err)
	}
	w := &wrist{Fake: clock.NewFake(time.UnixMilli(cloudMS).Add(ahead)), boot: boot}
	return newTimes(w, disk, "d", slog.New(slog.DiscardHandler)), w
}

func TestOnlyAClockNearTheCloudsIsVouchedFor(t *testing.T) {
	t.Parallel()
	for ahead, want := range map[time.Duration]bool{
		0: true, -1500 * time.Millisecond: true, 3 * time.Second: false, -3 * time.Second: false, 24 * 365 * time.Hour: false,
	} {
		x, w := wake(t, vfs.NewMem(), "b", ahead)
		w.Advance(time.Second)
		x.measured(time.Second-20*time.Millisecond, time.Second, cloudMS+990)
		if w.Trusted() != want {
			t.Errorf("%v ahead: trusted %v", ahead, w.Trusted())
		}
		if skewMS, errorMS, known := x.now(); !known || errorMS != 11 || skewMS != ahead.Milliseconds() {
			t.Errorf("%v ahead: measured %d ms, up to %d off", ahead, skewMS, errorMS)
		}
	}
	x, w := wake(t, vfs.NewMem(), "b", 0)
	x.measured(0, 5*time.Second, cloudMS+2500)
	if w.Trusted() {
		t.Error("an answer that took 5 s vouches for a clock")
	}
}

// What was recorded before the first measurement is put right by it, also when
// the edge was started again before it could be sent.
func TestRecordsOfAnUntrustedBootArePutRightLater(t *testing.T) {
	t.Parallel()
	disk := vfs.NewMem()
	x, w := wake(t, disk, "first", -20*365*24*time.Hour)
	early := telemetry.Origin{Boot: "first", EdgeMS: clock.NowMS(w)}
	if got := x.boots.Origin(x.skew.Origin(early)); !got.Doubtful() {
		t.Errorf("before anything was measured: %+v", got)
	}
	w.Advance(time.Minute)
	x.measured(time.Minute-time.Second, time.Minute, cloudMS+59_500)
	again, _ := wake(t, disk, "second", 0)
	for name, boots := range map[string]*times{"in that boot": x, "in the next": again} {
		got := boots.boots.Origin(early)
		samples := []telemetry.Sample{{AtMS: early.EdgeMS, EdgeMS: early.EdgeMS, Marks: telemetry.ReceiveTime}}
		got.Correct(samples)
		if off := samples[0].AtMS - cloudMS; off < -500 || off > 500 || !samples[0].Marks.Has(telemetry.ClockCorrected) {
			t.Errorf("%s: stored %d ms from when it was, %+v", name, off, got)
		}
	}
	if got := again.boots.Origin(telemetry.Origin{Boot: "never measured"}); !got.Doubtful() {
		t.Errorf("a boot that nobody measured: %+v", got)
	}
}

func TestAClockThatIsSetMustBeVouchedForAnew(t *testing.T) {
	t.Parallel()
	x, w := wake(t, vfs.NewMem(), "b", 0)
	w.Vouch()
	x.jumped(time.Hour)
	if w.Trusted() || x.jumps.Load() != 1 {
		t.Errorf("trusted %v after %d jumps", w.Trusted(), x.jumps.Load())
	}
	w.Advance(time.Second)
	x.measured(time.Second, time.Second, cloudMS+1000)
	if !w.Trusted() {
		t.Error("the cloud does not vouch for it")
	}
}

func TestThePageTellsHowTheClockIs(t *testing.T) {
	t.Parallel()
	x, w := wake(t, vfs.NewMem(), "b", 5*time.Second)
	if x.wrong() == "" || !math.IsNaN(x.skewSeconds()) {
		t.Errorf("nothing is known: %q, %v", x.wrong(), x.skewSeconds())
	}
	w.Vouch()
	if x.wrong() != "" {
		t.Errorf("trusted, never compared: %q", x.wrong())
	}
	w.Advance(time.Second)
	x.measured(time.Second, time.Second, cloudMS+1000)
	if c := x.state(); !c.SkewKnown || c.SkewMS != 5000 || x.skewSeconds() != 5 || x.wrong() == "" {
		t.Errorf("5 s ahead: %+v, %q", c, x.wrong())
	}
	w.Jump(time.UnixMilli(cloudMS + 1100))
	if c := x.state(); c.SkewMS != 100 || x.wrong() != "" {
		t.Errorf("put right: %+v, %q", c, x.wrong())
	}
}
