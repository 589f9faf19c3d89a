package outbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"path"

	"github.com/google/uuid"

	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/telemetry"
	"github.com/linshao/linshao/protocol/ticket"

	"github.com/linshao/linshao/edge/internal/outbox/segment"
	"github.com/linshao/linshao/edge/internal/vfs"
)

// Line is one record that waits, or one run of records that are gone (Gap is
// set) and of which the cloud has not been told.
type Line struct {
	Log envelope.Log `json:"log"`
	// Position to LastPosition is one position for a record.
	Position     uint64            `json:"position"`
	LastPosition uint64            `json:"last_position,omitempty"`
	Epoch        string            `json:"epoch"`
	Sequence     envelope.Sequence `json:"sequence"`
	// Gap is the reason why these are gone, FromMS to ToMS from when to when,
	// 0 where that is not known.
	Gap    string `json:"gap,omitempty"`
	FromMS int64  `json:"from_ms,omitempty"`
	ToMS   int64  `json:"to_ms,omitempty"`

	Boot         string `json:"boot,omitempty"`
	MonoMS       int64  `json:"mono_ms,omitempty"`
	EdgeMS       int64  `json:"edge_ms,omitempty"`
	ClockTrusted bool   `json:"clock_trusted"`
	// Local records are the edge's own memory: their content never leaves.
	Local bool `json:"local,omitempty"`
	// CheckpointBytes is the size of the edge's ticket state, if this is one.
	CheckpointBytes int                 `json:"checkpoint_bytes,omitempty"`
	Samples         []SampleLine        `json:"samples,omitempty"`
	Events          []EventLine         `json:"events,omitempty"`
	Transitions     []ticket.Transition `json:"transitions,omitempty"`
}

// SampleLine is a telemetry.Sample as JSON.
type SampleLine struct {
	Device   string `json:"device"`
	Kind     string `json:"kind,omitempty"`
	Metric   string `json:"metric"`
	AtMS     int64  `json:"ts"`
	DeviceMS int64  `json:"device_ms,omitempty"`
	EdgeMS   int64  `json:"edge_ms,omitempty"`
	// Value is null where there is no number that JSON knows.
	Value   *float64        `json:"value"`
	Text    string          `json:"text,omitempty"`
	Quality string          `json:"quality"`
	Reason  string          `json:"reason,omitempty"`
	Marks   telemetry.Marks `json:"marks,omitempty"`
}

// EventLine is a telemetry.Event as JSON.
type EventLine struct {
	Device   string          `json:"device"`
	Kind     string          `json:"kind,omitempty"`
	Name     string          `json:"event"`
	AtMS     int64           `json:"ts"`
	DeviceMS int64           `json:"device_ms,omitempty"`
	EdgeMS   int64           `json:"edge_ms,omitempty"`
	Data     json.RawMessage `json:"data,omitempty"`
	Marks    telemetry.Marks `json:"marks,omitempty"`
}

// Dump calls fn with everything that waits in the outbox in dir, alarm log
// first, in order of position; what is damaged comes as a gap. It changes
// nothing and works beside the daemon that uses the outbox; then it may still
// show what was settled within Options.SettleEvery, and the batch being
// written. It ends with fn's first error.
func Dump(fs vfs.FS, dir string, fn func(Line) error) error {
	state, _, err := readState(fs, dir)
	if err != nil {
		return err
	}
	for _, s := range []struct {
		name envelope.Log
		st   knownState
	}{{envelope.Alarm, state.Alarm}, {envelope.Samples, state.Samples}} {
		k, err := s.st.load()
		if err != nil {
			k = known{} // everything counts as waiting
		}
		log, _, err := segment.Inspect(fs, path.Join(dir, string(s.name)), path.Join(dir, string(s.name)+".mark"), kindOf(s.name))
		if err != nil {
			return err
		}
		if err := k.dump(s.name, log, fn); err != nil {
			return err
		}
	}
	return nil
}

// dump merges what is in log with the gaps that are known.
func (k *known) dump(name envelope.Log, log *segment.Log, fn func(Line) error) error {
	gaps, answered := k.gaps, k.settled
	for _, g := range gaps {
		answered = answered.Add(span(g.First, g.Last))
	}
	until := func(i segment.Index) error {
		for ; len(gaps) > 0 && gaps[0].First <= i; gaps = gaps[1:] {
			g := gaps[0]
			if err := fn(gapLine(name, g)); err != nil {
				return err
			}
		}
		return nil
	}
	r := log.NewReader(1)
	defer r.Close()
	for {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			return until(math.MaxInt64)
		}
		if err != nil {
			return fmt.Errorf("read %s log: %w", name, err)
		}
		if err := until(e.Last); err != nil {
			return err
		}
		if e.What == segment.Void {
			continue
		}
		for _, part := range answered.Missing(span(e.First, e.Last)) {
			if err := fn(lineOf(name, e, part)); err != nil {
				return err
			}
		}
	}
}

func gapLine(name envelope.Log, g gap) Line {
	return Line{
		Log: name, Position: uint64(g.First), LastPosition: uint64(g.Last), Epoch: uuid.UUID(g.Life.ID).String(),
		Sequence: life{g.Life}.sequence(g.First), Gap: g.Reason, FromMS: g.FromMS, ToMS: g.ToMS,
	}
}

func lineOf(name envelope.Log, e segment.Entry, part envelope.Range) Line {
	lost := gapLine(name, gap{First: segment.Index(part.First), Last: segment.Index(part.Last), Life: e.Life, Reason: reasonDamaged, FromMS: e.FromMS, ToMS: e.ToMS})
	if e.What != segment.Record {
		return lost
	}
	r, err := envelope.DecodeRecord(e.Body)
	if err != nil {
		return lost
	}
	l := Line{
		Log: name, Position: lost.Position, Epoch: lost.Epoch, Sequence: lost.Sequence, Boot: r.Origin.Boot, MonoMS: r.Origin.MonoMS,
		EdgeMS: r.Origin.EdgeMS, ClockTrusted: r.Origin.ClockTrusted, Local: r.Local, CheckpointBytes: len(r.Checkpoint), Transitions: r.Transitions,
	}
	for _, s := range r.Samples {
		l.Samples = append(l.Samples, sampleLine(s))
	}
	for _, v := range r.Events {
		x := EventLine{Device: v.Device, Kind: v.Kind, Name: v.Name, AtMS: v.AtMS, DeviceMS: v.DeviceMS, EdgeMS: v.EdgeMS, Marks: v.Marks}
		if json.Valid(v.Data) {
			x.Data = v.Data
		}
		l.Events = append(l.Events, x)
	}
	return l
}

func sampleLine(s telemetry.Sample) SampleLine {
	l := SampleLine{
		Device: s.Key.Device, Kind: s.Key.Kind, Metric: s.Key.Metric, AtMS: s.AtMS, DeviceMS: s.DeviceMS, EdgeMS: s.EdgeMS,
		Text: s.Text, Quality: s.Quality.String(), Reason: s.Reason, Marks: s.Marks,
	}
	if s.Quality != telemetry.Bad && s.Text == "" && !math.IsNaN(s.Value) && !math.IsInf(s.Value, 0) {
		l.Value = &s.Value
	}
	return l
}
