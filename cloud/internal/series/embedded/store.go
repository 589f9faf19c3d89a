// Package embedded keeps time series with Prometheus' TSDB as a library, in
// one directory, inside the process. It is the default backend and the only
// package that may import Prometheus.
//
// Append returns when the group is fsynced: the library itself hardly ever
// does, so every segment of its two write-ahead logs (wal, and wbl for what
// came out of order) that was touched is fsynced from outside, and their
// directories. Nothing of a group that returned nil is lost to kill -9 or to
// a power cut.
//
// What the library does that one must know, and what is done about it:
//   - a sample far ahead makes it refuse all normal ones: series.Check first;
//   - a failed write to the wbl is only logged: the write-failure counters
//     of both logs are watched, and break the Store;
//   - after a failed write or fsync a log may hold a torn record that hides
//     what is written behind it: the Store answers series.ErrBroken from then
//     on and must be opened anew, which repairs the log;
//   - out-of-order samples that were acknowledged could vanish after a restart
//     (prometheus#19744): the out-of-order head is compacted right after
//     every start, before anything else may be;
//   - if that leaves no mapped chunk, the library numbers them from 1 again
//     although it has noted that all up to the last one are compacted: new late
//     samples would be hidden and then thrown away. It is opened once more;
//   - it replays no sample of its log that is older than a block's end, though
//     a block merged from late samples and others may end behind samples that
//     are in the log only: every block is marked so that it replays all;
//   - it panics, also on goroutines of its own, when it cannot write chunks that
//     are to be mapped: samples are taken only while Options.Reserve is free;
//   - another value at a time that is already there is silently ignored: the
//     first stays.
//
// A Sample of bad quality is kept as a staleness marker, so that PromQL sees
// the gap too.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"

	"github.com/linshao/linshao/cloud/internal/series"
	"github.com/linshao/linshao/protocol/kit/chaos"
	"github.com/linshao/linshao/protocol/telemetry"
)

// Options of a Store.
type Options struct {
	Dir string
	// Retention is how long samples are kept; whole blocks go.
	Retention time.Duration
	// Now is the clock that times are checked against.
	Now func() time.Time
	Log *slog.Logger
	// SegmentBytes is the size of a segment of the logs and of the blocks; 0:
	// the library's 128 MiB for the logs, 32 MiB for the blocks.
	SegmentBytes int
	// Reserve is the room, in bytes, that must be left on the disk for samples
	// to be taken; 0: none.
	Reserve int64
}

// Store is a series.Store in a directory of this machine.
type Store struct {
	db     *tsdb.DB
	engine *promql.Engine
	now    func() time.Time
	gap    float64
	dir    string

	mu      sync.Mutex // one group at a time; guards all below
	reserve int64
	refs    refCache
	logs    [2]*tail // wal and wbl
	failed  *failures
	broken  error // set once; nothing is taken any more
}

var (
	_ series.Store      = (*Store)(nil)
	_ series.Prometheus = (*Store)(nil)
)

// window is wider than the age of anything series.Check lets through, since
// the library counts it from the newest sample of any estate.
const window = series.OldestAgeMS + 2*series.NewestAheadMS

// Open opens or makes the store in o.Dir. It replays the logs, which takes
// about a second for each million samples of the last two hours.
func Open(ctx context.Context, o Options) (*Store, error) {
	if err := checkRoom(o.Dir, o.Reserve); err != nil {
		return nil, fmt.Errorf("open series store: %w", err)
	}
	db, failed, err := openLibrary(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("open series store: %w", err)
	}
	s := &Store{
		db: db, engine: newEngine(o.Log), now: o.Now, failed: failed, dir: o.Dir, reserve: o.Reserve,
		gap: math.Float64frombits(value.StaleNaN), refs: newRefCache(),
	}
	if err := s.openLogs(o.Dir); err != nil {
		return nil, errors.Join(fmt.Errorf("open series store: %w", err), s.Close())
	}
	return s, nil
}

// blockFile bounds the files of a block. The library allocates one of full size
// before it writes a block, also the block of late samples that every start
// makes: with its own 512 MiB a store could not be opened on a disk with less
// room than that.
const blockFile = 32 << 20

func libraryOptions(o Options) *tsdb.Options {
	t := tsdb.DefaultOptions()
	t.RetentionDuration = o.Retention.Milliseconds()
	t.MaxBlockDuration = max(t.MinBlockDuration, min(t.RetentionDuration/10, (31*24*time.Hour).Milliseconds()))
	t.OutOfOrderTimeWindow = window
	t.MaxBlockChunkSegmentSize = blockFile
	if o.SegmentBytes > 0 {
		t.WALSegmentSize = o.SegmentBytes
		t.MaxBlockChunkSegmentSize = int64(o.SegmentBytes)
	}
	return t
}

// Append implements series.Appender: one group, one fsync of each log.
func (s *Store) Append(ctx context.Context, batches []series.Batch) (series.Tally, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var t series.Tally
	if s.broken != nil {
		return t, s.broken
	}
	if err := ctx.Err(); err != nil {
		return t, err
	}
	if err := checkRoom(s.dir, s.reserve); err != nil {
		return t, err
	}
	app := s.db.AppenderV2(ctx)
	nowMS := s.now().UnixMilli()
	for _, b := range batches {
		if err := s.appendLocked(app, b, nowMS, &t); err != nil {
			return t, errors.Join(s.breakLocked(err), app.Rollback())
		}
	}
	chaos.At("series.append.before")
	if err := app.Commit(); err != nil {
		return t, s.breakLocked(err)
	}
	chaos.At("series.append.after")
	if err := s.syncLocked(); err != nil {
		return t, s.breakLocked(err)
	}
	return t, nil
}

func (s *Store) appendLocked(app storage.AppenderV2, b series.Batch, nowMS int64, t *series.Tally) error {
	var last telemetry.SeriesKey
	var entry *refEntry
	for i := range b.Samples {
		sample := &b.Samples[i]
		if sample.Text != "" {
			t.Texts++
			continue
		}
		if why := series.CheckValue(sample, nowMS); why != "" {
			t.Refuse(why, 1)
			continue
		}
		if entry == nil || sample.Key != last {
			entry, last = s.refs.entry(b.Estate, b.Edge, sample.Key), sample.Key
		}
		if entry == nil {
			t.Refuse(series.BadName, 1)
			continue
		}
		v := sample.Value
		if sample.Quality == telemetry.Bad {
			v = s.gap
		}
		ref, err := app.Append(entry.ref, entry.labels, 0, sample.AtMS, v, nil, nil, storage.AOptions{})
		switch {
		case err == nil:
			entry.ref = ref
			t.Stored++
		case errors.Is(err, storage.ErrDuplicateSampleForTimestamp):
			t.Stored++ // the first value of a time stays
		case errors.Is(err, storage.ErrTooOldSample), errors.Is(err, storage.ErrOutOfBounds):
			t.Refuse(series.TooOld, 1)
		default:
			return fmt.Errorf("append sample: %w", err)
		}
	}
	return nil
}

func (s *Store) syncLocked() error {
	if n := s.failed.count(); n > 0 {
		return fmt.Errorf("%v writes to the logs failed", n)
	}
	chaos.At("wal.sync.before")
	if err := s.logs[0].sync(); err != nil {
		return err
	}
	chaos.At("wal.sync.after")
	if err := s.logs[1].sync(); err != nil {
		return err
	}
	chaos.At("wbl.sync.after")
	return nil
}

// breakLocked: after a failure nobody knows what is on disk, and a second
// fsync may call lost pages written. Only opening anew tells.
func (s *Store) breakLocked(err error) error {
	s.broken = fmt.Errorf("append to series: %w: %w", series.ErrBroken, err)
	return s.broken
}

// Close implements series.Store.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken == nil {
		s.broken = fmt.Errorf("series store is closed: %w", series.ErrBroken)
	}
	chaos.At("series.close.before")
	errs := []error{s.engine.Close(), s.db.Close()}
	for _, t := range s.logs {
		errs = append(errs, t.close())
	}
	return errors.Join(errs...)
}

// labelNames of every series, besides __name__, in the order labels are kept.
const (
	labelDevice = "device"
	labelEdge   = "edge"
	labelEstate = "estate"
	labelKind   = "kind"
	labelMetric = "metric"
)

func labelsOf(estate, edge string, k telemetry.SeriesKey) labels.Labels {
	return labels.FromStrings(
		model.MetricNameLabel, series.Name(k.Kind, k.Metric),
		labelDevice, k.Device, labelEdge, edge, labelEstate, estate,
		labelKind, k.Kind, labelMetric, k.Metric,
	)
}
