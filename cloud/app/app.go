// Package app wires the cloud: it is the only place that knows more than two
// of its parts. Run starts everything in the order in which it can be of use
// (desk and pages first, series when their log has been replayed) and stops it
// in data order.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/linshao/linshao/cloud/internal/access"
	"github.com/linshao/linshao/cloud/internal/agenda"
	"github.com/linshao/linshao/cloud/internal/config"
	"github.com/linshao/linshao/cloud/internal/console"
	"github.com/linshao/linshao/cloud/internal/db"
	"github.com/linshao/linshao/cloud/internal/desk"
	"github.com/linshao/linshao/cloud/internal/dispatch"
	"github.com/linshao/linshao/cloud/internal/ingest"
	"github.com/linshao/linshao/cloud/internal/notify"
	"github.com/linshao/linshao/cloud/internal/notify/mqtt"
	"github.com/linshao/linshao/cloud/internal/notify/stream"
	"github.com/linshao/linshao/cloud/internal/notify/webhook"
	"github.com/linshao/linshao/cloud/internal/series"
	"github.com/linshao/linshao/protocol/kit/clock"
	"github.com/linshao/linshao/protocol/kit/datadir"
	"github.com/linshao/linshao/protocol/kit/mqttbroker"
	"github.com/linshao/linshao/protocol/kit/run"
	"github.com/linshao/linshao/protocol/ticket"
)

// Options of the cloud.
type Options struct {
	// ConfigPath names cloud.yaml; Environ is os.Environ's.
	ConfigPath string
	Environ    []string
	Version    string
	Log        *slog.Logger
	// Clock may be nil: the machine's.
	Clock clock.Clock
	// Net may be nil: the machine's. Another one has no admin socket.
	Net Net
	// Pause may be nil. It is called, and may block, before and after each
	// transaction of ingest, where a crash can come between.
	Pause func(ctx context.Context, step string)
	// Poll is agenda.Options.Poll; 0: its default.
	Poll time.Duration
	// SeriesSegmentBytes is embedded.Options.SegmentBytes; 0: its default.
	SeriesSegmentBytes int
}

// product and format are what the data directory is stamped with.
const (
	product = "linshao-cloud"
	format  = 1
)

// stopEach bounds the stopping of one part.
const stopEach = 10 * time.Second

// ExposedError refuses to be reachable from other machines before anybody can
// sign in.
type ExposedError struct{ Listen string }

func (e *ExposedError) Error() string {
	return fmt.Sprintf("refusing to listen on %s: there is no login yet; add one with `linshao-cloud user add NAME --role admin`, or listen on 127.0.0.1", e.Listen)
}

// Run serves until ctx ends. Errors: *config.Error and *ExposedError for what
// the operator must mend, datadir.ErrInUse, datadir.ErrNewer, others.
func Run(ctx context.Context, o Options) error {
	cfg, err := config.Load(o.ConfigPath, o.Environ)
	if err != nil {
		return err
	}
	if o.Clock == nil {
		o.Clock = clock.NewSystem()
	}
	dir, err := openDir(cfg.DataDir)
	if err != nil {
		return err
	}
	c := &cloud{cfg: cfg, o: o, log: o.Log, dir: dir, group: run.NewGroup(o.Log, stopEach), meter: newMeter(o.Version)}
	defer func() { _ = dir.Close() }()
	err = c.start(ctx)
	if ctx.Err() != nil && !IsUsage(err) {
		err = nil // told to end while starting: what broke off was told to
	}
	if err == nil {
		o.Log.Info("ready", "console", cfg.HTTP.PublicURL, "http", cfg.HTTP.Listen, "mqtt", cfg.MQTT.Listen, "version", o.Version)
		select {
		case <-ctx.Done():
		case <-c.group.Failed():
			err = c.group.Cause()
		}
	}
	return errors.Join(err, c.group.Stop(context.WithoutCancel(ctx)))
}

func openDir(path string) (*datadir.Dir, error) {
	dir, err := datadir.Open(path, product, format)
	if err != nil {
		return nil, err
	}
	if err = cutOff(dir); err == nil {
		err = sweep(dir)
	}
	if err == nil && dir.Found < format {
		err = dir.Stamp(format)
	}
	if err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	return dir, nil
}

// cloud holds the parts while they are put together.
type cloud struct {
	cfg   config.File
	o     Options
	log   *slog.Logger
	dir   *datadir.Dir
	group *run.Group
	meter *meter

	steady   *steady
	store    *db.Store
	door     *access.Door
	desk     *desk.Desk
	sessions *console.Sessions
	latest   *series.Latest
	standby  *series.Standby
	broker   *mqttbroker.Broker
	down     *downlink
	liveness *liveness
	console  *console.Console
}

func (c *cloud) nowMS() int64 { return clock.NowMS(c.o.Clock) }

// start brings the parts up one after the other; what is up is stopped by the
// group, last born first.
func (c *cloud) start(ctx context.Context) error {
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"clock", c.steadyClock},
		{"database", c.openStore},
		{"access", c.openDoor},
		{"series", c.startSeries},
		{"uplink", c.startUplink},
		{"clock's shifts", c.followClock},
		{"paging", c.startPaging},
		{"backups", c.startBackups},
		{"console", c.startHTTP},
		{"admin socket", c.startAdmin},
	} {
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("start %s: %w", step.name, err)
		}
	}
	return nil
}

// steadyClock comes before all else: there is one clock.
func (c *cloud) steadyClock(context.Context) error {
	c.steady = newSteady(c.o.Clock)
	c.o.Clock = c.steady
	return nil
}

func (c *cloud) followClock(ctx context.Context) error {
	c.steady.moved = func(d time.Duration) {
		c.log.Warn("the machine's clock was set, what is due moves with it", "by", d)
		c.liveness.moved(d)
	}
	return c.group.Go(ctx, "clock", func(ctx context.Context) error {
		c.steady.run(ctx, c.store, c.log)
		return nil
	})
}

func (c *cloud) openStore(ctx context.Context) error {
	var err error
	c.store, err = db.Open(ctx, db.Options{DataDir: c.dir.Path(), URL: c.cfg.Database.URL.Reveal(), Log: c.log, NowMS: c.nowMS})
	if err != nil {
		return err
	}
	c.meter.watch(ctx, c.store)
	return c.group.Defer(ctx, "database", func(context.Context) error { return c.store.Close() })
}

func (c *cloud) openDoor(ctx context.Context) error {
	passwords, err := access.NewPasswords(2)
	if err != nil {
		return err
	}
	c.door = access.NewDoor(c.store.Access(), passwords, c.nowMS, c.log)
	listen := c.cfg.Exposed()
	if listen == "" {
		return nil
	}
	accounts, err := c.store.Read().Accounts(ctx)
	if err == nil && len(accounts) == 0 {
		err = &ExposedError{Listen: listen}
	}
	return err
}

// startSeries opens the series store beside everything else: alarms do not
// wait until it has been replayed.
func (c *cloud) startSeries(ctx context.Context) error {
	c.latest = series.NewLatest()
	c.standby = series.NewStandby(c.seriesOpener(), func(ctx context.Context, s series.Store) {
		newest, err := s.Newest(ctx, c.nowMS()-series.OldestAgeMS)
		if err != nil {
			c.log.Warn("latest values come back with the devices' next reports", "err", err)
			return
		}
		c.latest.Load(newest)
	}, c.log.With("component", "series"))
	return c.group.Go(ctx, "series", c.standby.Run)
}

func (c *cloud) startUplink(ctx context.Context) error {
	c.down = &downlink{store: c.store, clock: c.o.Clock, log: c.log.With("component", "downlink")}
	c.desk = desk.New(desk.Options{Clocks: desk.DefaultClocks(), Downlink: c.down.transitions, Route: dispatch.RouteItem, Log: c.log})
	c.liveness = newLiveness(c.store, c.desk, c.o.Clock, c.log)
	c.meter.liveness(c.liveness)
	in := ingest.New(ingest.Options{
		InTx: c.ingestInTx(), Series: c.standby, Stored: c.standby, Latest: c.latest, Publisher: c.down, Clock: c.o.Clock,
		Log: c.log.With("component", "ingest"), Metrics: c.meter.registry, Heard: c.liveness.hear,
	})
	gate := gatekeeper{c.door}
	rec := &receiver{ingest: in, liveness: c.liveness, down: c.down, log: c.log.With("component", "uplink")}
	listen, err := c.mqttListeners()
	if err != nil {
		return err
	}
	c.broker, err = mqttbroker.New(mqttbroker.Options{
		Listen: listen, Open: c.listenMQTT, Authenticator: gate, Authorizer: gate, Receiver: rec, Presence: rec,
		Limits: mqttbroker.EdgeLimits(), Log: c.log.With("component", "broker"),
	})
	if err != nil {
		return err
	}
	c.down.broker = c.broker
	if err := c.group.Go(ctx, "ingest", in.Run); err != nil {
		return err
	}
	if err := c.group.Start(ctx, "broker", c.broker); err != nil {
		return err
	}
	return c.group.Go(ctx, "liveness", c.liveness.Run)
}

func (c *cloud) mqttListeners() ([]mqttbroker.Listen, error) {
	var out []mqttbroker.Listen
	if c.cfg.MQTT.Listen != "" {
		out = append(out, mqttbroker.Listen{Address: c.cfg.MQTT.Listen})
	}
	if t := c.cfg.MQTT.TLS; t != nil {
		conf, err := serverTLS(*t)
		if err != nil {
			return nil, err
		}
		out = append(out, mqttbroker.Listen{Address: t.Listen, TLS: conf})
	}
	return out, nil
}

// startPaging puts the console together, which pages show tickets by, and
// begins to work on what is due.
func (c *cloud) startPaging(ctx context.Context) error {
	c.sessions = &console.Sessions{}
	reads := reading{c.store}
	c.console = console.New(console.Options{
		Door: c.door, Fleet: reads, Tickets: reads, Desk: changing{c.store, c.desk}, Planning: planning{c.store}, Series: c.standby,
		Latest: c.latest, Changes: reads, Sessions: c.sessions, Prometheus: c.prometheus, Web: builtConsole(),
		PublicURL: c.cfg.HTTP.PublicURL, Version: c.o.Version, Demo: c.cfg.Demo, NowMS: c.nowMS, Log: c.log,
	})
	hook := webhook.New(c.o.Clock.Now, c.dialPages())
	if err := c.group.Defer(ctx, "webhook", func(context.Context) error { hook.Close(); return nil }); err != nil {
		return err
	}
	jobs := dispatch.New(dispatch.Options{
		Store: paging{c.store}, Clock: c.o.Clock, Render: c.console.Render, AckURL: c.ackURL, AcceptWithin: acceptWithin,
		Notifiers: map[string]notify.Notifier{"webhook": hook, "stream": stream.New(c.sessions), "mqtt": mqtt.New(radios{c.broker})},
		Meter:     c.meter, Log: c.log,
	}).Jobs()
	if c.cfg.Database.URL.Reveal() == "" { // beside PostgreSQL, others may live
		if err := c.store.Agenda().Release(ctx); err != nil {
			return err
		}
	}
	for _, urgent := range []bool{true, false} {
		r := agenda.New(agenda.Options{Store: c.store.Agenda(), Clock: c.o.Clock, Log: c.log, Jobs: jobs, UrgentOnly: urgent, Poll: c.o.Poll})
		c.store.Watch(func(x db.Committed) {
			if x.DueMS != 0 {
				r.Wake(x.DueMS)
			}
		})
		if err := c.group.Go(ctx, "agenda", r.Run); err != nil {
			return err
		}
	}
	if err := c.lookAgain(ctx); err != nil {
		return err
	}
	return c.group.Go(ctx, "prune", c.prune)
}

// lookAgain has routing look at every unresolved ticket: if the clock was set
// back while the collector was down, their next looks lie in the future, and
// so does when an edge was heard.
func (c *cloud) lookAgain(ctx context.Context) error {
	return c.store.InTx(ctx, func(tx *db.Tx) error { return errors.Join(tx.SeenAtMost(ctx, tx.NowMS()), reroute(ctx, tx, "")) })
}

// reroute has routing look at the unresolved tickets of an estate, empty for
// all, once the transaction is done: they were planned on what has changed.
func reroute(ctx context.Context, tx *db.Tx, estate string) error {
	q := db.TicketQuery{
		Page:   db.Page{Scope: access.Scope{AllEstates: true}, Estate: estate, Limit: 1000},
		States: []ticket.State{ticket.Open, ticket.Accepted, ticket.Arrived},
	}
	for {
		rows, next, err := tx.Tickets(ctx, q)
		if err != nil {
			return err
		}
		for _, r := range rows {
			if err := tx.PutItem(ctx, dispatch.RouteItem(r.Ticket, max(tx.NowMS(), min(r.PageableMS, tx.NowMS()+heldMost)))); err != nil {
				return err
			}
		}
		if next == "" {
			return nil
		}
		q.Cursor = next
	}
}

// heldMost is the longest that a late raise is held back for its clear.
const heldMost = 2000

// acceptWithin is the person's clock, counted from the delivered page.
func acceptWithin(t ticket.Ticket) time.Duration {
	by := desk.DefaultClocks().AnswerBy(t.Severity, t.Fault, 1)
	return time.Duration(by-1) * time.Millisecond
}

// pruneEvery is how often what has served its time is removed.
const pruneEvery = 5 * time.Minute

func (c *cloud) prune(ctx context.Context) error {
	for clock.Wait(ctx, c.o.Clock, pruneEvery) == nil {
		if err := c.store.Prune(ctx); err != nil && ctx.Err() == nil {
			c.log.Error("prune", "err", err)
		}
	}
	return nil
}

func (c *cloud) prometheus(s access.Scope) http.Handler {
	return c.standby.Prometheus(series.Scope{All: s.AllEstates, Estates: s.Estates})
}
