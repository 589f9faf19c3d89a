package agenda

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/linshao/linshao/protocol/kit/chaos"
	"github.com/linshao/linshao/protocol/kit/clock"
)

// backOffMS keeps two Runners from racing for the same rows in a loop.
const backOffMS = 5

// Options of a Runner. Store, Clock and Jobs are required.
type Options struct {
	Store Store
	Clock clock.Clock
	Log   *slog.Logger
	// Jobs by Item kind. An Item of a kind that is not here is put off with
	// an error in the log: a newer collector beside us may know it.
	Jobs map[string]Job
	// Workers bounds the Jobs at work at once (default 16).
	Workers int
	// Lease is how long a silent holder keeps an Item (default 3 s); it is
	// renewed three times within that while the Job works.
	Lease time.Duration
	// Poll bounds how long Items put by another process stay unseen
	// (default 500 ms).
	Poll time.Duration
	// UrgentOnly makes a Runner whose workers no ordinary Item can occupy.
	UrgentOnly bool
}

// Runner claims due Items and works on them.
type Runner struct {
	o    Options
	log  *slog.Logger
	wake chan struct{}

	mu sync.Mutex
	// nextMS is the earliest instant a Wake asked for since the last look;
	// guarded by mu.
	nextMS int64
}

// New returns a Runner; Run starts it.
func New(o Options) *Runner {
	if o.Workers <= 0 {
		o.Workers = 16
	}
	if o.Lease <= 0 {
		o.Lease = 3 * time.Second
	}
	if o.Poll <= 0 {
		o.Poll = 500 * time.Millisecond
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Runner{o: o, log: o.Log.With("component", "agenda"), wake: make(chan struct{}, 1)}
}

// Wake tells the Runner that something may be due at dueMS. It is called
// after the commit that put the Item; it never blocks.
func (r *Runner) Wake(dueMS int64) {
	r.mu.Lock()
	earlier := r.nextMS == 0 || dueMS < r.nextMS
	if earlier {
		r.nextMS = dueMS
	}
	r.mu.Unlock()
	if !earlier {
		return
	}
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Run works until ctx ends, then waits for the Jobs at work and hands back
// what they did not finish, so that the next Runner need not wait for leases.
func (r *Runner) Run(ctx context.Context) error {
	var jobs sync.WaitGroup
	defer jobs.Wait()
	slots := make(chan struct{}, r.o.Workers)
	for range r.o.Workers {
		slots <- struct{}{}
	}
	for {
		free := takeAll(ctx, slots)
		if free == 0 {
			return nil
		}
		works, err := r.claim(ctx, free)
		if err != nil && ctx.Err() == nil {
			r.log.Error("claim due items", "err", err)
		}
		for range free - len(works) {
			slots <- struct{}{}
		}
		for _, w := range works {
			chaos.At("agenda.lease.after")
			jobs.Go(func() {
				defer func() { slots <- struct{}{} }()
				r.work(ctx, w)
			})
		}
		if len(works) == free {
			continue // there may be more: take them as soon as a slot is free
		}
		if !r.sleep(ctx) {
			return nil
		}
	}
}

// takeAll waits for one free slot and takes all that are free; 0 if ctx ends.
func takeAll(ctx context.Context, slots chan struct{}) int {
	select {
	case <-ctx.Done():
		return 0
	case <-slots:
	}
	for n := 1; ; n++ {
		select {
		case <-slots:
		default:
			return n
		}
	}
}

func (r *Runner) nowMS() int64 { return clock.NowMS(r.o.Clock) }

func (r *Runner) claim(ctx context.Context, limit int) ([]Work, error) {
	r.mu.Lock()
	r.nextMS = 0 // a Wake from here on is about something this claim may miss
	r.mu.Unlock()
	now := r.nowMS()
	return r.o.Store.Claim(ctx, Claim{
		NowMS: now, LeaseUntilMS: now + r.o.Lease.Milliseconds(), Limit: limit, UrgentOnly: r.o.UrgentOnly,
	})
}

// sleep waits until the next Item is due, a Wake tells of an earlier one, or
// Poll has passed. It reports false when ctx ends.
func (r *Runner) sleep(ctx context.Context) bool {
	pollAt := r.nowMS() + r.o.Poll.Milliseconds()
	wakeAt := pollAt
	if next, ok, err := r.o.Store.NextDue(ctx, r.o.UrgentOnly); err != nil {
		if ctx.Err() == nil {
			r.log.Error("look for the next due item", "err", err)
		}
	} else if ok {
		// What is due and yet was not claimed is being claimed by another
		// holder: looking again at once would spin.
		wakeAt = min(wakeAt, max(next, r.nowMS()+backOffMS))
	}
	for {
		r.mu.Lock()
		if r.nextMS != 0 {
			wakeAt = min(wakeAt, r.nextMS)
		}
		r.mu.Unlock()
		// A clock that is set back meanwhile must not make it a long sleep.
		wait := min(wakeAt-r.nowMS(), r.o.Poll.Milliseconds())
		if wait <= 0 {
			return ctx.Err() == nil
		}
		timer, rested := r.o.Clock.NewTimer(time.Duration(wait)*time.Millisecond), false
		select {
		case <-ctx.Done():
		case <-r.wake:
		case <-timer.C():
			rested = true
		}
		timer.Stop()
		if rested || ctx.Err() != nil {
			return ctx.Err() == nil
		}
	}
}

// work runs one Job under its lease and settles the outcome.
func (r *Runner) work(ctx context.Context, w Work) {
	jobCtx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	done := make(chan error, 1)
	go func() { done <- r.do(jobCtx, w) }()
	err := r.keep(jobCtx, cancel, w, done)
	if err != nil && (errors.Is(context.Cause(jobCtx), ErrLeaseLost) || errors.Is(err, ErrLeaseLost)) {
		r.log.Warn("lease lost, another holder goes on", "kind", w.Kind, "key", w.Key)
		return
	}
	// Settling outlives a stop: it is one short write, and it spares the next
	// Runner the wait for our lease.
	if err := r.settle(context.WithoutCancel(ctx), ctx.Err() != nil, w, err); err != nil && !errors.Is(err, ErrLeaseLost) {
		r.log.Error("settle item", "kind", w.Kind, "key", w.Key, "err", err)
	}
}

// keep renews the lease until the Job is done. A lease that is lost, or that
// could not be renewed in time, cancels the Job.
func (r *Runner) keep(ctx context.Context, cancel context.CancelCauseFunc, w Work, done <-chan error) error {
	validMS := r.nowMS() + r.o.Lease.Milliseconds()
	tick := r.o.Clock.NewTimer(r.o.Lease / 3)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			return err
		case <-tick.C():
			tick.Reset(r.o.Lease / 3)
		}
		until := r.nowMS() + r.o.Lease.Milliseconds()
		chaos.At("agenda.renew.before")
		err := r.o.Store.Renew(ctx, w, until)
		chaos.At("agenda.renew.after")
		switch {
		case err == nil:
			validMS = until
		case errors.Is(err, ErrLeaseLost), r.nowMS() >= validMS:
			cancel(ErrLeaseLost)
			return <-done
		}
	}
}

// do runs the Job; a panic costs that Item one attempt, not the collector.
func (r *Runner) do(ctx context.Context, w Work) (err error) {
	job := r.o.Jobs[w.Kind]
	if job == nil {
		return fmt.Errorf("no job for kind %q", w.Kind)
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("job %s panicked: %v\n%s", w.Kind, p, debug.Stack())
		}
	}()
	return job(ctx, w)
}

func (r *Runner) settle(ctx context.Context, stopping bool, w Work, err error) error {
	if err == nil {
		chaos.At("agenda.finish.before")
		return r.o.Store.Finish(ctx, w)
	}
	runAt := r.nowMS()
	if !stopping {
		r.log.Error("work on item", "kind", w.Kind, "key", w.Key, "attempt", w.Attempt, "err", err)
		runAt += RetryAfterMS(w.Attempt)
	}
	return r.o.Store.Retry(ctx, w, runAt)
}
