package skew_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/linshao/linshao/edge/internal/skew"
	"github.com/linshao/linshao/edge/internal/vfs"
	"github.com/linshao/linshao/protocol/telemetry"
)

const (
	bootMS = 1_800_000_000_000
	yearMS = 365 * 24 * 3600 * 1000
)

func origin(mono time.Duration, skewMS int64) telemetry.Origin {
	return telemetry.Origin{Boot: "b", MonoMS: mono.Milliseconds(), EdgeMS: bootMS + mono.Milliseconds() + skewMS}
}

// However long answers take and however lopsided their ways are: the truth lies
// within the error, and the error is that of the quickest.
func TestTheTruthLiesWithinTheError(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		var e skew.Estimate
		now, least := time.Duration(0), time.Hour
		for range 20 {
			now += time.Duration(r.Int64N(int64(10 * time.Second)))
			up, down := time.Duration(r.Int64N(int64(3*time.Second))), time.Duration(r.Int64N(int64(3*time.Second)))
			e.Measured(now, now+up+down, bootMS+(now+up).Milliseconds())
			now += up + down
			least = min(least, up+down)
			ms, errorMS, ok := e.Cloud(now)
			if off := ms - bootMS - now.Milliseconds(); !ok || off > errorMS || -off > errorMS {
				t.Fatalf("off by %d ms, said to be at most %d", off, errorMS)
			}
			if errorMS > least.Milliseconds()/2+now.Milliseconds()/5000+2 {
				t.Fatalf("error of %d ms after an answer that took %v", errorMS, least)
			}
		}
	}
}

func TestARecordIsToldHowWrongItsClockIs(t *testing.T) {
	t.Parallel()
	var e skew.Estimate
	if o := e.Origin(origin(0, yearMS)); o.SkewKnown {
		t.Errorf("told %d before anything was measured", o.SkewMS)
	}
	e.Measured(time.Second, time.Second+20*time.Millisecond, bootMS+1010)
	o := e.Origin(origin(2*time.Second, yearMS))
	if !o.SkewKnown || o.SkewMS != yearMS || !o.Skewed() {
		t.Errorf("told %+v", o)
	}
	// Slewing is not told, a jump is, the instant it happens.
	if o := e.Origin(origin(3*time.Second, yearMS+400)); o.SkewMS != yearMS {
		t.Errorf("a slewing clock: told %d more", o.SkewMS-yearMS)
	}
	if o := e.Origin(origin(4*time.Second, 30)); o.SkewMS != 0 || o.Skewed() {
		t.Errorf("a clock that was put right: told %d", o.SkewMS)
	}
}

func TestACloudThatSetsItsClockIsFollowed(t *testing.T) {
	t.Parallel()
	var e skew.Estimate
	e.Measured(0, 2*time.Millisecond, bootMS)
	e.Measured(time.Minute, time.Minute+time.Second, bootMS+90_000)
	if ms, _, _ := e.Cloud(time.Minute + time.Second); ms < bootMS+90_000 || ms > bootMS+91_000 {
		t.Errorf("the cloud's clock is taken for %d", ms-bootMS)
	}
}

func TestWhatWasRecordedBeforeIsPutRightAfterARestart(t *testing.T) {
	t.Parallel()
	fs := vfs.NewMem()
	if err := fs.MkdirAll("d"); err != nil {
		t.Fatal(err)
	}
	b, err := skew.OpenBoots(fs, "d")
	if err != nil {
		t.Fatal(err)
	}
	early := origin(time.Second, -50*yearMS)
	if o := b.Origin(early); o.SkewKnown {
		t.Errorf("told %d before anything is known", o.SkewMS)
	}
	if err := b.Note("b", bootMS, 7); err != nil {
		t.Fatal(err)
	}
	if err := b.Note("b", bootMS+5000, 1); err != nil { // the first one stays
		t.Fatal(err)
	}
	for range 2 {
		if o := b.Origin(early); o.SkewMS != -50*yearMS || o.SkewErrorMS != 7 || !o.Skewed() {
			t.Errorf("told %+v", o)
		}
		if b, err = skew.OpenBoots(fs, "d"); err != nil {
			t.Fatal(err)
		}
	}
	kept := telemetry.Origin{Boot: "b", SkewKnown: true, SkewMS: 3}
	if o := b.Origin(kept); o != kept {
		t.Errorf("what a record knows was replaced by %+v", o)
	}
	other := telemetry.Origin{Boot: "c", EdgeMS: 1}
	if o := b.Origin(other); o != other {
		t.Errorf("a boot that was never measured: %+v", o)
	}
}

func TestManyBootsAndADamagedMemory(t *testing.T) {
	t.Parallel()
	fs := vfs.NewMem()
	if err := fs.MkdirAll("d"); err != nil {
		t.Fatal(err)
	}
	b, _ := skew.OpenBoots(fs, "d")
	for i := range 300 {
		if err := b.Note(string(rune('a'+i)), bootMS, 1); err != nil {
			t.Fatal(err)
		}
	}
	if b.Origin(telemetry.Origin{Boot: "a"}).SkewKnown || !b.Origin(telemetry.Origin{Boot: string(rune('a' + 299))}).SkewKnown {
		t.Error("not the newest boots are remembered")
	}
	raw, err := vfs.ReadFile(fs, "d/boots", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw {
		if i%37 != 0 && i > 40 {
			continue
		}
		bad := append([]byte(nil), raw...)
		bad[i] ^= 4
		if err := vfs.WriteFile(fs, "d", "boots", bad); err != nil {
			t.Fatal(err)
		}
		b, err := skew.OpenBoots(fs, "d")
		if err == nil && !b.Origin(telemetry.Origin{Boot: string(rune('a' + 299))}).SkewKnown {
			t.Fatalf("byte %d flipped: something else is believed", i)
		}
		if err != nil && b.Note("again", bootMS, 1) != nil {
			t.Fatalf("byte %d flipped: nothing can be remembered any more", i)
		}
	}
}
