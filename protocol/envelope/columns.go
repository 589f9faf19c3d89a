package envelope

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"

	"github.com/linshao/linshao/protocol/limit"
	pb "github.com/linshao/linshao/protocol/linshaopb"
	"github.com/linshao/linshao/protocol/telemetry"
)

// Bits of the flags column [P-3.3]: quality in the lowest two, then the
// telemetry.Marks, then these.
const (
	qualityBits = 2
	marksBits   = 8
	flagText    = 1 << (qualityBits + marksBits)
	flagDevice  = flagText << 1
)

// rawFloats in the places column says that a series is XOR coded.
const rawFloats = -1

// maxPlaces bounds the decimal scaling; 10^6 keeps every sensor's resolution
// and every product far inside 2^53.
const maxPlaces = 6

var errColumns = errors.New("sample columns do not agree with each other")

// strTable numbers strings in order of first use.
type strTable struct {
	index map[string]uint32
	list  []string
}

func (t *strTable) add(s string) uint32 {
	if i, ok := t.index[s]; ok {
		return i
	}
	i := uint32(len(t.list))
	t.index[s] = i
	t.list = append(t.list, s)
	return i
}

// runs is a run-length coded column.
type runs[T int64 | uint32] struct {
	value  []T
	length []uint32
}

func (r *runs[T]) add(v T) {
	if n := len(r.value); n > 0 && r.value[n-1] == v {
		r.length[n-1]++
		return
	}
	r.value = append(r.value, v)
	r.length = append(r.length, 1)
}

// group orders samples by series, keeping each series' own order, and
// returns the series in order of appearance with the members of each.
func group(samples []telemetry.Sample) ([]telemetry.SeriesKey, [][]int32) {
	few := min(len(samples), 64)
	index := make(map[telemetry.SeriesKey]int32, few)
	keys := make([]telemetry.SeriesKey, 0, few)
	of := make([]int32, len(samples))
	count := make([]int32, 0, few)
	// Devices are read in turn, tick after tick: the series that follows is
	// mostly the one that followed last time, and comparing two keys costs a
	// tenth of hashing one.
	guess := int32(0)
	for i := range samples {
		k := samples[i].Key
		s := guess
		if int(s) >= len(keys) || keys[s] != k {
			var ok bool
			if s, ok = index[k]; !ok {
				s = int32(len(keys))
				index[k] = s
				keys = append(keys, k)
				count = append(count, 0)
			}
		}
		of[i] = s
		count[s]++
		if guess = s + 1; int(guess) >= len(keys) && i+1 < len(samples) && samples[i+1].Key == keys[0] {
			guess = 0
		}
	}
	flat := make([]int32, len(samples))
	members := make([][]int32, len(keys))
	at := int32(0)
	for s, n := range count {
		members[s] = flat[at : at : at+n]
		at += n
	}
	for i, s := range of {
		members[s] = append(members[s], int32(i))
	}
	return keys, members
}

// encodeColumns turns samples into columns; nil for none.
func encodeColumns(samples []telemetry.Sample) *pb.Samples {
	if len(samples) == 0 {
		return nil
	}
	keys, members := group(samples)
	e := columnEncoder{
		strings: strTable{index: make(map[string]uint32, 2*len(keys))},
		device:  make([]uint32, 0, len(keys)),
		kind:    make([]uint32, 0, len(keys)),
		metric:  make([]uint32, 0, len(keys)),
		count:   make([]uint32, 0, len(keys)),
		places:  make([]int32, 0, len(keys)),
		at:      make([]int64, 0, len(samples)),
		scaled:  make([]int64, 0, len(samples)),
	}
	for i, k := range keys {
		e.key(k)
		e.series(samples, members[i])
	}
	return e.message()
}

type columnEncoder struct {
	strings                     strTable
	device, kind, metric, count []uint32
	at, scaled                  []int64
	places                      []int32
	floats                      []byte
	edge, dev                   runs[int64]
	flags, reason               runs[uint32]
	text                        []uint32
	first                       int64
	// last is the key before, whose numbers end device and kind.
	last telemetry.SeriesKey
}

// key appends a series' names. A device's series follow one another, so that
// mostly only the metric has to be looked up.
func (e *columnEncoder) key(k telemetry.SeriesKey) {
	n := len(e.device)
	if n > 0 && k.Device == e.last.Device && k.Kind == e.last.Kind {
		e.device = append(e.device, e.device[n-1])
		e.kind = append(e.kind, e.kind[n-1])
	} else {
		e.device = append(e.device, e.strings.add(k.Device))
		e.kind = append(e.kind, e.strings.add(k.Kind))
	}
	e.metric = append(e.metric, e.strings.add(k.Metric))
	e.last = k
}

func (e *columnEncoder) series(all []telemetry.Sample, members []int32) {
	e.count = append(e.count, uint32(len(members)))
	e.times(all, members)
	e.values(all, members)
	for _, m := range members {
		e.facts(&all[m])
	}
}

func (e *columnEncoder) times(all []telemetry.Sample, members []int32) {
	prev, delta := e.first, int64(0)
	for i, m := range members {
		t := all[m].AtMS
		d := t - prev
		switch i {
		case 0:
			e.at = append(e.at, d)
			e.first = t
		case 1:
			e.at = append(e.at, d)
			delta = d
		default:
			e.at = append(e.at, d-delta)
			delta = d
		}
		prev = t
	}
}

func (e *columnEncoder) values(all []telemetry.Sample, members []int32) {
	places := int32(0)
	for _, m := range members {
		p := decimalPlaces(all[m].Value, places)
		if p == rawFloats {
			places = rawFloats
			break
		}
		places = p
	}
	// More places for a later value may be too many for an earlier one: a
	// series is scaled only if every value of it survives the same scale.
	if places != rawFloats && slices.ContainsFunc(members, func(m int32) bool { return !survives(all[m].Value, places) }) {
		places = rawFloats
	}
	e.places = append(e.places, places)
	if places == rawFloats {
		prev := uint64(0)
		for _, m := range members {
			b := math.Float64bits(all[m].Value)
			e.floats = binary.AppendUvarint(e.floats, bits.ReverseBytes64(b^prev))
			prev = b
		}
		return
	}
	prev := int64(0)
	for _, m := range members {
		v := int64(math.Round(all[m].Value * pow10(places)))
		e.scaled = append(e.scaled, v-prev)
		prev = v
	}
}

func (e *columnEncoder) facts(s *telemetry.Sample) {
	f := uint32(s.Quality) | uint32(s.Marks)<<qualityBits
	if s.Text != "" {
		f |= flagText
		e.text = append(e.text, e.strings.add(s.Text))
	}
	behind := int64(0)
	if s.DeviceMS != 0 {
		f |= flagDevice
		behind = s.DeviceMS - s.AtMS
	}
	e.flags.add(f)
	e.dev.add(behind)
	e.edge.add(s.EdgeMS - s.AtMS)
	r := uint32(0)
	if s.Reason != "" {
		r = e.strings.add(s.Reason) + 1
	}
	e.reason.add(r)
}

func (e *columnEncoder) message() *pb.Samples {
	m := &pb.Samples{}
	m.SetStrings(e.strings.list)
	m.SetDevice(e.device)
	m.SetKind(e.kind)
	m.SetMetric(e.metric)
	m.SetCount(e.count)
	m.SetAt(e.at)
	m.SetPlaces(e.places)
	m.SetScaled(e.scaled)
	m.SetFloats(e.floats)
	m.SetEdgeBehind(e.edge.value)
	m.SetEdgeBehindRun(e.edge.length)
	m.SetDeviceBehind(e.dev.value)
	m.SetDeviceBehindRun(e.dev.length)
	m.SetFlags(e.flags.value)
	m.SetFlagsRun(e.flags.length)
	m.SetReason(e.reason.value)
	m.SetReasonRun(e.reason.length)
	m.SetText(e.text)
	return m
}

// pow10 returns 10^places for 0 <= places <= maxPlaces.
func pow10(places int32) float64 {
	return [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6}[places]
}

// decimalPlaces returns the fewest decimal places, at least atLeast, with
// which v survives the way there and back bit by bit, or rawFloats.
func decimalPlaces(v float64, atLeast int32) int32 {
	for p := atLeast; p <= maxPlaces; p++ {
		if survives(v, p) {
			return p
		}
	}
	return rawFloats
}

// survives reports whether v comes back bit by bit from an integer with the
// given number of decimal places.
func survives(v float64, places int32) bool {
	scaled := math.Round(v * pow10(places))
	return math.Abs(scaled) < 1<<53 && math.Float64bits(float64(int64(scaled))/pow10(places)) == math.Float64bits(v)
}

// decodeColumns is the inverse of encodeColumns, up to the order between
// different series. It checks every length before it allocates.
func decodeColumns(m *pb.Samples) ([]telemetry.Sample, error) {
	n := len(m.GetAt())
	if n == 0 {
		return nil, nil
	}
	if n > limit.MaxEnvelopeSamples {
		return nil, fmt.Errorf("%d samples, at most %d are allowed", n, limit.MaxEnvelopeSamples)
	}
	d := columnDecoder{strings: m.GetStrings(), out: make([]telemetry.Sample, n)}
	for _, pass := range []func(*pb.Samples) error{d.keysAndTimes, d.values, d.facts} {
		if err := pass(m); err != nil {
			return nil, err
		}
	}
	return d.out, nil
}

type columnDecoder struct {
	strings []string
	out     []telemetry.Sample
}

func (d *columnDecoder) str(i uint32) (string, error) {
	if int(i) >= len(d.strings) {
		return "", fmt.Errorf("%w: string %d of %d", errColumns, i, len(d.strings))
	}
	return d.strings[i], nil
}

func (d *columnDecoder) keysAndTimes(m *pb.Samples) error {
	device, kind, metric, count, at := m.GetDevice(), m.GetKind(), m.GetMetric(), m.GetCount(), m.GetAt()
	if len(kind) != len(device) || len(metric) != len(device) || len(count) != len(device) || len(m.GetPlaces()) != len(device) {
		return errColumns
	}
	pos, first := 0, int64(0)
	for s := range device {
		var key telemetry.SeriesKey
		var err1, err2, err3 error
		key.Device, err1 = d.str(device[s])
		key.Kind, err2 = d.str(kind[s])
		key.Metric, err3 = d.str(metric[s])
		if err := errors.Join(err1, err2, err3); err != nil {
			return err
		}
		n := int(count[s])
		if n == 0 || n > len(at)-pos {
			return errColumns
		}
		t, delta := first, int64(0)
		for i := range n {
			switch x := at[pos+i]; i {
			case 0:
				t += x
				first = t
			case 1:
				delta = x
				t += x
			default:
				delta += x
				t += delta
			}
			d.out[pos+i].Key, d.out[pos+i].AtMS = key, t
		}
		pos += n
	}
	if pos != len(at) {
		return errColumns
	}
	return nil
}

func (d *columnDecoder) values(m *pb.Samples) error {
	scaled, floats := m.GetScaled(), m.GetFloats()
	pos := 0
	for s, places := range m.GetPlaces() {
		n := int(m.GetCount()[s])
		switch {
		case places == rawFloats:
			prev := uint64(0)
			for i := range n {
				x, used := binary.Uvarint(floats)
				if used <= 0 {
					return errColumns
				}
				floats = floats[used:]
				prev ^= bits.ReverseBytes64(x)
				d.out[pos+i].Value = math.Float64frombits(prev)
			}
		case places < 0 || places > maxPlaces || n > len(scaled):
			return errColumns
		default:
			v, div := int64(0), pow10(places)
			for i := range n {
				v += scaled[i]
				d.out[pos+i].Value = float64(v) / div
			}
			scaled = scaled[n:]
		}
		pos += n
	}
	return nil
}

func (d *columnDecoder) facts(m *pb.Samples) error {
	edge, err1 := expand(m.GetEdgeBehind(), m.GetEdgeBehindRun(), len(d.out))
	dev, err2 := expand(m.GetDeviceBehind(), m.GetDeviceBehindRun(), len(d.out))
	flags, err3 := expand(m.GetFlags(), m.GetFlagsRun(), len(d.out))
	reason, err4 := expand(m.GetReason(), m.GetReasonRun(), len(d.out))
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return err
	}
	text := m.GetText()
	for i := range d.out {
		s := &d.out[i]
		f := flags[i]
		s.EdgeMS = s.AtMS + edge[i]
		s.Quality = telemetry.Quality(f & (1<<qualityBits - 1))
		s.Marks = telemetry.Marks(f >> qualityBits & (1<<marksBits - 1))
		if f&flagDevice != 0 {
			s.DeviceMS = s.AtMS + dev[i]
		}
		var err error
		if f&flagText != 0 {
			if len(text) == 0 {
				return errColumns
			}
			if s.Text, err = d.str(text[0]); err != nil {
				return err
			}
			text = text[1:]
		}
		if reason[i] != 0 {
			if s.Reason, err = d.str(reason[i] - 1); err != nil {
				return err
			}
		}
	}
	return nil
}

// expand undoes run-length coding into exactly n values.
func expand[T int64 | uint32](value []T, length []uint32, n int) ([]T, error) {
	if len(value) != len(length) {
		return nil, errColumns
	}
	out := make([]T, 0, n)
	for i, l := range length {
		if int(l) > n-len(out) {
			return nil, errColumns
		}
		out = slices.Grow(out, int(l))
		for range l {
			out = append(out, value[i])
		}
	}
	if len(out) != n {
		return nil, errColumns
	}
	return out, nil
}
