package app

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/linshao/linshao/cloud/internal/config"
	"github.com/linshao/linshao/protocol/kit/clock"
	kitconfig "github.com/linshao/linshao/protocol/kit/config"
	"github.com/linshao/linshao/protocol/ticket"
)

// rota is a schedule whose backups are written by the test.
type rota struct {
	*schedule
	hands *clock.Fake
	conf  config.Backup
	log   bytes.Buffer
	err   error
}

func newRota(t *testing.T) *rota {
	r := &rota{
		hands: clock.NewFake(start),
		conf:  config.Backup{Dir: filepath.Join(t.TempDir(), "b"), Every: kitconfig.Duration(24 * time.Hour), Keep: 2},
	}
	r.restart()
	return r
}

func (r *rota) restart() {
	r.schedule = newSchedule(r.conf, r.hands, slog.New(slog.NewTextHandler(&r.log, nil)), func(_ context.Context, q BackupRequest) (BackedUp, error) {
		if r.err != nil {
			return BackedUp{}, r.err
		}
		return BackedUp{}, os.WriteFile(q.File, nil, 0o600)
	})
}

func (r *rota) files(t *testing.T) string {
	t.Helper()
	es, err := os.ReadDir(r.conf.Dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range es {
		out = append(out, e.Name())
	}
	return strings.Join(out, " ")
}

func TestTheNewestScheduledBackupsAreKept(t *testing.T) {
	t.Parallel()
	r := newRota(t)
	if d := r.first(); d != 0 {
		t.Errorf("the first backup waits %s", d)
	}
	for range 3 {
		if err := r.once(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.hands.Advance(24 * time.Hour)
	}
	for _, name := range []string{"mine.tar.gz", ".linshao-20261122T100000Z.tar.gz.123.part"} {
		if err := os.WriteFile(filepath.Join(r.conf.Dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.once(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := r.files(t); got != "linshao-20261124T100000Z.tar.gz linshao-20261125T100000Z.tar.gz mine.tar.gz" {
		t.Error(got)
	}
	r.hands.Advance(time.Hour)
	r.restart()
	if d := r.first(); d != 23*time.Hour {
		t.Errorf("after a restart the next waits %s", d)
	}
	r.hands.Jump(start.Add(-1000 * time.Hour))
	if d := r.first(); d != 24*time.Hour {
		t.Errorf("with a clock that was set back the next waits %s", d)
	}
}

// A failing run shows at once, one that hangs as soon as it is overdue, and a
// success ends both.
func TestAMissedBackupShows(t *testing.T) {
	t.Parallel()
	r := newRota(t)
	want := func(when string, want float64) {
		t.Helper()
		if got := testutil.ToFloat64(r); got != want {
			t.Errorf("%s: failing is %v", when, got)
		}
	}
	want("at the start", 0)
	r.err = errors.New("no space left on device")
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- errors.Join(r.run(ctx)) }()
	r.hands.BlockUntil(1) // it has failed, and waits to try again
	want("after a failure", 1)
	if text := r.log.String(); !strings.Contains(text, "no space left") || !strings.Contains(text, "mend=") {
		t.Error(text)
	}
	r.err = nil
	r.hands.Advance(backupAgain)
	r.hands.BlockUntil(1)
	want("after the next try", 0)
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	r.hands.Advance(25 * time.Hour)
	want("at the last moment", 0)
	r.hands.Advance(time.Second)
	want("when it is overdue", 1)
	r.restart()
	want("when it is overdue, after a restart", 1)
	ctx, stop = context.WithCancel(t.Context())
	go func() { done <- r.watch(ctx) }()
	for range 3 {
		r.hands.BlockUntil(1)
		r.hands.Advance(backupLook)
	}
	r.hands.BlockUntil(1)
	stop()
	if err := <-done; err != nil || strings.Count(r.log.String(), "for too long") != 1 {
		t.Errorf("%v, %s", err, r.log.String())
	}
}

// A collector that is told where to backs itself up, and what it writes can be
// restored.
func TestACollectorBacksItselfUp(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	dir := filepath.Join(s.dir, "backups")
	s.configure("backup: {dir: " + dir + ", every: 1h, keep: 3}\n")
	c, stop := s.run()
	raise(t, c, ticket.Entrapment)
	var file string
	for end := time.Now().Add(20 * time.Second); file == "" && time.Now().Before(end); {
		s.hands(t)
		if found, _ := filepath.Glob(filepath.Join(dir, "*.tar.gz")); len(found) > 1 && !lastBackupAt(c.dir.Path()).Before(start.Add(time.Hour)) {
			file = found[len(found)-1]
		}
	}
	stop()
	if file == "" {
		t.Fatal("no second backup")
	}
	s.lose()
	if err := Restore(t.Context(), s.options(), file); err != nil {
		t.Fatal(err)
	}
	c, _ = s.run()
	if n := len(tickets(t, c.store)); n != 1 {
		t.Errorf("%d tickets", n)
	}
}

// hands lets a minute pass, and the collector work for a moment.
func (s *site) hands(t *testing.T) {
	t.Helper()
	s.clock.Advance(time.Minute)
	select {
	case <-t.Context().Done():
	case <-time.After(5 * time.Millisecond):
	}
}
