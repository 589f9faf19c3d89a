package app

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/linshao/linshao/cloud/internal/access"
	"github.com/linshao/linshao/cloud/internal/config"
	"github.com/linshao/linshao/cloud/internal/db"
	"github.com/linshao/linshao/cloud/internal/desk"
	"github.com/linshao/linshao/protocol/kit/clock"
	"github.com/linshao/linshao/protocol/kit/run"
)

// The throw-away PostgreSQL of dbtest is waited for until the binary ends.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/linshao/linshao/cloud/internal/db/dbtest.start.func1"))
}

// start is where every site's clock begins.
var start = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

// site is one installation: a configuration, a data directory, two ports.
type site struct {
	t          *testing.T
	dir, conf  string
	http, mqtt string
	clock      *clock.Fake
}

func newSite(t *testing.T) *site {
	t.Helper()
	dir, err := os.MkdirTemp("", "site") // t.TempDir's paths are too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := &site{t: t, dir: dir, conf: filepath.Join(dir, "cloud.yaml"), http: free(t), mqtt: free(t), clock: clock.NewFake(start)}
	s.configure("")
	return s
}

// configure writes cloud.yaml; more is appended.
func (s *site) configure(more string) {
	s.t.Helper()
	text := fmt.Sprintf("data_dir: %s/data\nhttp: {listen: %q}\nmqtt: {listen: %q}\n%s", s.dir, s.http, s.mqtt, more)
	if err := os.WriteFile(s.conf, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// free is an address that nobody listens on.
func free(t *testing.T) string {
	t.Helper()
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	return ln.Addr().String()
}

func (s *site) options() Options {
	return Options{ConfigPath: s.conf, Version: "0.1.0", Log: slog.New(slog.DiscardHandler), Clock: s.clock}
}

// run starts the collector and returns once it is up; stop ends it.
func (s *site) run() (c *cloud, stop func()) {
	s.t.Helper()
	cfg, err := config.Load(s.conf, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	dir, err := openDir(cfg.DataDir)
	if err != nil {
		s.t.Fatal(err)
	}
	o := s.options()
	c = &cloud{cfg: cfg, o: o, log: o.Log, dir: dir, group: run.NewGroup(o.Log, stopEach), meter: newMeter(o.Version)}
	if err := c.start(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		if err := c.group.Stop(context.WithoutCancel(s.t.Context())); err != nil {
			s.t.Error(err)
		}
		_ = dir.Close()
	}
	s.t.Cleanup(stop)
	return c, stop
}

// do runs one command, whichever way it gets in.
func (s *site) do(f func(context.Context, *Admin) error) {
	s.t.Helper()
	if err := s.try(f); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) try(f func(context.Context, *Admin) error) error {
	s.t.Helper()
	o := s.options()
	o.Clock = nil
	a, err := OpenAdmin(s.t.Context(), o)
	if err != nil {
		return err
	}
	defer func() {
		if err := a.Close(); err != nil {
			s.t.Error(err)
		}
	}()
	return f(s.t.Context(), a)
}

// tickets lists all there are.
func tickets(t *testing.T, store *db.Store) []desk.Row {
	t.Helper()
	rows, _, err := store.Read().Tickets(t.Context(), db.TicketQuery{Page: db.Page{Scope: access.Scope{AllEstates: true}, Limit: 100}, WithLog: true})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}
