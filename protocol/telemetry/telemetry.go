// Package telemetry holds the nouns of measurement: the Sample, the Event and
// the SeriesKey they belong to. It guarantees nothing about storage or
// transport; it says what a measurement is, once, for both daemons.
//
// All times are Unix milliseconds (UTC). A Sample carries up to three of them:
// what the device said, when the edge took it, and the effective time that the
// stores use. The package is pure: no clock, no I/O, no logger.
package telemetry

// SeriesKey names one series within an edge: one metric of one device.
// All three parts are always present; Kind is the device's kind
// ("elevator", "access-gate", "patrol-robot") and never changes the identity
// of a series, it only labels it.
type SeriesKey struct {
	Device string
	Kind   string
	Metric string
}

// Quality says how far a Sample's value may be trusted.
type Quality uint8

const (
	// Good: the device said so and the reply matched the request.
	Good Quality = iota
	// Uncertain: a value is present, but something about it (its source, its
	// range) is doubtful; Reason says what.
	Uncertain
	// Bad: there is no value. Value is 0 and must not be used; Reason says why.
	Bad
)

// String returns the word used in metrics and JSON: good, uncertain or bad.
func (q Quality) String() string {
	switch q {
	case Good:
		return "good"
	case Uncertain:
		return "uncertain"
	default:
		return "bad"
	}
}

// Marks are facts about how a Sample's times came to be.
type Marks uint8

const (
	// ReceiveTime: the device gave no usable time, AtMS is the edge's.
	ReceiveTime Marks = 1 << iota
	// ClockUntrusted: the edge's wall clock had not been synchronised when
	// the Sample was taken.
	ClockUntrusted
	// Historical: the Sample is older than the newest of its series; it is
	// stored, but never pages and never becomes "latest".
	Historical
	// Nudged: AtMS was moved by a few milliseconds to keep the times of its
	// series strictly increasing.
	Nudged
	// ClockCorrected: AtMS was put right by the skew that was measured between
	// the edge's clock and the cloud's; EdgeMS is as the edge said it.
	ClockCorrected
)

// Has reports whether all marks in m are set.
func (k Marks) Has(m Marks) bool { return k&m == m }

// Sample is one value of one series at one time.
type Sample struct {
	Key SeriesKey
	// AtMS is the effective time: the device's where usable, else the edge's.
	AtMS int64
	// DeviceMS is what the device said, 0 if it said nothing.
	DeviceMS int64
	// EdgeMS is the edge's wall clock when it took the Sample.
	EdgeMS int64
	// Value is the number, in the point's unit; booleans are 0 or 1.
	Value float64
	// Text is set for values that have no number form; such Samples appear
	// in "latest" only and are not stored in the series.
	Text    string
	Quality Quality
	// Reason is a short stable code, set unless Quality is Good.
	Reason string
	Marks  Marks
}

// Numeric reports whether the Sample belongs into the series store: it has a
// value, and the value is a number.
func (s Sample) Numeric() bool { return s.Quality != Bad && s.Text == "" }

// Event is something a device reported as having happened.
type Event struct {
	Device string
	Kind   string
	// Name is the event's word, such as "door_forced_open".
	Name string
	// AtMS, DeviceMS and EdgeMS are as in Sample.
	AtMS, DeviceMS, EdgeMS int64
	// Data is the device's own JSON object, nil if there was none.
	Data  []byte
	Marks Marks
}
