package backup_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/linshao/linshao/edge/internal/backup"
	"github.com/linshao/linshao/edge/internal/outbox"
	"github.com/linshao/linshao/edge/internal/vfs"
	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/kit/clock"
	"github.com/linshao/linshao/protocol/telemetry"
	"github.com/linshao/linshao/protocol/ticket"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, dir string) *outbox.Outbox {
	t.Helper()
	b, err := outbox.Open(vfs.OS{}, filepath.Join(dir, "outbox"), outbox.Options{
		Clock: clock.NewSystem(), Log: slog.New(slog.DiscardHandler), MinFree: -1, ReserveBytes: -1,
		AlarmSegment: 16 << 10, SampleSegment: 32 << 10,
	})
	check(t, err)
	return b
}

func record(n int) (alarm, sample []envelope.Record) {
	o := telemetry.Origin{Boot: "b", EdgeMS: time.Now().UnixMilli(), ClockTrusted: true}
	s := telemetry.Sample{Key: telemetry.SeriesKey{Device: "d", Kind: "k", Metric: "m"}, AtMS: int64(n) + 1, Value: float64(n)}
	return []envelope.Record{{Origin: o, Transitions: []ticket.Transition{{ID: fmt.Sprint(n), Kind: "raise", Ticket: "t"}}}},
		[]envelope.Record{{Origin: o, Samples: []telemetry.Sample{s}}}
}

// drain takes all that waits as a cloud would, and calls took with each
// Envelope; with settle it answers.
func drain(t testing.TB, b *outbox.Outbox, settle bool, took func(envelope.Envelope)) {
	t.Helper()
	for _, log := range []envelope.Log{envelope.Alarm, envelope.Samples} {
		for pos := uint64(1); ; {
			e, next, err := b.Lease(log, pos, outbox.Last, 4000)
			check(t, err)
			if len(e.Sequences)+len(e.Missing) == 0 && next == pos {
				break
			}
			pos = next
			if len(e.Sequences)+len(e.Missing) == 0 {
				continue
			}
			took(e)
			if settle {
				check(t, b.Settle(envelope.Receipt{Epoch: e.Epoch, Log: log, Sequences: e.Sequences, Verdict: envelope.Stored}))
			}
		}
	}
}

// The drill: an edge is backed up while it works, then lost with its disk. The
// restored one sends all that was acknowledged before the backup and had not
// been settled, reports nothing as gone, and issues no Sequence that the lost
// one may have issued.
func TestADrillUnderLoad(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	dir, file := filepath.Join(base, "data"), filepath.Join(base, "b.tar.gz")
	check(t, os.MkdirAll(dir, 0o700))
	check(t, os.WriteFile(filepath.Join(dir, "format"), []byte("edge 1\n"), 0o600))
	check(t, os.WriteFile(filepath.Join(dir, "lock"), nil, 0o600))
	box := open(t, dir)
	check(t, os.WriteFile(filepath.Join(dir, "outbox", "boots"), []byte("b"), 0o600))
	const before = 400
	for i := range before {
		a, s := record(i)
		check(t, box.Append(t.Context(), a, s))
	}
	cloud := map[int]bool{}
	keep := func(e envelope.Envelope) {
		for _, s := range e.Samples {
			cloud[int(s.Value)] = true
		}
	}
	drain(t, box, true, keep)
	for i := before; i < 2*before; i++ {
		a, s := record(i)
		check(t, box.Append(t.Context(), a, s))
	}
	load, stop := context.WithCancel(t.Context())
	var working sync.WaitGroup
	working.Go(func() { // goes on appending and settling while it is copied
		for i := 2 * before; load.Err() == nil; i++ {
			a, s := record(i)
			check(t, box.Append(t.Context(), a, s))
			if i%50 == 0 {
				drain(t, box, true, func(envelope.Envelope) {})
			}
		}
	})
	_, err := backup.Make(dir, "outbox", []string{"boots", "nothing"}, file, backup.Manifest{Product: "edge", Format: 1, Version: "v", MadeMS: 1})
	check(t, err)
	stop()
	working.Wait()
	lost := box.Epoch()
	check(t, box.Close())
	check(t, os.RemoveAll(dir))

	m, err := backup.Restore(file, dir, "edge", 1)
	check(t, err)
	if m.Version != "v" || m.MadeMS != 1 || slices.ContainsFunc(m.Files, func(f backup.File) bool { return f.Name == "lock" }) {
		t.Errorf("%+v", m)
	}
	for file, want := range map[string]string{"format": "edge 1\n", "outbox/boots": "b"} {
		if b, err := os.ReadFile(filepath.Join(dir, file)); err != nil || string(b) != want {
			t.Errorf("%s is %q, %v", file, b, err)
		}
	}
	box = open(t, dir)
	defer func() { check(t, box.Close()) }()
	var raised []string
	drain(t, box, true, func(e envelope.Envelope) {
		keep(e)
		for _, x := range e.Transitions {
			raised = append(raised, x.ID)
		}
		if len(e.Missing) > 0 {
			t.Errorf("gaps of %s: %+v", e.Log, e.Missing)
		}
	})
	for i := range 2 * before {
		if !cloud[i] {
			t.Fatalf("sample %d is lost", i)
		}
	}
	if box.Epoch() == lost {
		t.Error("the restored outbox goes on in the epoch of the lost one")
	}
	a, s := record(-1)
	check(t, box.Append(t.Context(), a, s))
	drain(t, box, false, func(e envelope.Envelope) {
		if e.Epoch != box.Epoch() {
			t.Errorf("new records of epoch %s", e.Epoch)
		}
	})
}

func TestWhatIsNotRestored(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	dir, file := filepath.Join(base, "data"), filepath.Join(base, "b.tar.gz")
	box := open(t, dir)
	a, s := record(1)
	check(t, box.Append(t.Context(), a, s))
	check(t, box.Close())
	good, err := backup.Make(dir, "outbox", []string{"boots", "nothing"}, file, backup.Manifest{Product: "edge", Format: 2})
	check(t, err)
	whole, err := os.ReadFile(file)
	check(t, err)

	if _, err := backup.Make(dir, "outbox", []string{"boots", "nothing"}, filepath.Join(dir, "b"), backup.Manifest{Product: "edge"}); !errors.Is(err, backup.ErrInside) {
		t.Errorf("backup into the data itself: %v", err)
	}
	if _, err := backup.Make(dir, "outbox", []string{"boots", "nothing"}, file, backup.Manifest{Product: "edge"}); !errors.Is(err, os.ErrExist) {
		t.Errorf("backup over a file that is there: %v", err)
	}
	fresh := filepath.Join(base, "fresh")
	for name, c := range map[string]struct {
		dir, product string
		format       int
		want         error
	}{
		"into data":     {dir, "edge", 2, backup.ErrNotEmpty},
		"newer":         {fresh, "edge", 1, backup.ErrNewer},
		"other product": {fresh, "cloud", 2, backup.ErrForeign},
	} {
		if _, err := backup.Restore(file, c.dir, c.product, c.format); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for at := 0; at < len(whole); at += 17 {
		bad := slices.Clone(whole)
		bad[at] ^= 16
		for name, b := range map[string][]byte{"flipped": bad, "cut": whole[:at]} {
			check(t, os.WriteFile(file, b, 0o600))
			// A flipped bit may mean nothing: the time of the archive, or zeros
			// copied from elsewhere among zeros.
			if m, err := backup.Restore(file, fresh, "edge", 2); err == nil && (name == "cut" || !slices.Equal(m.Files, good.Files)) {
				t.Fatalf("%s at %d was restored as %+v", name, at, m)
			}
			check(t, os.RemoveAll(fresh))
		}
	}
	check(t, os.WriteFile(file, whole, 0o600))
	check(t, os.MkdirAll(fresh, 0o700)) // empty
	_, err = backup.Restore(file, fresh, "edge", 2)
	check(t, err)
	if left, err := filepath.Glob(filepath.Join(base, "*.restoring")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// A backup of the first format is restored for ever.
func TestAGoldenBackupIsReadable(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	m, err := backup.Restore("testdata/v1.tar.gz", dir, "linshao-edge", 1)
	check(t, err)
	if m.MadeMS != 1_732_269_600_000 || len(m.Files) != 6 || m.Files[0].Name != "format" {
		t.Errorf("%+v", m)
	}
	box := open(t, dir)
	defer func() { check(t, box.Close()) }()
	samples, raises := 0, 0
	drain(t, box, false, func(e envelope.Envelope) {
		samples += len(e.Samples)
		raises += len(e.Transitions)
	})
	if samples != 20 || raises != 20 {
		t.Errorf("%d samples, %d raises", samples, raises)
	}
}
