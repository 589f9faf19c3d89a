package segment_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/linshao/linshao/edge/internal/outbox/segment"
	"github.com/linshao/linshao/edge/internal/vfs"
)

const (
	benchBody  = 4096
	benchBatch = 16
)

// BenchmarkAppend appends batches of 16 records of 4 KiB. Beside it, batch by
// batch and on the same disk, it does what nothing can undercut: one write and
// one fsync into a plain preallocated file. ratio compares the two,
// amplification is bytes on disk per byte of body.
func BenchmarkAppend(b *testing.B) {
	base := b.TempDir()
	fs := vfs.OS{}
	log := filepath.Join(base, "log")
	check(b, fs.MkdirAll(log))
	l, _, err := segment.Open(fs, log, filepath.Join(base, "mark"), segment.Samples, segment.Options{})
	check(b, err)
	check(b, l.Begin(life1))
	items := make([]segment.Item, benchBatch)
	for i := range items {
		items[i] = segment.Item{Body: bytes.Repeat([]byte{byte(i + 1)}, benchBody), TimeMS: 1}
	}
	raw := newRawLog(b, filepath.Join(base, "raw"))
	batch := bytes.Repeat([]byte{7}, benchBody*benchBatch)
	var ours, theirs time.Duration
	for b.Loop() {
		start := time.Now()
		raw.append(b, batch)
		middle := time.Now()
		if _, err := l.Append(items); err != nil {
			b.Fatal(err)
		}
		theirs += middle.Sub(start)
		ours += time.Since(middle)
	}
	records := float64(b.N * benchBatch)
	b.ReportMetric(records/ours.Seconds(), "records/s")
	b.ReportMetric(records/theirs.Seconds(), "raw-records/s")
	b.ReportMetric(theirs.Seconds()/ours.Seconds(), "ratio")
	check(b, l.Close())
	b.ReportMetric(float64(diskBytes(b, log))/(records*benchBody), "amplification")
}

func diskBytes(b *testing.B, dir string) (n int64) {
	es, err := os.ReadDir(dir)
	check(b, err)
	for _, e := range es {
		st, err := e.Info()
		check(b, err)
		n += st.Size()
	}
	return n
}

// rawLog is the cheapest durable log: no frames, no checks, no list.
type rawLog struct {
	name string
	f    vfs.File
	off  int64
}

func newRawLog(b *testing.B, name string) *rawLog {
	r := &rawLog{name: name}
	r.rotate(b)
	return r
}

func (r *rawLog) rotate(b *testing.B) {
	if r.f != nil {
		check(b, r.f.Close())
		check(b, os.Remove(r.name))
	}
	f, err := vfs.OS{}.Create(r.name)
	check(b, err)
	check(b, f.Allocate(8<<20))
	r.f, r.off = f, 0
}

func (r *rawLog) append(b *testing.B, p []byte) {
	if r.off+int64(len(p)) > 8<<20 {
		r.rotate(b)
	}
	if _, err := r.f.WriteAt(p, r.off); err != nil {
		b.Fatal(err)
	}
	check(b, r.f.Sync())
	r.off += int64(len(p))
}

// BenchmarkRead reads a log of 4 KiB records from its first to its last.
func BenchmarkRead(b *testing.B) {
	base := b.TempDir()
	fs := vfs.OS{}
	l, _, err := segment.Open(fs, base, filepath.Join(base, "mark"), segment.Samples, segment.Options{})
	check(b, err)
	check(b, l.Begin(life1))
	items := make([]segment.Item, 512)
	for i := range items {
		items[i].Body = bytes.Repeat([]byte{1}, benchBody)
	}
	for range 16 {
		_, err := l.Append(items)
		check(b, err)
	}
	b.SetBytes(benchBody)
	r := l.NewReader(1)
	for b.Loop() {
		if _, err := r.Next(); err != nil {
			r.Close()
			r = l.NewReader(1)
		}
	}
}
