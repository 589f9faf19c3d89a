package segment_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/linshao/linshao/edge/internal/outbox/segment"
	"github.com/linshao/linshao/edge/internal/vfs"
)

const (
	dir      = "/log"
	markName = "/log.mark"
)

var (
	life1 = [16]byte{1}
	life2 = [16]byte{2}
)

// rig is a log on a file system in memory and all that was acknowledged.
type rig struct {
	t     testing.TB
	fs    vfs.FS
	o     segment.Options
	log   *segment.Log
	found segment.Recovery
	acked map[segment.Index]string
	tried map[segment.Index]string
}

func newRig(t testing.TB, fs vfs.FS) *rig {
	t.Helper()
	r := &rig{
		t: t, fs: fs, o: segment.Options{SegmentBytes: 1024, Lease: 16},
		acked: map[segment.Index]string{}, tried: map[segment.Index]string{},
	}
	check(t, fs.MkdirAll(dir))
	r.open()
	return r
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// open opens the log, beginning life1 when it is new and life2 when it must.
func (r *rig) open() {
	r.t.Helper()
	var err error
	r.log, r.found, err = segment.Open(r.fs, dir, markName, segment.Samples, r.o)
	check(r.t, err)
	switch {
	case r.found.New:
		check(r.t, r.log.Begin(life1))
	case !r.found.Proven:
		check(r.t, r.log.Begin(life2))
	}
}

// append appends bodies as one batch.
func (r *rig) append(bodies ...string) error {
	var items []segment.Item
	for _, b := range bodies {
		items = append(items, segment.Item{Body: []byte(b), TimeMS: 1000})
	}
	first, err := r.log.Append(items)
	if err != nil {
		return err
	}
	for i, b := range bodies {
		at := first + segment.Index(i)
		if old, twice := r.tried[at]; twice {
			r.t.Fatalf("index %d given to %q and %q", at, old, b)
		}
		r.acked[at], r.tried[at] = b, b
	}
	return nil
}

// fill appends n records in batches of size.
func (r *rig) fill(n, size int) {
	r.t.Helper()
	for at := 0; at < n; at += size {
		var bodies []string
		for i := at; i < min(at+size, n); i++ {
			bodies = append(bodies, body(i))
		}
		check(r.t, r.append(bodies...))
	}
}

func body(i int) string { return fmt.Sprintf("record %04d %s", i, bytes.Repeat([]byte{byte(i)}, i%97)) }

// read returns everything that is in the log.
func read(t testing.TB, l *segment.Log) (records map[segment.Index]string, damaged []segment.Entry) {
	t.Helper()
	records = map[segment.Index]string{}
	r := l.NewReader(1)
	defer r.Close()
	patience := 3 // for disks that answer now and then
	for last := segment.Index(0); ; {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			return records, damaged
		}
		if err != nil && patience > 0 {
			patience--
			continue
		}
		check(t, err)
		if e.First != last+1 || e.Last < e.First {
			t.Fatalf("entry %d..%d after %d", e.First, e.Last, last)
		}
		last = e.Last
		switch e.What {
		case segment.Record:
			records[e.First] = string(e.Body)
		case segment.Damaged:
			damaged = append(damaged, e)
		}
	}
}

// wantWhole fails unless everything acknowledged is there and nothing else.
func (r *rig) wantWhole() {
	r.t.Helper()
	got, damaged := read(r.t, r.log)
	if len(damaged) > 0 {
		r.t.Errorf("damaged: %+v", damaged)
	}
	for i, b := range r.acked {
		if got[i] != b {
			r.t.Errorf("record %d is %q, want %q", i, got[i], b)
		}
	}
	if len(got) != len(r.acked) {
		r.t.Errorf("%d records, want %d", len(got), len(r.acked))
	}
}
