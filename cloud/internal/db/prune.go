package db

import (
	"context"
	"fmt"
	"time"
)

// Prune removes what has served its time; run it every few minutes. Tickets,
// transitions, deliveries and the audit are never pruned.
func (s *Store) Prune(ctx context.Context) error {
	const hour = int64(time.Hour / time.Millisecond)
	const day = 24 * hour
	return s.InTx(ctx, func(tx *Tx) error {
		now := tx.nowMS
		for _, p := range []struct {
			query  string
			before int64
		}{
			// The console resumes an hour back; the newest stays, so that
			// ids go on from it and a reader can tell what it has missed.
			{"DELETE FROM changes WHERE at_ms < ? AND id < (SELECT MAX(id) FROM changes)", now - 2*hour},
			{"DELETE FROM sessions WHERE expires_ms < ?", now},
			{"DELETE FROM links WHERE expires_ms < ?", now},
			{"DELETE FROM tries WHERE first_ms < ?", now - day},
			// An edge may come back after all of its outbox's age.
			{"DELETE FROM edge_sessions WHERE at_ms < ?", now - 60*day},
			{"DELETE FROM clock_moves WHERE at_ms < ?", now - 60*day},
			{"DELETE FROM clock_days WHERE day_ms < ?", now - 400*day},
			{"DELETE FROM device_events WHERE at_ms < ?", now - 400*day},
			{"DELETE FROM gaps WHERE heard_ms < ?", now - 400*day},
		} {
			if _, err := tx.db.NewRaw(p.query, p.before).Exec(ctx); err != nil {
				return fmt.Errorf("prune: %w", err)
			}
		}
		return nil
	})
}
