package app

import (
	"github.com/linshao/linshao/edge/internal/health"
	"github.com/linshao/linshao/edge/internal/outbox"
)

// losses is what the outbox has given up since the start.
func losses(st outbox.Stats) []health.Loss {
	var out []health.Loss
	for _, l := range st.Losses {
		out = append(out, health.Loss{Reason: l.Reason, Records: l.Records, FromMS: l.FromMS, ToMS: l.ToMS})
	}
	return out
}
