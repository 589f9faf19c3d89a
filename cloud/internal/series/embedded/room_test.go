package embedded

import (
	"errors"
	"log/slog"
	"math"
	"path/filepath"
	"testing"
	"time"

	"github.com/linshao/linshao/cloud/internal/series"
	"github.com/linshao/linshao/protocol/telemetry"
)

// The library allocates a file of a block in full before it writes: a store
// that makes blocks at every start must not ask for more room than that disk
// has which is all but full.
func TestABlockNeedsLittleRoom(t *testing.T) {
	t.Parallel()
	if got := libraryOptions(Options{}).MaxBlockChunkSegmentSize; got > Reserve/2 {
		t.Errorf("%d bytes are allocated for a block", got)
	}
	if got := libraryOptions(Options{SegmentBytes: 1 << 20}).MaxBlockChunkSegmentSize; got != 1<<20 {
		t.Errorf("%d bytes, though 1 MiB was asked for", got)
	}
}

// Without room samples wait at the edges; the store is whole and goes on when
// there is some again.
func TestSamplesLeaveAReserve(t *testing.T) {
	t.Parallel()
	o := Options{
		Dir: filepath.Join(t.TempDir(), "series"), Retention: 24 * time.Hour, Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Reserve: math.MaxInt64,
	}
	if _, err := Open(t.Context(), o); !errors.Is(err, series.ErrNoRoom) {
		t.Fatalf("opened without room: %v", err)
	}
	o.Reserve = 1
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	group := []series.Batch{{Estate: "e", Edge: "g", Samples: []telemetry.Sample{{
		Key: telemetry.SeriesKey{Device: "d", Kind: "meter", Metric: "count"}, AtMS: time.Now().UnixMilli(), Value: 1,
	}}}}
	s.reserve = math.MaxInt64
	if _, err := s.Append(t.Context(), group); !errors.Is(err, series.ErrNoRoom) || errors.Is(err, series.ErrBroken) {
		t.Fatalf("taken without room: %v", err)
	}
	s.reserve = 1
	if tally, err := s.Append(t.Context(), group); err != nil || tally.Stored != 1 {
		t.Fatalf("%d stored when there was room again: %v", tally.Stored, err)
	}
}
