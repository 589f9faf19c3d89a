package outbox

import (
	"cmp"
	"slices"

	"github.com/linshao/linshao/protocol/envelope"
)

// Loss sums up the records of one log that are gone for one reason since the
// start.
type Loss struct {
	Log     envelope.Log `json:"log"`
	Reason  string       `json:"reason"`
	Records uint64       `json:"records"`
	// FromMS to ToMS is when the first and the last of them were made, by the
	// edge's clock; 0 if it is not known.
	FromMS int64 `json:"from_ms,omitempty"`
	ToMS   int64 `json:"to_ms,omitempty"`
}

// lostLocked counts records that are gone. The caller holds mu.
func (b *Outbox) lostLocked(l Loss) {
	if l.Records == 0 {
		return
	}
	at := slices.IndexFunc(b.losses, func(o Loss) bool { return o.Log == l.Log && o.Reason == l.Reason })
	if at < 0 {
		b.losses = append(b.losses, l)
		return
	}
	o := &b.losses[at]
	o.Records += l.Records
	o.FromMS = min(cmp.Or(o.FromMS, l.FromMS), cmp.Or(l.FromMS, o.FromMS))
	o.ToMS = max(o.ToMS, l.ToMS)
}
