package cell

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"sync"

	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/ticket"
)

// Fact is one thing a device said: a sample of a metric, or an event.
type Fact struct {
	Device, Name string
	// TS is the device's own time in Unix milliseconds.
	TS    int64
	Event bool
}

// Value of a Fact: a number's bits, so that it compares exactly, or the data of
// an event.
type Value struct {
	Bits uint64
	Text string
}

// Said reads what one MQTT message of a device says, in the forms that Device
// sends.
func Said(topic string, payload []byte) map[Fact]Value {
	var m struct {
		TS     int64           `json:"ts"`
		Values map[string]any  `json:"values"`
		Event  string          `json:"event"`
		Data   json.RawMessage `json:"data"`
	}
	parts := strings.Split(topic, "/")
	if len(parts) != 3 || json.Unmarshal(payload, &m) != nil {
		return nil
	}
	out := map[Fact]Value{}
	if parts[2] == "events" {
		out[Fact{parts[1], m.Event, m.TS, true}] = Value{Text: string(m.Data)}
	}
	for name, v := range m.Values {
		f := Fact{parts[1], name, m.TS, false}
		if v, ok := v.(float64); ok {
			out[f] = Value{Bits: math.Float64bits(v)}
		}
	}
	return out
}

// Ledger is what Envelopes brought. Its methods are safe for concurrent use.
type Ledger struct {
	mu    sync.Mutex // guards the following
	facts map[Fact]Value
	// raises are the ids of the tickets raised, by device and rule.
	raises map[[2]string]map[ticket.ID]bool
	// sequences are those that Envelopes covered, by epoch and log.
	sequences map[string]envelope.RangeSet
	missing   []envelope.Gap
	wrong     []string
}

// NewLedger returns an empty one.
func NewLedger() *Ledger {
	return &Ledger{facts: map[Fact]Value{}, raises: map[[2]string]map[ticket.ID]bool{}, sequences: map[string]envelope.RangeSet{}}
}

// Take adds what an Envelope brings.
func (l *Ledger) Take(e envelope.Envelope) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range e.Samples {
		if s.DeviceMS == 0 {
			continue // the edge's own word about a device
		}
		l.fact(Fact{s.Key.Device, s.Key.Metric, s.DeviceMS, false}, Value{Bits: math.Float64bits(s.Value)})
	}
	for _, v := range e.Events {
		l.fact(Fact{v.Device, v.Name, v.DeviceMS, true}, Value{Text: string(v.Data)})
	}
	for _, x := range e.Transitions {
		if x.Kind != ticket.Raise || x.Subject == nil {
			continue
		}
		k := [2]string{x.Subject.Device, x.Subject.Rule}
		if l.raises[k] == nil {
			l.raises[k] = map[ticket.ID]bool{}
		}
		l.raises[k][x.Ticket] = true
	}
	k := logOf(e.Epoch, e.Log)
	l.sequences[k] = l.sequences[k].AddAll(e.Sequences)
	l.missing = append(l.missing, e.Missing...)
}

// logOf names one log of one epoch.
func logOf(epoch string, log envelope.Log) string { return epoch + " " + string(log) }

func (l *Ledger) fact(f Fact, v Value) {
	if old, ok := l.facts[f]; ok && old != v {
		l.wrong = append(l.wrong, fmt.Sprintf("%v came as %v and as %v", f, old, v))
	}
	l.facts[f] = v
}

// Merge adds what another Ledger holds.
func (l *Ledger) Merge(o *Ledger) {
	o.mu.Lock()
	defer o.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	for f, v := range o.facts {
		l.fact(f, v)
	}
	for k, ids := range o.raises {
		for id := range ids {
			if l.raises[k] == nil {
				l.raises[k] = map[ticket.ID]bool{}
			}
			l.raises[k][id] = true
		}
	}
	for k, s := range o.sequences {
		l.sequences[k] = l.sequences[k].AddAll(s)
	}
	l.missing = append(l.missing, o.missing...)
	l.wrong = append(l.wrong, o.wrong...)
}

// Has returns what came for a Fact.
func (l *Ledger) Has(f Fact) (Value, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	v, ok := l.facts[f]
	return v, ok
}

// Raised are the ids of the tickets raised for a device by a rule.
func (l *Ledger) Raised(device, rule string) []ticket.ID {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []ticket.ID
	for id := range l.raises[[2]string{device, rule}] {
		out = append(out, id)
	}
	return out
}

// Oldest is the lowest time of a Fact, 0 without any.
func (l *Ledger) Oldest() (ts int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for f := range l.facts {
		if ts == 0 || f.TS < ts {
			ts = f.TS
		}
	}
	return ts
}

// Count is how many Facts of one name there are.
func (l *Ledger) Count(name string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for f := range l.facts {
		if f.Name == name {
			n++
		}
	}
	return n
}

// Facts is how many there are.
func (l *Ledger) Facts() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.facts)
}

// Lost are the Gaps that say that something acknowledged is gone: dropped,
// damaged or lost.
func (l *Ledger) Lost() []envelope.Gap {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]envelope.Gap(nil), l.missing...)
}

// Invented are what was not said by anybody: what said does not know, or knows
// otherwise.
func (l *Ledger) Invented(said func(Fact) (Value, bool)) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := append([]string(nil), l.wrong...)
	for f, v := range l.facts {
		want, ok := said(f)
		if !ok {
			out = append(out, fmt.Sprintf("nobody said %v", f))
		} else if v != want {
			out = append(out, fmt.Sprintf("%v came as %.40v, said was %.40v", f, v, want))
		}
	}
	return out
}

// Overlaps reports whether a Sequence is covered in both Ledgers.
func (l *Ledger) Overlaps(o *Ledger) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	for k, mine := range l.sequences {
		for _, r := range mine {
			left := o.sequences[k].Missing(r)
			if len(left) != 1 || left[0] != r {
				return fmt.Sprintf("%s %v", k, r)
			}
		}
	}
	return ""
}
