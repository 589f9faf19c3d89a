// Package health is what the edge tells people who stand beside it: named
// conditions, a page in Chinese that needs no cloud, and the JSON behind it.
//
// It reads and shows; it changes nothing. Beyond loopback every path but
// /healthz and /readyz demands the configured token.
package health

import (
	"math"

	"github.com/linshao/linshao/protocol/telemetry"
	"github.com/linshao/linshao/protocol/ticket"
)

// Device is one device as the page shows it.
type Device struct {
	ID       string  `json:"id"`
	Kind     string  `json:"kind"`
	Location string  `json:"location"`
	Values   []Value `json:"values"`
}

// Value is the newest Sample of one metric.
type Value struct {
	Metric  string   `json:"metric"`
	Unit    string   `json:"unit,omitempty"`
	AtMS    int64    `json:"at_ms"`
	Value   *float64 `json:"value"`
	Text    string   `json:"text,omitempty"`
	Quality string   `json:"quality"`
	Reason  string   `json:"reason,omitempty"`
}

// ValueOf shows a Sample; word is its name in the point's enum, if any.
func ValueOf(s telemetry.Sample, unit, word string) Value {
	v := Value{Metric: s.Key.Metric, Unit: unit, AtMS: s.AtMS, Text: s.Text, Quality: s.Quality.String(), Reason: s.Reason}
	// JSON has neither NaN nor infinity, and one must not hide the others.
	if s.Numeric() && !math.IsNaN(s.Value) && !math.IsInf(s.Value, 0) {
		v.Value = &s.Value
	}
	if word != "" {
		v.Text = word
	}
	return v
}

// Outbox is what waits for the cloud.
type Outbox struct {
	Connected bool   `json:"connected"`
	Lanes     []Lane `json:"lanes"`
	Bytes     int64  `json:"bytes"`
	FreeBytes int64  `json:"free_bytes"`
	Epoch     string `json:"epoch"`
	// Dropped is what is gone for good, since the start.
	Dropped []Loss `json:"dropped"`
	Clock   Clock  `json:"clock"`
	Cloud   Cloud  `json:"cloud"`
	// SkewMS is Clock's.
	SkewMS int64 `json:"skew_ms"`
}

// Loss is what is gone for one reason: how many records, and their times by the
// edge's clock, 0 where these are not known.
type Loss struct {
	Reason  string `json:"reason"`
	Records uint64 `json:"records"`
	FromMS  int64  `json:"from_ms,omitempty"`
	ToMS    int64  `json:"to_ms,omitempty"`
}

// Clock is how far the edge's times may be believed.
type Clock struct {
	// Trusted: it was synchronised, or found near the cloud's.
	Trusted bool `json:"trusted"`
	// SkewKnown: it was compared with the cloud's, which it is ahead of by
	// SkewMS, give or take ErrorMS.
	SkewKnown bool  `json:"skew_known"`
	SkewMS    int64 `json:"skew_ms"`
	ErrorMS   int64 `json:"error_ms"`
	// Jumps is how often it was set since the start.
	Jumps int64 `json:"jumps"`
}

// Cloud is what the cloud said about itself; nothing, if it is older than that.
type Cloud struct {
	Schema       uint32   `json:"schema"`
	Capabilities []string `json:"capabilities"`
	// Refused is why it does not take this edge.
	Refused string `json:"refused,omitempty"`
}

// Lane is what waits in one log.
type Lane struct {
	Lane     string `json:"lane"`
	Records  int64  `json:"records"`
	OldestMS int64  `json:"oldest_ms"`
	// Missing are records that are gone and of which the cloud does not know
	// yet.
	Missing int64 `json:"missing"`
}

// Quarantined is a payload that nobody could read.
type Quarantined struct {
	AtMS   int64  `json:"at_ms"`
	Device string `json:"device"`
	Topic  string `json:"topic"`
	Reason string `json:"reason"`
	// Payload is its beginning, as text.
	Payload string `json:"payload"`
}

// Sources are where the page's contents come from. Each is called per request,
// from many goroutines, and must not block.
type Sources struct {
	// Conditions are what is wrong, by part; nothing, if all is well.
	Conditions func() map[string]string
	Tickets    func() []ticket.Ticket
	Devices    func() []Device
	Outbox     func() Outbox
	Quarantine func() []Quarantined
}
