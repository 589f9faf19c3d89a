package simulation

import (
	"context"
	"testing"
	"time"

	"github.com/linshao/linshao/protocol/kit/chaos/row"
)

// TestChaosR16Simulated lets a day pass at 5 % loss: every silent edge is known
// within 60 s, and no other is called dark.
func TestChaosR16Simulated(t *testing.T) {
	r := row.Begin(t, "R16SIM", "24 h at 5 % loss: silent edges noticed, others not called dark")
	silences := r.N(1, 100)
	o := Options{Seed: r.Seed(1), Lost: 0.05, For: time.Duration(silences) * 864 * time.Second}
	if !r.Full() {
		o.For = time.Duration(silences) * 5 * time.Minute
	}
	town := newTown(t)
	inBubble(t, town, o, func(ctx context.Context, o Options) error {
		out, noticed, err := Silences(ctx, town, o, silences)
		for _, d := range noticed {
			r.Observe("noticed_ms", float64(d.Milliseconds()))
		}
		r.Count("silences", len(noticed))
		r.Count("virtual_seconds", int(o.For.Seconds()))
		r.Count("pieces_delivered", out.Delivered)
		r.Count("samples_and_alarms_told", out.Told)
		for _, v := range out.Violations {
			r.Violation("CHAOS_SEED=%d: %s", r.Seed(1)-1, v)
		}
		return err
	})
}
