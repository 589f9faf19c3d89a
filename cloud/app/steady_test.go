package app

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/linshao/linshao/cloud/internal/db"
	"github.com/linshao/linshao/protocol/kit/clock"
)

// The machine's clock is set while the database takes nothing: the collector
// ended, when it need only go on by its own time.
func TestAClockThatCannotBeFollowedYetEndsNothing(t *testing.T) {
	t.Parallel()
	store, err := db.Open(t.Context(), db.Options{DataDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		w := &wall{Clock: clock.NewSystem()}
		c := newSteady(w)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			c.run(ctx, store, slog.New(slog.DiscardHandler))
		}()
		began := c.Now()
		w.jump(time.Hour)
		select {
		case <-ended:
			t.Error("nobody follows the machine's clock any more")
		case <-time.After(time.Minute):
		}
		if d := c.Now().Sub(began); d != time.Minute {
			t.Errorf("%v have passed, want a minute", d)
		}
		cancel()
		<-ended
	})
}
