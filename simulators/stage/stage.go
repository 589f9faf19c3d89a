// Package stage plays a story on the wire, in real time or faster: devices
// speak MQTT and Modbus to whatever gateway is there, faults come and go by
// the story and by the side door, and at the end the tickets the story wants
// are asked of a collector's API.
package stage

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/linshao/linshao/simulators/control"
	"github.com/linshao/linshao/simulators/estate"
	"github.com/linshao/linshao/simulators/live"
	"github.com/linshao/linshao/simulators/pace"
	"github.com/linshao/linshao/simulators/scenario"
)

// Options of a performance.
type Options struct {
	Story scenario.Story
	// Control, if set, is where the side door listens.
	Control string
	// Opened hears the side door's URL once it listens.
	Opened func(url string)
	// Tickets, if set, answers the tickets the story wants.
	Tickets Tickets
	Log     *slog.Logger
}

// Play plays the story to its end, or until ctx ends: then what happened so
// far is the outcome. Wants left unmet are part of the outcome, not an error.
func Play(ctx context.Context, o Options) (scenario.Outcome, error) {
	s, now := o.Story, time.Now()
	start := s.Begins(now)
	e, err := live.Open(live.Options{
		Name: s.Estate, Plan: estate.Plan{Devices: s.Devices}, Seed: s.Seed, Start: start, WallStart: now, Speed: s.Speed,
		MQTT: s.MQTT, Passwords: s.Passwords, Modbus: s.Modbus, Log: o.Log,
	})
	if err != nil {
		return scenario.Outcome{}, err
	}
	defer func() { _ = e.Close() }()
	run, end := context.WithCancel(ctx)
	defer end()
	g, run := errgroup.WithContext(run)
	if o.Control != "" {
		ln, err := (&net.ListenConfig{}).Listen(run, "tcp", o.Control)
		if err != nil {
			return scenario.Outcome{}, fmt.Errorf("open side door: %w", err)
		}
		o.Opened("http://" + ln.Addr().String())
		g.Go(func() error { return serve(run, ln, control.Handler(control.Estates{e}, nil)) })
	}
	g.Go(func() error { return e.Run(run) })
	d := scenario.Direct(s, start.UnixMilli())
	p := pace.New(now.UnixMilli(), start.UnixMilli(), s.Speed)
	g.Go(func() error {
		defer end()
		return direct(run, d, p, e)
	})
	if err := g.Wait(); err != nil {
		return scenario.Outcome{}, err
	}
	out := scenario.Outcome{Truth: e.Truth(), Unmet: d.Unmet(), Tickets: d.Tickets()}
	missing, err := ask(ctx, o.Tickets, s, p, out.Tickets)
	out.Unmet = append(out.Unmet, missing...)
	return out, err
}

// direct steps the director until the story is over.
func direct(ctx context.Context, d *scenario.Director, p pace.Pace, e *live.Estate) error {
	beat := time.NewTicker(p.Every(estate.TickMS*time.Millisecond, 20*time.Millisecond))
	defer beat.Stop()
	for {
		at := p.Virtual(time.Now().UnixMilli())
		if err := d.Step(at, e); err != nil {
			return fmt.Errorf("play story: %w", err)
		}
		if d.Over(at) {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-beat.C:
		}
	}
}

func serve(ctx context.Context, ln net.Listener, h http.Handler) error {
	server := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve side door: %w", err)
	}
	return nil
}
