package agenda_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/linshao/linshao/cloud/internal/agenda"
	"github.com/linshao/linshao/cloud/internal/agenda/agendatest"
	"github.com/linshao/linshao/protocol/kit/clock"
)

func TestMemoryKeepsTheContract(t *testing.T) {
	t.Parallel()
	agendatest.Run(t, func(*testing.T) agendatest.Table { return agendatest.NewMemory() })
}

// stage runs Runners in virtual time and writes down what they did, when.
type stage struct {
	t     *testing.T
	table *agendatest.Memory
	start time.Time
	stop  []func()

	mu   sync.Mutex
	done []string
}

func newStage(t *testing.T) *stage {
	return &stage{t: t, table: agendatest.NewMemory(), start: time.Now()}
}

func (s *stage) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done = append(s.done, fmt.Sprintf("%s ", time.Since(s.start))+fmt.Sprintf(format, args...))
}

func (s *stage) want(lines ...string) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if d := cmp.Diff(lines, s.done); d != "" {
		s.t.Error(d)
	}
}

func (s *stage) run(o agenda.Options) (r *agenda.Runner, kill func()) {
	if o.Store == nil {
		o.Store = s.table
	}
	o.Clock, o.Log = clock.NewSystem(), slog.New(slog.NewTextHandler(s.t.Output(), nil))
	r = agenda.New(o)
	ctx, cancel := context.WithCancel(s.t.Context())
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		if err := r.Run(ctx); err != nil {
			s.t.Error(err)
		}
	}()
	kill = sync.OnceFunc(func() { cancel(); <-gone })
	s.stop = append(s.stop, kill)
	return r, kill
}

// end stops all Runners; called inside the bubble, so that none outlives it.
func (s *stage) end() {
	for _, stop := range s.stop {
		stop()
	}
}

func (s *stage) put(key string, after time.Duration) {
	it := agenda.Item{Estate: "sunrise", Kind: "step", Key: key, RunAtMS: s.start.Add(after).UnixMilli()}
	if err := s.table.Put(s.t.Context(), it); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stage) telling(ctx context.Context, w agenda.Work) error {
	s.say("%s", w.Key)
	return nil
}

// pass lets virtual time pass.
func pass(d time.Duration) { <-time.After(d) }

func jobs(j agenda.Job) map[string]agenda.Job { return map[string]agenda.Job{"step": j} }

func TestStepsFireInOrderAtTheirInstant(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		defer s.end()
		s.put("third", 5*time.Minute)
		s.put("first", 0)
		s.put("second", 60*time.Second)
		s.run(agenda.Options{Jobs: jobs(s.telling)})
		pass(10 * time.Minute)
		s.want("0s first", "1m0s second", "5m0s third")
	})
}

func TestAWakeIsNotRoundedToThePoll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		defer s.end()
		r, _ := s.run(agenda.Options{Jobs: jobs(s.telling), Poll: time.Hour})
		pass(90 * time.Second)
		s.put("page", 90*time.Second)
		r.Wake(s.start.Add(90 * time.Second).UnixMilli())
		synctest.Wait()
		s.put("next step", 95*time.Second)
		r.Wake(s.start.Add(95 * time.Second).UnixMilli())
		r.Wake(s.start.Add(99 * time.Second).UnixMilli())
		pass(time.Minute)
		s.want("1m30s page", "1m35s next step")
	})
}

// Another collector put it: nobody wakes us.
func TestWhatOthersPutIsSeenByPolling(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		defer s.end()
		s.run(agenda.Options{Jobs: jobs(s.telling)})
		pass(10*time.Second + 100*time.Millisecond)
		s.put("theirs", 0)
		pass(time.Second)
		s.want("10.5s theirs")
	})
}

func TestAFailedJobComesBackWithGrowingPauses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		defer s.end()
		s.put("page", 0)
		s.run(agenda.Options{Jobs: jobs(func(_ context.Context, w agenda.Work) error {
			s.say("attempt %d", w.Attempt)
			switch w.Attempt {
			case 1:
				return errors.New("no answer")
			case 2:
				panic("a bug")
			}
			return nil
		})})
		pass(time.Minute)
		s.want("0s attempt 1", "1s attempt 2", "3s attempt 3")
	})
}

func TestALongJobKeepsItsLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		defer s.end()
		s.put("slow page", 0)
		slow := func(ctx context.Context, w agenda.Work) error {
			pass(10 * time.Second)
			s.say("done %d, %v", w.Attempt, ctx.Err())
			return nil
		}
		s.run(agenda.Options{Jobs: jobs(slow)})
		s.run(agenda.Options{Jobs: jobs(slow)})
		pass(time.Minute)
		s.want("10s done 1, <nil>")
	})
}

// frozen is a Store whose holder is paused: nothing it says arrives.
type frozen struct {
	agenda.Store
	mu  sync.Mutex
	ice bool
}

func (f *frozen) freeze(on bool) { f.mu.Lock(); f.ice = on; f.mu.Unlock() }

func (f *frozen) frozen() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ice {
		return errors.New("paused")
	}
	return nil
}

func (f *frozen) Renew(ctx context.Context, w agenda.Work, until int64) error {
	if err := f.frozen(); err != nil {
		return err
	}
	return f.Store.Renew(ctx, w, until)
}

func (f *frozen) Claim(ctx context.Context, c agenda.Claim) ([]agenda.Work, error) {
	if err := f.frozen(); err != nil {
		return nil, err
	}
	return f.Store.Claim(ctx, c)
}

func TestAPausedHolderIsTakenOverAndCannotWrite(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		defer s.end()
		s.put("page", 0)
		paused := &frozen{Store: s.table}
		s.run(agenda.Options{Store: paused, Jobs: jobs(func(ctx context.Context, w agenda.Work) error {
			paused.freeze(true)
			pass(20 * time.Second) // SIGSTOP: not even ctx is looked at
			paused.freeze(false)
			s.say("paused holder wakes: %v, settles: %v", context.Cause(ctx), s.table.Finish(ctx, w))
			return nil
		})})
		pass(time.Second)
		s.run(agenda.Options{Jobs: jobs(s.telling)})
		pass(time.Minute)
		s.want("3s page", "20s paused holder wakes: lease lost, settles: lease lost")
	})
}

func TestADeadHoldersItemIsDoneByTheNext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		defer s.end()
		s.put("page", 0)
		// A claim without anybody behind it is what kill -9 leaves.
		if _, err := s.table.Claim(t.Context(), agenda.Claim{
			NowMS: s.start.UnixMilli(), LeaseUntilMS: s.start.Add(3 * time.Second).UnixMilli(), Limit: 1,
		}); err != nil {
			t.Fatal(err)
		}
		s.run(agenda.Options{Jobs: jobs(s.telling)})
		pass(time.Minute)
		s.want("3s page")
	})
}

func TestTwoRunnersShareWithoutRepeating(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		defer s.end()
		var want []string
		for i := range 200 {
			s.put(fmt.Sprintf("k%03d", i), time.Duration(i)*10*time.Millisecond)
			want = append(want, fmt.Sprintf("k%03d", i))
		}
		var mu sync.Mutex
		var got []string
		late := time.Duration(0)
		job := func(_ context.Context, w agenda.Work) error {
			mu.Lock()
			got = append(got, w.Key)
			late = max(late, time.Since(time.UnixMilli(w.RunAtMS)))
			mu.Unlock()
			pass(30 * time.Millisecond)
			return nil
		}
		s.run(agenda.Options{Jobs: jobs(job), Workers: 3})
		s.run(agenda.Options{Jobs: jobs(job), Workers: 3})
		pass(10 * time.Second)
		mu.Lock()
		defer mu.Unlock()
		slices.Sort(got)
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
		if late > time.Second {
			t.Errorf("%s late", late)
		}
	})
}

func TestAPassengerIsNotQueuedBehindNuisance(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		defer s.end()
		for i := range 1000 {
			s.put(fmt.Sprintf("nuisance %d", i), 0)
		}
		job := func(_ context.Context, w agenda.Work) error {
			if w.Urgent {
				s.say("%s", w.Key)
			}
			pass(100 * time.Millisecond)
			return nil
		}
		s.run(agenda.Options{Jobs: jobs(job), Workers: 2})
		pass(time.Second)
		it := agenda.Item{Kind: "step", Key: "passenger", RunAtMS: time.Now().UnixMilli(), Urgent: true}
		if err := s.table.Put(t.Context(), it); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		if len(s.done) != 1 || s.done[0] != "1s passenger" && s.done[0] != "1.1s passenger" {
			t.Errorf("got %q", s.done)
		}
	})
}

func TestAStopHandsWorkBackAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		defer s.end()
		s.put("page", 0)
		_, stop := s.run(agenda.Options{Jobs: jobs(func(ctx context.Context, _ agenda.Work) error {
			<-ctx.Done()
			return ctx.Err()
		})})
		pass(time.Second)
		stop()
		s.run(agenda.Options{Jobs: jobs(s.telling)})
		pass(time.Second)
		s.want("1s page")
	})
}

func TestAnUnknownKindIsPutOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		defer s.end()
		s.put("from the future", 0)
		s.run(agenda.Options{Jobs: map[string]agenda.Job{"other": s.telling}})
		pass(time.Minute)
		if next, ok, _ := s.table.NextDue(t.Context(), false); !ok || next < time.Now().UnixMilli() {
			t.Errorf("next due %d, %v", next, ok)
		}
	})
}

func TestRetryPausesGrowToALimit(t *testing.T) {
	t.Parallel()
	var got []int64
	for a := range 8 {
		got = append(got, agenda.RetryAfterMS(a+1))
	}
	if d := cmp.Diff([]int64{1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000}, got); d != "" {
		t.Error(d)
	}
	if agenda.RetryAfterMS(1<<40) != 30_000 {
		t.Error("overflow")
	}
}

// A clock set back by a month while it sleeps must not make it a month's sleep.
func TestAClockSetBackDoesNotProlongTheSleep(t *testing.T) {
	t.Parallel()
	table, hands := agendatest.NewMemory(), clock.NewFake(time.UnixMilli(1_732_269_600_000))
	done := make(chan struct{})
	r := agenda.New(agenda.Options{Store: table, Clock: hands, Jobs: map[string]agenda.Job{
		"route": func(context.Context, agenda.Work) error { close(done); return nil },
	}})
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- r.Run(ctx) }()
	hands.BlockUntil(1)
	hands.Jump(hands.Now().Add(-30 * 24 * time.Hour))
	if err := table.Put(ctx, agenda.Item{Estate: "e", Kind: "route", Key: "k", RunAtMS: clock.NowMS(hands)}); err != nil {
		t.Fatal(err)
	}
	hands.Advance(500 * time.Millisecond)
	<-done
	cancel()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}
