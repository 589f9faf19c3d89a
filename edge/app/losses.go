package app

import (
	"github.com/linshao/linshao/edge/internal/health"
	"github.com/linshao/linshao/edge/internal/outbox"
)

// losses is what the outbox has given up since the start.
func losses(st outbox.Stats) []health.Loss {
	var out []health.Loss
	for _, reason := range lossReasons {
		if n := st.Dropped[reason]; n > 0 {
			out = append(out, health.Loss{Reason: reason, Records: n})
		}
	}
	return out
}
