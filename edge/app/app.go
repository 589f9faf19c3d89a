// Package app wires the edge: it is the only place that knows more than two of
// its parts. Run starts them in data order backwards (memory first, devices
// last) and stops them in data order: devices, flow, uplink, outbox.
package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/linshao/linshao/edge/internal/config"
	"github.com/linshao/linshao/edge/internal/device"
	"github.com/linshao/linshao/edge/internal/driver/modbus"
	"github.com/linshao/linshao/edge/internal/driver/mqtt"
	"github.com/linshao/linshao/edge/internal/flow"
	"github.com/linshao/linshao/edge/internal/health"
	"github.com/linshao/linshao/edge/internal/metrics"
	"github.com/linshao/linshao/edge/internal/outbox"
	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/kit/clock"
	"github.com/linshao/linshao/protocol/kit/datadir"
	"github.com/linshao/linshao/protocol/kit/mqttbroker"
	"github.com/linshao/linshao/protocol/kit/run"
)

// Options of the edge.
type Options struct {
	// ConfigPath names edge.yaml; Environ is os.Environ's.
	ConfigPath string
	Environ    []string
	Version    string
	Log        *slog.Logger
	// Clock, Disk and Net are the machine's where nil. A Disk of another kind
	// holds the outbox below data_dir and is not locked: nothing of data_dir
	// is opened then.
	Clock Clock
	Disk  Disk
	Net   Net
}

// product and format are what the data directory is stamped with.
const (
	product = "linshao-edge"
	format  = 1
)

// stopEach bounds the stopping of one part.
const stopEach = 10 * time.Second

// OutboxDir is where the outbox lies in the data directory.
const OutboxDir = "outbox"

// Run reads devices until ctx ends. Errors: *config.Error for what the operator
// must mend, datadir.ErrInUse, datadir.ErrNewer, others.
func Run(ctx context.Context, o Options) error {
	plan, err := config.Load(o.ConfigPath, o.Environ)
	if err != nil {
		return err
	}
	dir, err := openDir(o, plan.DataDir)
	if err != nil {
		return err
	}
	if dir != nil {
		defer func() { _ = dir.Close() }()
	}
	if o.Clock == nil {
		o.Clock = clock.NewSystem()
	}
	e := &edge{
		o: o, plan: plan, dir: dir, log: o.Log, clock: o.Clock, group: run.NewGroup(o.Log, stopEach),
		meter: metrics.New(o.Version),
	}
	err = e.start(ctx)
	if ctx.Err() != nil && errors.Is(err, context.Cause(ctx)) {
		err = nil // told to stop while starting
	}
	if err == nil && ctx.Err() == nil {
		e.ready.Store(true)
		o.Log.Info("ready", "estate", plan.Estate, "edge", plan.Edge, "page", plan.HTTP.Listen, "mqtt", plan.MQTT.Listen,
			"devices", len(plan.Compiled), "version", o.Version)
		select {
		case <-ctx.Done():
		case <-e.group.Failed():
			err = e.group.Cause()
		}
	}
	e.ready.Store(false)
	return errors.Join(err, e.group.Stop(context.WithoutCancel(ctx)))
}

// edge holds the parts while they are put together.
type edge struct {
	o     Options
	plan  config.Plan
	dir   *datadir.Dir // nil beside a Disk
	log   *slog.Logger
	clock Clock
	times *times
	group *run.Group
	meter *metrics.Set
	ready atomic.Bool

	outbox *outbox.Outbox
	flow   *flow.Flow
	uplink *link // nil: the edge works alone
	mqtt   atomic.Pointer[mqtt.Driver]
}

func (e *edge) start(ctx context.Context) error {
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"outbox", e.openOutbox},
		{"flow", e.openFlow},
		{"uplink", e.startUplink},
		{"flow", e.startFlow},
		{"page", e.startPage},
		{"devices", e.startDrivers},
	} {
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("start %s: %w", step.name, err)
		}
	}
	return nil
}

func (e *edge) openOutbox(ctx context.Context) error {
	b := e.plan.Outbox
	var err error
	disk, folder := e.outboxPlace()
	if err := disk.MkdirAll(folder); err != nil {
		return err
	}
	e.times = newTimes(e.clock, disk, folder, e.log.With("component", "clock"))
	e.outbox, err = outbox.Open(disk, folder, outbox.Options{
		MaxBytes: int64(b.MaxBytes), MaxAge: time.Duration(b.MaxAge), MinFree: unlessZero(int64(b.MinFree)),
		Clock: e.clock, Trusted: e.clock.Trusted, Origin: e.times.boots.Origin, Log: e.log.With("component", "outbox"),
	})
	if err != nil {
		return err
	}
	return e.group.Defer(ctx, "outbox", func(context.Context) error { return e.outbox.Close() })
}

// unlessZero keeps a configured 0 from being taken for "the default".
func unlessZero(n int64) int64 {
	if n == 0 {
		return -1
	}
	return n
}

// openFlow builds the flow and tells it what happened before this start.
func (e *edge) openFlow(context.Context) error {
	var err error
	e.flow, err = flow.New(flow.Options{
		Estate: e.plan.Estate, Edge: e.plan.Edge, Boot: e.clock.Boot(), Trusted: e.clock.Trusted, Clock: e.clock,
		Skew: e.times.skew.Origin, Jumped: e.times.jumped,
		Devices: e.plan.Compiled, Rules: e.plan.Rules, Recorder: e.outbox, Meter: e.meter, Log: e.log.With("component", "flow"),
	})
	if err != nil {
		return err
	}
	return e.outbox.Replay(func(_ envelope.Sequence, r envelope.Record) error { return e.flow.Recall(r) })
}

func (e *edge) startFlow(ctx context.Context) error { return e.group.Go(ctx, "flow", e.flow.Run) }

func (e *edge) startDrivers(ctx context.Context) error {
	var polled []device.Device
	for _, d := range e.plan.Compiled {
		if d.Modbus != nil {
			polled = append(polled, d)
		}
	}
	if len(polled) > 0 {
		d, err := modbus.New(polled, e.flow, modbus.Options{Clock: e.clock, Log: e.log.With("component", "modbus"), Stats: e.meter})
		if err != nil {
			return err
		}
		if err := e.group.Go(ctx, "modbus", d.Run); err != nil {
			return err
		}
	}
	return e.startMQTT(ctx)
}

func (e *edge) startMQTT(ctx context.Context) error {
	listen, err := e.mqttListeners()
	if err != nil || len(listen) == 0 {
		return err
	}
	logins := map[string]string{}
	for _, l := range e.plan.Logins {
		logins[l.ID] = l.Password.Reveal()
	}
	d, err := mqtt.New(mqtt.Options{
		Listen: listen, Open: e.listen, Devices: e.plan.Compiled, Logins: logins, Sink: e.flow, Clock: e.clock, Stats: e.meter,
		Log: e.log.With("component", "mqtt"),
	})
	if err != nil {
		return err
	}
	if err := e.group.Go(ctx, "mqtt", d.Run); err != nil {
		return err
	}
	e.mqtt.Store(d)
	select {
	case <-d.Ready():
		return nil
	case <-e.group.Failed():
		return e.group.Cause()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (e *edge) mqttListeners() ([]mqttbroker.Listen, error) {
	var out []mqttbroker.Listen
	m := e.plan.MQTT
	if m.Listen != "" {
		out = append(out, mqttbroker.Listen{Address: m.Listen})
	}
	if m.TLS == nil {
		return out, nil
	}
	cert, err := tls.LoadX509KeyPair(m.TLS.Cert, m.TLS.Key)
	if err != nil {
		return nil, fmt.Errorf("read certificate: %w", err)
	}
	conf := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	if m.TLS.ClientCA != "" {
		pem, err := os.ReadFile(m.TLS.ClientCA)
		if err != nil {
			return nil, fmt.Errorf("read client CA: %w", err)
		}
		conf.ClientCAs = x509.NewCertPool()
		if !conf.ClientCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read client CA: %s holds no certificate", m.TLS.ClientCA)
		}
		conf.ClientAuth = tls.VerifyClientCertIfGiven
	}
	return append(out, mqttbroker.Listen{Address: m.TLS.Listen, TLS: conf}), nil
}

func (e *edge) startPage(ctx context.Context) error {
	e.gauges()
	server := &http.Server{
		Handler: health.New(health.Options{
			Estate: e.plan.Estate, Edge: e.plan.Edge, Version: e.o.Version, Token: e.plan.HTTP.Token.Reveal(), Sources: e.sources(),
			Ready: e.ready.Load, Metrics: e.meter.Handler(), Log: e.log.With("component", "page"),
		}),
		ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute,
		ErrorLog: slog.NewLogLogger(e.log.Handler(), slog.LevelDebug),
	}
	ln, err := e.listen(ctx, e.plan.HTTP.Listen)
	if err != nil {
		return fmt.Errorf("listen for HTTP: %w", err)
	}
	return e.group.Go(ctx, "page", func(ctx context.Context) error { return serve(ctx, server, ln) })
}

// pageWithin is how long requests may take to finish when the edge stops.
const pageWithin = 3 * time.Second

// serve answers until ctx ends; nothing is being answered any more when it
// returns, since what the page reads is closed next.
func serve(ctx context.Context, server *http.Server, ln net.Listener) error {
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), pageWithin)
	defer cancel()
	if server.Shutdown(grace) != nil {
		_ = server.Close() // whoever still asks has had time
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
