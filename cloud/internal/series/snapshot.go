package series

import (
	"context"
	"errors"
)

// ErrNoSnapshot means that the backend has tools of its own for this.
var ErrNoSnapshot = errors.New("this series backend is backed up with its own tools")

// Snapshotter is a Store that can be copied while it is written to.
type Snapshotter interface {
	// Snapshot puts into the new folder dir, on the same file system, all
	// that was appended before the call, in a form that the backend opens. It
	// may hold later samples too.
	Snapshot(ctx context.Context, dir string) error
}

// Snapshot implements Snapshotter: ErrNotReady while there is no Store,
// ErrNoSnapshot where the backend cannot.
func (s *Standby) Snapshot(ctx context.Context, dir string) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	from, able := s.store.(Snapshotter)
	switch {
	case s.store == nil:
		return ErrNotReady
	case !able:
		return ErrNoSnapshot
	}
	return from.Snapshot(ctx, dir)
}
