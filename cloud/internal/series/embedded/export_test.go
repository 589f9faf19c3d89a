package embedded

import (
	"context"
	"errors"
)

// Compact does what the library does by itself every few minutes, and now and
// then writes what it has in memory to its mapped files.
func (s *Store) Compact(ctx context.Context) error {
	s.db.ForceHeadMMap()
	return errors.Join(s.db.Compact(ctx), s.db.CompactOOOHead(ctx))
}
