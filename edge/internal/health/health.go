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
	SkewMS    int64  `json:"skew_ms"`
}

// Lane is what waits in one log.
type Lane struct {
	Lane     string `json:"lane"`
	Records  int64  `json:"records"`
	OldestMS int64  `json:"oldest_ms"`
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
