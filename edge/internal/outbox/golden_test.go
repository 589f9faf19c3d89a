package outbox_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/telemetry"

	"github.com/linshao/linshao/edge/internal/outbox"
	"github.com/linshao/linshao/edge/internal/vfs"
)

// update makes the golden directories that do not exist yet. Those that do are
// never made anew: they are what versions in the field have written.
var update = flag.Bool("update", false, "make golden directories of a new format version")

// goldenFormat is the version that the makers below write.
const goldenFormat = "v1"

const goldenDir = "testdata/golden"

// Every outbox that any version has written can be read, with exactly the
// content that was recorded then, and goes on.
func TestGoldenDirectories(t *testing.T) {
	t.Parallel()
	if *update {
		makeGolden(t)
	}
	archives, err := filepath.Glob(goldenDir + "/*.tar.gz")
	check(t, err)
	if len(archives) < len(goldenMakers()) {
		t.Fatalf("%d archives", len(archives))
	}
	for _, a := range archives {
		want, err := os.ReadFile(strings.TrimSuffix(a, ".tar.gz") + ".ndjson")
		check(t, err)
		m := unpack(t, a)
		if got := dumped(t, m); !bytes.Equal(got, want) {
			t.Errorf("%s has\n%s\nwant\n%s", a, got, want)
		}
		r := newRigOn(t, m)
		r.leaseBytes = 100_000
		wantServed(t, a, r, want)
		check(t, r.box.Append(r.ctx, []envelope.Record{r.alarm("new")}, []envelope.Record{r.sample(77)}))
		r.drain(envelope.Alarm, true)
		r.drain(envelope.Samples, true)
		if l := r.box.Stats(); l.Alarm.Records+l.Samples.Records+l.Alarm.Missing+l.Samples.Missing != 0 {
			t.Errorf("%s: after all was answered %+v", a, l)
		}
		check(t, r.box.Close())
	}
}

// wantServed drains r and fails unless what leaves is what was recorded.
func wantServed(t *testing.T, name string, r *rig, want []byte) {
	t.Helper()
	var samples, transitions int
	for d := json.NewDecoder(bytes.NewReader(want)); ; {
		var l outbox.Line
		if err := d.Decode(&l); errors.Is(err, io.EOF) {
			break
		} else {
			check(t, err)
		}
		samples, transitions = samples+len(l.Samples), transitions+len(l.Transitions)
	}
	r.drain(envelope.Alarm, true)
	r.drain(envelope.Samples, true)
	if len(r.cloud.values) != samples || len(r.cloud.raised) != transitions {
		t.Errorf("%s: %d samples and %d transitions left, want %d and %d", name, len(r.cloud.values), len(r.cloud.raised), samples, transitions)
	}
}

func newRigOn(t *testing.T, m *vfs.Mem) *rig {
	t.Helper()
	x := newRig(t, vfs.NewMem())
	x.fs = m
	x.open()
	return x
}

func dumped(t *testing.T, m *vfs.Mem) []byte {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	check(t, outbox.Dump(m, "/box", func(l outbox.Line) error { return e.Encode(l) }))
	return out.Bytes()
}

func makeGolden(t *testing.T) {
	check(t, os.MkdirAll(goldenDir, 0o750))
	for name, do := range goldenMakers() {
		base := filepath.Join(goldenDir, goldenFormat+"-"+name)
		if _, err := os.Stat(base + ".tar.gz"); err == nil {
			continue
		}
		m := vfs.NewMem()
		r := newRig(t, m)
		do(r)
		check(t, os.WriteFile(base+".ndjson", dumped(t, m), 0o600))
		check(t, os.WriteFile(base+".tar.gz", packed(t, m), 0o600))
	}
}

func goldenMakers() map[string]func(r *rig) {
	return map[string]func(r *rig){
		"normal": func(r *rig) {
			check(r.t, r.box.Append(r.ctx, []envelope.Record{r.alarm("a"), r.checkpoint("tickets"), r.alarm("b")}, nil))
			r.samples(0, 10)
			check(r.t, r.box.Close())
		},
		"killed": func(r *rig) {
			check(r.t, r.box.Append(r.ctx, []envelope.Record{r.alarm("a")}, nil))
			r.samples(0, 10)
		},
		"segments": func(r *rig) {
			r.samples(0, 120)
			check(r.t, r.box.Close())
			r.open()
			r.samples(120, 10)
			check(r.t, r.box.Close())
		},
		"damaged": func(r *rig) {
			r.samples(0, 60)
			check(r.t, r.box.Close())
			f := segments(r.fs.(*vfs.Mem))[0]
			b := mustRead(r.fs.(*vfs.Mem), f)
			b[300] ^= 8
			clear(b[1024:1536])
			put(r.fs.(*vfs.Mem), f, b)
		},
		"gaps": func(r *rig) {
			r.o.MaxAge = time.Hour
			check(r.t, r.box.Close())
			r.open()
			for i := range 120 {
				r.clock.Advance(time.Minute)
				r.samples(i, 1)
			}
			check(r.t, r.box.Settle(envelope.Receipt{
				Epoch: r.box.Epoch(), Log: envelope.Samples, Verdict: envelope.Stored, Sequences: []envelope.Range{{First: 90, Last: 95}, {First: 110, Last: 110}},
			}))
			check(r.t, r.box.Close())
		},
		"untrusted": func(r *rig) {
			s := r.sample(3)
			s.Origin = telemetry.Origin{Boot: "no clock", MonoMS: 1234, EdgeMS: 5678}
			s.Samples[0].Marks = telemetry.ClockUntrusted | telemetry.ReceiveTime
			s.Events = []telemetry.Event{{Device: "gate", Kind: "gate", Name: "door_forced_open", AtMS: 5678, EdgeMS: 5678, Data: []byte(`{"n":1}`)}}
			check(r.t, r.box.Append(r.ctx, nil, []envelope.Record{s, r.sample(4)}))
			check(r.t, r.box.Close())
		},
		"epochs": func(r *rig) {
			r.samples(0, 5)
			check(r.t, r.box.Close())
			check(r.t, r.fs.Remove("/box/state"))
			r.open()
			r.samples(5, 5)
			check(r.t, r.box.Close())
		},
	}
}

func packed(t *testing.T, m *vfs.Mem) []byte {
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	check(t, err)
	w := tar.NewWriter(z)
	for _, f := range m.Paths("/box") {
		b := mustRead(m, f)
		check(t, w.WriteHeader(&tar.Header{Name: strings.TrimPrefix(f, "/box/"), Mode: 0o600, Size: int64(len(b))}))
		_, err := w.Write(b)
		check(t, err)
	}
	check(t, errors.Join(w.Close(), z.Close()))
	return out.Bytes()
}

func unpack(t *testing.T, name string) *vfs.Mem {
	t.Helper()
	f, err := os.Open(name)
	check(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	check(t, err)
	m := vfs.NewMem()
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return m
		}
		check(t, err)
		b, err := io.ReadAll(r)
		check(t, err)
		file := "/box/" + h.Name
		check(t, m.MkdirAll(path.Dir(file)))
		put(m, file, b)
	}
}
