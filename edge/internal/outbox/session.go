package outbox

import (
	"fmt"

	"github.com/google/uuid"

	"github.com/linshao/linshao/protocol/kit/chaos"

	"github.com/linshao/linshao/edge/internal/vfs"
)

// NextSession returns the session of the next connection and its predecessor,
// durable before it returns. It stays the same until UseSession; and where the
// disk has no room for another, the last one serves again: the cloud does not
// mind, and alarms must get out.
func (b *Outbox) NextSession() (id, previous string, err error) {
	b.mu.Lock()
	s := b.session
	b.mu.Unlock()
	if s.ID != "" && !s.Used {
		return s.ID, s.Previous, nil
	}
	next := Session{ID: uuid.NewString(), Previous: s.ID}
	err = b.setSession(next)
	if vfs.IsNoSpace(err) && s.ID != "" {
		b.o.Log.Warn("no room on the disk for a new session: the last one serves again", "err", err)
		return s.ID, s.Previous, nil
	}
	if err != nil {
		return "", "", err
	}
	return next.ID, next.Previous, nil
}

// UseSession says that the hello of session id has reached the broker.
func (b *Outbox) UseSession(id string) error {
	b.mu.Lock()
	s := b.session
	b.mu.Unlock()
	if s.ID != id || s.Used {
		return nil
	}
	s.Used = true
	if err := b.setSession(s); !vfs.IsNoSpace(err) {
		return err
	}
	return nil // it will serve again
}

func (b *Outbox) setSession(s Session) error {
	b.mu.Lock()
	old := b.session
	b.session = s
	b.mu.Unlock()
	err := b.persist()
	if err != nil {
		b.mu.Lock()
		b.session = old
		b.mu.Unlock()
	}
	return err
}

// persist writes the state file.
func (b *Outbox) persist() error {
	b.saving.Lock()
	defer b.saving.Unlock()
	b.mu.Lock()
	st := state{Epochs: b.epochs, Session: b.session, Alarm: b.alarm.known.save(), Samples: b.samples.known.save()}
	b.dirty = false
	b.saved = b.o.Clock.Mono()
	b.mu.Unlock()
	chaos.At("state.save.before")
	raw, err := encodeState(st)
	if err == nil {
		err = b.reserve.with(func() error { return vfs.WriteFile(b.fs, b.dir, stateName, raw) })
	}
	if err != nil {
		b.mu.Lock()
		b.dirty = true
		b.mu.Unlock()
		return fmt.Errorf("write outbox state: %w", err)
	}
	chaos.At("state.save.after")
	return nil
}
