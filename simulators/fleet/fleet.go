// Package fleet loads a collector with simulated edges that speak the uplink
// protocol: hello, Envelopes of samples, and nothing forgotten before its
// Receipt. It measures what a real fleet would feel: samples settled per
// second and the time from an Envelope to its Receipt.
//
// With a Backlog the fleet comes back, all edges at once, after an outage of the
// collector: each has alarms and samples to bring, and goes on measuring.
//
// An edge never has more than limit.MaxWindow Envelopes unsettled: a slow
// collector slows the fleet, and Totals.Held counts how often. After a broken
// connection all unsettled Envelopes are sent again, in order.
package fleet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"
)

// Credential is how one edge signs in.
type Credential struct{ Estate, Edge, Username, Password string }

// Options of a fleet. All but Progress are required.
type Options struct {
	// URL is the collector's broker, tcp://host:port.
	URL         string
	Credentials []Credential
	// Devices per edge, each with one metric.
	Devices int
	// Rate is samples per second of each device.
	Rate float64
	// Every is how often an edge sends an Envelope.
	Every time.Duration
	// Duration of the load; after it the edges wait up to Grace for the
	// Receipts still missing.
	Duration, Grace time.Duration
	Seed            uint64
	// Backlog is how long there was no collector before the start: each edge
	// has kept that much at Rate, and Alarms alarms of that time. They are
	// sent beside the load, alarms first.
	Backlog time.Duration
	Alarms  int
	// Progress, if set, hears the totals once a second.
	Progress func(Totals)
	Log      *slog.Logger
}

// Validate reports what is wrong with the Options.
func (o Options) Validate() error {
	var errs []error
	if len(o.Credentials) == 0 {
		errs = append(errs, errors.New("there are no edges"))
	}
	if o.Devices < 1 || o.Devices > 10_000 {
		errs = append(errs, fmt.Errorf("%d devices is outside 1 to 10000", o.Devices))
	}
	if o.Every < 10*time.Millisecond || o.Duration <= 0 {
		errs = append(errs, errors.New("an Envelope every 10 ms or slower, for a while"))
	}
	if o.Backlog < 0 || o.Alarms < 0 || o.Alarms > 0 && o.Backlog == 0 {
		errs = append(errs, errors.New("alarms need a backlog to be of"))
	}
	if per := o.Rate * o.Every.Seconds() * float64(o.Devices); !(o.Rate > 0) || per > maxSamples {
		errs = append(errs, fmt.Errorf("rate %v makes %.0f samples an Envelope, want 0 to %d: send more often", o.Rate, per, maxSamples))
	}
	return errors.Join(errs...)
}

// Run loads the collector until Duration is over or ctx ends, and returns the
// totals. Samples that were not settled in the end are in them, not an error.
func Run(ctx context.Context, o Options) (Totals, error) {
	if err := o.Validate(); err != nil {
		return Totals{}, err
	}
	c := newCounters()
	load, stop := context.WithTimeout(ctx, o.Duration)
	defer stop()
	whole, stop := context.WithTimeout(ctx, o.Duration+o.Grace)
	defer stop()
	g, whole := errgroup.WithContext(whole)
	for i, cred := range o.Credentials {
		e := newEdge(o, cred, i, c)
		g.Go(func() error { return e.run(load, whole) })
	}
	told, silence := context.WithCancel(whole)
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.report(told, o.Progress)
	}()
	err := g.Wait()
	silence()
	<-done
	return c.totals(), err
}
