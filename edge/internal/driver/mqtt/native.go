package mqtt

import (
	"errors"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/valyala/fastjson"

	"github.com/linshao/linshao/edge/internal/device"
	"github.com/linshao/linshao/protocol/limit"
	"github.com/linshao/linshao/protocol/telemetry"
)

// Reasons why a payload cannot be used; they are labels of metrics, so the set
// is closed.
var (
	errNotJSON   = errors.New("not_json")
	errForm      = errors.New("wrong_form")
	errEmpty     = errors.New("empty")
	errTooMany   = errors.New("too_many_samples")
	errEventName = errors.New("bad_event_name")
)

// Reasons of Samples that are not Good.
const (
	reasonNull      = "null"
	reasonType      = "wrong_type"
	reasonNotFinite = "not_finite"
	reasonWord      = "unknown_word"
)

// maxUnknown bounds the metrics a device may report that its profile does not
// name. They are kept, for rules that judge any metric.
const maxUnknown = 256

// codec turns the native dialect of one device into Samples and Events
// ([P-8.2], [P-8.3]). It is pure but for what it remembers about
// names, and not safe for concurrent use.
type codec struct {
	device, kind string
	parser       fastjson.Parser
	// points maps the name in the payload to what it means; names that the
	// profile lacks are added as they come, up to maxUnknown.
	points  map[string]*point
	unknown int

	// The message being decoded.
	edgeMS   int64
	deviceMS int64
	atMS     int64
	marks    telemetry.Marks
	out      []telemetry.Sample
	// visit is made once: a closure per message would be an allocation.
	visit func(key []byte, v *fastjson.Value)
	// dropped counts values whose names cannot be used.
	dropped int
}

// point is what a name in the payload means.
type point struct {
	metric        string
	scale, offset float64
	words         map[string]float64
}

func newCodec(d device.Device) *codec {
	c := &codec{device: d.ID, kind: d.Kind, points: map[string]*point{}}
	c.visit = c.value
	if d.Profile == nil {
		return c
	}
	for _, p := range d.Profile.Points {
		name := p.JSON
		if name == "" {
			name = p.Name
		}
		c.points[name] = &point{metric: p.Name, scale: scaleOf(p), offset: p.Offset, words: wordsOf(p.Enum)}
	}
	return c
}

func scaleOf(p device.Point) float64 {
	if p.Scale == 0 {
		return 1
	}
	return p.Scale
}

func wordsOf(e device.Enum) map[string]float64 {
	words := make(map[string]float64, len(e))
	for v, word := range e {
		words[word] = v
	}
	return words
}

// telemetry decodes {"ts": ms, "values": {…}}, a bare object of values, or an
// array of either. dropped counts values whose names are unusable. The Samples
// belong to the caller.
func (c *codec) telemetry(payload []byte, edgeMS int64) (samples []telemetry.Sample, dropped int, err error) {
	root, err := c.parser.ParseBytes(payload)
	if err != nil {
		return nil, 0, errNotJSON
	}
	c.edgeMS, c.out, c.dropped = edgeMS, nil, 0
	switch root.Type() {
	case fastjson.TypeObject:
		err = c.group(root)
	case fastjson.TypeArray:
		for _, item := range root.GetArray() {
			if err = c.group(item); err != nil {
				break
			}
		}
	default:
		err = errForm
	}
	samples, c.out = c.out, nil
	if err == nil && len(samples) == 0 && c.dropped == 0 {
		err = errEmpty
	}
	if err != nil {
		return nil, 0, err
	}
	return samples, c.dropped, nil
}

// group decodes the values of one time.
func (c *codec) group(v *fastjson.Value) error {
	o, err := v.Object()
	if err != nil {
		return errForm
	}
	c.stamp(o)
	if values := o.Get("values"); values != nil {
		if o, err = values.Object(); err != nil {
			return errForm
		}
	}
	if len(c.out)+o.Len() > limit.MaxSamplesPerMessage {
		return errTooMany
	}
	c.out = slices.Grow(c.out, o.Len())
	o.Visit(c.visit)
	return nil
}

// stamp takes the group's time from ts. One that is no time counts as missing.
func (c *codec) stamp(o *fastjson.Object) {
	c.deviceMS = 0
	if ts := o.Get("ts"); ts != nil {
		if f, err := ts.Float64(); err == nil && f > 0 && f < 1<<53 {
			c.deviceMS = int64(f)
		}
	}
	c.atMS, c.marks = telemetry.EffectiveTime(c.deviceMS, c.edgeMS)
}

// value appends the Sample of one name.
func (c *codec) value(key []byte, v *fastjson.Value) {
	p := c.points[string(key)] // no allocation: the compiler sees a look-up
	if p == nil {
		if string(key) == "ts" {
			return
		}
		if p = c.adopt(string(key)); p == nil {
			c.dropped++
			return
		}
	}
	// The Sample is filled in its place, which is zero and which group made:
	// copying it or clearing it again would cost as much again.
	c.out = c.out[:len(c.out)+1]
	s := &c.out[len(c.out)-1]
	s.Key.Device, s.Key.Kind, s.Key.Metric = c.device, c.kind, p.metric
	s.AtMS, s.DeviceMS, s.EdgeMS, s.Marks = c.atMS, c.deviceMS, c.edgeMS, c.marks
	p.read(v, s)
}

// adopt remembers a name that the profile lacks, so that its string is made
// once, and nil if it is unusable or there are too many.
func (c *codec) adopt(name string) *point {
	if c.unknown >= maxUnknown || !usable(name) {
		return nil
	}
	c.unknown++
	p := &point{metric: name, scale: 1}
	c.points[name] = p
	return p
}

// usable names are those that can stand in a series, a rule and a CSV file.
func usable(name string) bool {
	if name == "" || len(name) > limit.MaxNameBytes || name == "online" {
		return false
	}
	return !strings.ContainsFunc(name, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' || r == '.' || r == ':')
	})
}

// read sets value, quality and reason: never a made-up value, never silence.
func (p *point) read(v *fastjson.Value, s *telemetry.Sample) {
	switch v.Type() {
	case fastjson.TypeNumber:
		f, err := v.Float64()
		f = f*p.scale + p.offset
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			s.Quality, s.Reason = telemetry.Bad, reasonNotFinite
			return
		}
		s.Value = f
	case fastjson.TypeTrue:
		s.Value = 1
	case fastjson.TypeFalse:
	case fastjson.TypeString:
		p.readWord(v.GetStringBytes(), s)
	case fastjson.TypeNull:
		s.Quality, s.Reason = telemetry.Bad, reasonNull
	default:
		s.Quality, s.Reason = telemetry.Bad, reasonType
	}
}

// readWord takes a word of the enum as its number, any other string as text.
func (p *point) readWord(word []byte, s *telemetry.Sample) {
	if n, ok := p.words[string(word)]; ok {
		s.Value = n
		return
	}
	s.Text = text(word)
	switch {
	case s.Text == "":
		s.Quality, s.Reason = telemetry.Bad, reasonNull
	case len(p.words) > 0:
		s.Quality, s.Reason = telemetry.Uncertain, reasonWord
	}
}

// text is valid UTF-8 of at most limit.MaxTextBytes.
func text(b []byte) string {
	if len(b) > limit.MaxTextBytes {
		b = b[:limit.MaxTextBytes]
		for len(b) > 0 && !utf8.RuneStart(b[len(b)-1]) {
			b = b[:len(b)-1]
		}
		if len(b) > 0 && b[len(b)-1] >= utf8.RuneSelf {
			b = b[:len(b)-1] // the first byte of the rune that was cut
		}
	}
	return strings.ToValidUTF8(string(b), "\uFFFD")
}

// events decodes {"ts": ms, "event": "name", "data": {…}} or an array of them.
// Data beyond limit.MaxEventDataBytes is left out and counted as dropped: the
// event itself may be an alarm and must not get lost over it.
func (c *codec) events(payload []byte, edgeMS int64) (events []telemetry.Event, dropped int, err error) {
	root, err := c.parser.ParseBytes(payload)
	if err != nil {
		return nil, 0, errNotJSON
	}
	items := []*fastjson.Value{root}
	if root.Type() == fastjson.TypeArray {
		items = root.GetArray()
	}
	if len(items) == 0 {
		return nil, 0, errEmpty
	}
	if len(items) > limit.MaxSamplesPerMessage {
		return nil, 0, errTooMany
	}
	c.edgeMS, c.dropped = edgeMS, 0
	for _, item := range items {
		e, err := c.event(item)
		if err != nil {
			return nil, 0, err
		}
		events = append(events, e)
	}
	return events, c.dropped, nil
}

func (c *codec) event(v *fastjson.Value) (telemetry.Event, error) {
	o, err := v.Object()
	if err != nil {
		return telemetry.Event{}, errForm
	}
	name := string(o.Get("event").GetStringBytes())
	if !usable(name) {
		return telemetry.Event{}, errEventName
	}
	c.stamp(o)
	e := telemetry.Event{
		Device: c.device, Kind: c.kind, Name: name,
		AtMS: c.atMS, DeviceMS: c.deviceMS, EdgeMS: c.edgeMS, Marks: c.marks,
	}
	if data := o.Get("data"); data != nil && data.Type() == fastjson.TypeObject {
		if e.Data = data.MarshalTo(nil); len(e.Data) > limit.MaxEventDataBytes || !utf8.Valid(e.Data) {
			e.Data = nil
			c.dropped++
		}
	}
	return e, nil
}

// result decodes {"ok": true} or {"ok": false, "error": "…"}.
func (c *codec) result(payload []byte) (ok bool, why string, err error) {
	root, err := c.parser.ParseBytes(payload)
	if err != nil {
		return false, "", errNotJSON
	}
	v := root.Get("ok")
	if v == nil || v.Type() != fastjson.TypeTrue && v.Type() != fastjson.TypeFalse {
		return false, "", errForm
	}
	return v.GetBool(), text(root.GetStringBytes("error")), nil
}
