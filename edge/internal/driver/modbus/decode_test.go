package modbus

import (
	"encoding/binary"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/linshao/linshao/edge/internal/device"
	"github.com/linshao/linshao/protocol/telemetry"
)

func TestDecode(t *testing.T) {
	t.Parallel()
	const a, b, c, d = 0x42, 0x76, 0x12, 0x34 // 0x42761234 is 61.517776...
	f32 := float64(math.Float32frombits(0x42761234))
	for name, x := range map[string]struct {
		point device.Point
		raw   []byte
		want  float64
	}{
		"uint16":                     {device.Point{Type: device.Uint16}, []byte{0xFF, 0xFE}, 65534},
		"int16":                      {device.Point{Type: device.Int16}, []byte{0xFF, 0xFE}, -2},
		"uint16, bytes swapped":      {device.Point{Type: device.Uint16, Order: device.BADC}, []byte{0x34, 0x12}, 0x1234},
		"uint32":                     {device.Point{Type: device.Uint32}, []byte{0, 1, 0x11, 0x70}, 70000},
		"uint32, low word first":     {device.Point{Type: device.Uint32, Order: device.CDAB}, []byte{0x11, 0x70, 0, 1}, 70000},
		"int32":                      {device.Point{Type: device.Int32}, []byte{0xFF, 0xFF, 0xFF, 0xFD}, -3},
		"float32 ABCD":               {device.Point{Type: device.Float32}, []byte{a, b, c, d}, f32},
		"float32 CDAB":               {device.Point{Type: device.Float32, Order: device.CDAB}, []byte{c, d, a, b}, f32},
		"float32 BADC":               {device.Point{Type: device.Float32, Order: device.BADC}, []byte{b, a, d, c}, f32},
		"float32 DCBA":               {device.Point{Type: device.Float32, Order: device.DCBA}, []byte{d, c, b, a}, f32},
		"high byte":                  {device.Point{Type: device.Uint16, Mask: 0xFF00}, []byte{0x12, 0x34}, 0x12},
		"low byte in tenths":         {device.Point{Type: device.Uint16, Mask: 0x00FF, Scale: 0.1}, []byte{0x12, 30}, 3},
		"signed high byte":           {device.Point{Type: device.Int16, Mask: 0xFF00}, []byte{0xFE, 0x34}, -2},
		"a field in the middle":      {device.Point{Type: device.Uint16, Mask: 0x0FF0}, []byte{0xAB, 0xCD}, 0xBC},
		"bool":                       {device.Point{Type: device.Bool}, []byte{0x10, 0}, 1},
		"bool by mask, set":          {device.Point{Type: device.Bool, Mask: 0x3}, []byte{0, 2}, 1},
		"bool by mask, clear":        {device.Point{Type: device.Bool, Mask: 0x3}, []byte{0xFF, 0xFC}, 0},
		"bits":                       {device.Point{Type: device.Bits, Scale: 7}, []byte{0x08, 0x02}, 0x802},
		"scaled and shifted":         {device.Point{Type: device.Int16, Scale: 0.5, Offset: -40}, []byte{0, 101}, 10.5},
		"a scale that is no divisor": {device.Point{Type: device.Uint16, Scale: 2.5}, []byte{0, 3}, 7.5},
		"float64":                    {device.Point{Type: device.Float64}, []byte{0x40, 0x09, 0x21, 0xFB, 0x54, 0x44, 0x2D, 0x18}, math.Pi},
		"int64":                      {device.Point{Type: device.Int64}, []byte{255, 255, 255, 255, 255, 255, 255, 251}, -5},
	} {
		if x.point.Scale == 0 {
			x.point.Scale = 1
		}
		dec := newDecoder(x.point)
		if got := dec.number(dec.word(x.raw)); got != x.want {
			t.Errorf("%s: %v, want %v", name, got, x.want)
		}
	}
}

// Whatever the order, a device that stores by it is read back right.
func TestEveryOrderOfEveryType(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		v := rapid.Float64Range(-1e15, 1e15).Draw(rt, "v")
		order := rapid.SampledFrom([]device.Order{device.ABCD, device.CDAB, device.BADC, device.DCBA}).Draw(rt, "order")
		kind := rapid.SampledFrom([]device.Type{device.Float64, device.Float32, device.Int64, device.Uint32}).Draw(rt, "type")
		var raw []byte
		switch kind {
		case device.Float64:
			raw = binary.BigEndian.AppendUint64(nil, math.Float64bits(v))
		case device.Float32:
			v = float64(float32(v))
			raw = binary.BigEndian.AppendUint32(nil, math.Float32bits(float32(v)))
		case device.Int64:
			v = math.Trunc(v)
			raw = binary.BigEndian.AppendUint64(nil, uint64(int64(v)))
		default:
			v = float64(uint32(int64(v)))
			raw = binary.BigEndian.AppendUint32(nil, uint32(v))
		}
		// arrange is its own inverse for all four orders.
		arrange(raw, order)
		d := newDecoder(device.Point{Type: kind, Order: order, Scale: 1})
		if got := d.number(d.word(raw)); got != v {
			rt.Fatalf("%s %s: %v, want %v", kind, order, got, v)
		}
	})
}

func TestCoilsInTheirBlock(t *testing.T) {
	t.Parallel()
	p := newPoint(device.Point{Register: device.Coil, Type: device.Bool, Scale: 1}, 9)
	if v, q, _ := p.read([]byte{0, 0b10}, 0); v != 1 || q != telemetry.Good {
		t.Errorf("bit 9: %v %v", v, q)
	}
	if v, _, _ := p.read([]byte{0xFF, 0b101}, 0); v != 0 {
		t.Errorf("a neighbour's bit was taken: %v", v)
	}
}

func TestWhatCannotBeTrusted(t *testing.T) {
	t.Parallel()
	f := newPoint(device.Point{Register: device.Input, Type: device.Float32, Scale: 1}, 0)
	for name, raw := range map[string][]byte{"NaN": {0x7F, 0xC0, 0, 0}, "infinite": {0x7F, 0x80, 0, 0}} {
		if v, q, reason := f.read(raw, 0); v != 0 || q != telemetry.Bad || reason != "not_a_number" {
			t.Errorf("%s: %v %v %q", name, v, q, reason)
		}
	}
	e := newPoint(device.Point{Register: device.Input, Type: device.Uint16, Scale: 1, Enum: device.Enum{0: "shut", 1: "open"}}, 0)
	if v, q, reason := e.read([]byte{0, 5}, 0); v != 5 || q != telemetry.Uncertain || reason != "not_in_enum" {
		t.Errorf("%v %v %q", v, q, reason)
	}
}

func TestReportByException(t *testing.T) {
	t.Parallel()
	p := newPoint(device.Point{Type: device.Uint16, Scale: 1, Deadband: 2, Heartbeat: 10 * time.Second}, 0)
	for i, s := range []struct {
		at   time.Duration
		v    float64
		q    telemetry.Quality
		want bool
	}{
		{0, 5, telemetry.Good, true},                      // the first
		{1 * time.Second, 7, telemetry.Good, false},       // within the deadband
		{2 * time.Second, 7.5, telemetry.Good, true},      // beyond it
		{3 * time.Second, 5.5, telemetry.Good, false},     // counted from what was reported
		{11 * time.Second, 6, telemetry.Good, false},      // not yet
		{12 * time.Second, 6, telemetry.Good, true},       // the heartbeat
		{13 * time.Second, 0, telemetry.Bad, true},        // every failure
		{14 * time.Second, 0, telemetry.Bad, true},        //
		{15 * time.Second, 6, telemetry.Good, true},       // it is back
		{16 * time.Second, 6, telemetry.Uncertain, true},  // a change of quality
		{17 * time.Second, 6, telemetry.Uncertain, false}, //
	} {
		if got := p.due(s.v, s.q, s.at); got != s.want {
			t.Errorf("step %d: %v", i, got)
		}
	}
}

func TestLatch(t *testing.T) {
	t.Parallel()
	const second = time.Second
	l := latch{hold: 5 * second}
	for i, s := range []struct {
		at          time.Duration
		shows       uint64
		lost        bool
		want        uint64
		whatItTells string
	}{
		{0, 0, false, 0, "nothing yet"},
		{1 * second, 1, false, 1, "a rising edge counts at once"},
		{2 * second, 0, false, 1, "the device cleared it, we do not"},
		{6 * second, 0, false, 1, "clear for 4 s only"},
		{6500 * time.Millisecond, 3, false, 3, "it flickered, and another bit rose"},
		{7 * second, 2, false, 3, "the time starts again"},
		{11 * second, 2, false, 3, ""},
		{11500 * time.Millisecond, 0, true, 3, "a look failed"},
		{12 * second, 2, false, 3, "so nobody saw it clear meanwhile"},
		{16999 * time.Millisecond, 2, false, 3, ""},
		{17 * second, 2, false, 2, "five seconds clear at every look"},
		{18 * second, 0, false, 2, "each bit for itself"},
		{23 * second, 0, false, 0, ""},
	} {
		if s.lost {
			l.lost()
			continue
		}
		if got := l.see(s.shows, s.at); got != s.want {
			t.Errorf("step %d (%s): %b, want %b", i, s.whatItTells, got, s.want)
		}
	}
}
