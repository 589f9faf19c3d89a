package embedded

import (
	"context"
	"fmt"
	"os"

	"github.com/linshao/linshao/cloud/internal/series"
)

var _ series.Snapshotter = (*Store)(nil)

// Snapshot implements series.Snapshotter. The library's snapshot leaves out
// what the head holds out of order, so that goes into blocks first; blocks are
// linked, not copied.
func (s *Store) Snapshot(ctx context.Context, dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return fmt.Errorf("make room for a snapshot: %w", err)
	}
	if err := s.db.CompactOOOHead(ctx); err != nil {
		return fmt.Errorf("compact out-of-order head: %w", err)
	}
	head := s.db.Head()
	if err := s.db.Snapshot(dir, head.MinTime() <= head.MaxTime()); err != nil {
		return fmt.Errorf("snapshot series: %w", err)
	}
	return nil
}
