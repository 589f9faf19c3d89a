// Package agendatest holds the suite that every agenda.Store passes, and a
// Memory that passes it.
package agendatest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/linshao/linshao/cloud/internal/agenda"
)

// Table is a Store with the ways in. On an engine these run inside the
// transaction of the change that causes them.
type Table interface {
	agenda.Store
	// Put adds the Item, or replaces the one with its key: a holder of the
	// former is fenced off.
	Put(ctx context.Context, it agenda.Item) error
	// PutOnce adds the Item unless its key is there.
	PutOnce(ctx context.Context, it agenda.Item) error
	Cancel(ctx context.Context, key string) error
}

// Run runs the suite; open returns an empty Table.
func Run(t *testing.T, open func(t *testing.T) Table) {
	for name, test := range map[string]func(*testing.T, Table){
		"urgent first then by due time":      testOrder,
		"an item is leased to one":           testLease,
		"a lease that ran out is taken over": testTakeOver,
		"a renewed lease holds":              testRenew,
		"putting again fences the holder":    testPutAgain,
		"putting once keeps the holder":      testPutOnce,
		"a cancelled item is gone":           testCancel,
		"a retried item comes back later":    testRetry,
		"next due counts leases":             testNextDue,
		"no item is claimed by two at once":  testRace,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func item(key string, at int64) agenda.Item {
	return agenda.Item{Estate: "sunrise", Kind: "route", Key: key, RunAtMS: at, Payload: []byte(key)}
}

func put(t *testing.T, tb Table, items ...agenda.Item) {
	t.Helper()
	for _, it := range items {
		if err := tb.Put(t.Context(), it); err != nil {
			t.Fatal(err)
		}
	}
}

func claim(t *testing.T, tb Table, c agenda.Claim) []agenda.Work {
	t.Helper()
	works, err := tb.Claim(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return works
}

func one(t *testing.T, tb Table, now, until int64) agenda.Work {
	t.Helper()
	works := claim(t, tb, agenda.Claim{NowMS: now, LeaseUntilMS: until, Limit: 10})
	if len(works) != 1 {
		t.Fatalf("at %d: want one item, got %d", now, len(works))
	}
	return works[0]
}

func none(t *testing.T, tb Table, now int64) {
	t.Helper()
	if works := claim(t, tb, agenda.Claim{NowMS: now, LeaseUntilMS: now + 1, Limit: 10}); len(works) != 0 {
		t.Fatalf("at %d: want nothing, got %+v", now, works)
	}
}

func lost(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, agenda.ErrLeaseLost) {
		t.Errorf("%s: want a lost lease, got %v", what, err)
	}
}

func keys(works []agenda.Work) []string {
	out := []string{}
	for _, w := range works {
		out = append(out, w.Key)
	}
	return out
}

func testOrder(t *testing.T, tb Table) {
	passenger := item("passenger", 90)
	passenger.Urgent = true
	put(t, tb, item("c", 30), item("a", 10), item("b", 20), item("tomorrow", 101), passenger)
	got := claim(t, tb, agenda.Claim{NowMS: 100, LeaseUntilMS: 200, Limit: 3})
	if d := cmp.Diff([]string{"passenger", "a", "b"}, keys(got)); d != "" {
		t.Error(d)
	}
	if string(got[1].Payload) != "a" || got[1].Attempt != 1 || got[1].Kind != "route" || got[1].Estate != "sunrise" {
		t.Errorf("got %+v", got[1])
	}
	another := item("another passenger", 95)
	another.Urgent = true
	put(t, tb, another)
	urgent := claim(t, tb, agenda.Claim{NowMS: 100, LeaseUntilMS: 200, Limit: 9, UrgentOnly: true})
	if d := cmp.Diff([]string{"another passenger"}, keys(urgent)); d != "" {
		t.Error(d)
	}
}

func testLease(t *testing.T, tb Table) {
	put(t, tb, item("a", 10))
	none(t, tb, 9)
	w := one(t, tb, 10, 20)
	none(t, tb, 19)
	if err := tb.Finish(t.Context(), w); err != nil {
		t.Error(err)
	}
	none(t, tb, 1000)
	lost(t, "finish again", tb.Finish(t.Context(), w))
}

func testTakeOver(t *testing.T, tb Table) {
	put(t, tb, item("a", 10))
	dead := one(t, tb, 10, 20)
	heir := one(t, tb, 20, 30)
	if heir.Attempt != 2 {
		t.Errorf("attempt %d", heir.Attempt)
	}
	lost(t, "finish", tb.Finish(t.Context(), dead))
	lost(t, "retry", tb.Retry(t.Context(), dead, 1))
	lost(t, "renew", tb.Renew(t.Context(), dead, 99))
	if err := tb.Finish(t.Context(), heir); err != nil {
		t.Error(err)
	}
}

func testRenew(t *testing.T, tb Table) {
	put(t, tb, item("a", 10))
	w := one(t, tb, 10, 20)
	if err := tb.Renew(t.Context(), w, 40); err != nil {
		t.Fatal(err)
	}
	none(t, tb, 39)
	one(t, tb, 40, 50)
}

func testPutAgain(t *testing.T, tb Table) {
	put(t, tb, item("a", 10))
	old := one(t, tb, 10, 20)
	again := item("a", 11)
	again.Payload = []byte("newer")
	put(t, tb, again)
	lost(t, "finish", tb.Finish(t.Context(), old))
	w := one(t, tb, 11, 20)
	if string(w.Payload) != "newer" || w.Attempt != 1 {
		t.Errorf("got %+v", w)
	}
}

func testPutOnce(t *testing.T, tb Table) {
	put(t, tb, item("a", 10))
	w := one(t, tb, 10, 20)
	if err := tb.PutOnce(t.Context(), item("a", 5)); err != nil {
		t.Fatal(err)
	}
	if err := tb.PutOnce(t.Context(), item("b", 50)); err != nil {
		t.Fatal(err)
	}
	none(t, tb, 19)
	if err := tb.Finish(t.Context(), w); err != nil {
		t.Error(err)
	}
	if w := one(t, tb, 50, 60); w.Key != "b" {
		t.Errorf("got %s", w.Key)
	}
}

func testCancel(t *testing.T, tb Table) {
	put(t, tb, item("a", 10), item("b", 10))
	if err := tb.Cancel(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	w := one(t, tb, 10, 20)
	if err := tb.Cancel(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	lost(t, "finish", tb.Finish(t.Context(), w))
	if err := tb.Cancel(t.Context(), "never there"); err != nil {
		t.Error(err)
	}
}

func testRetry(t *testing.T, tb Table) {
	put(t, tb, item("a", 10))
	w := one(t, tb, 10, 20)
	if err := tb.Retry(t.Context(), w, 15); err != nil {
		t.Fatal(err)
	}
	lost(t, "finish", tb.Finish(t.Context(), w))
	none(t, tb, 14)
	if w := one(t, tb, 15, 20); w.Attempt != 2 {
		t.Errorf("attempt %d", w.Attempt)
	}
}

func testNextDue(t *testing.T, tb Table) {
	want := func(ms int64, ok, urgent bool) {
		t.Helper()
		got, gotOK, err := tb.NextDue(t.Context(), urgent)
		if err != nil || got != ms || gotOK != ok {
			t.Errorf("next due %d, %v, %v; want %d, %v", got, gotOK, err, ms, ok)
		}
	}
	want(0, false, false)
	put(t, tb, item("a", 10), item("b", 30))
	want(10, true, false)
	want(0, false, true)
	one(t, tb, 10, 25)
	want(25, true, false)
}

func testRace(t *testing.T, tb Table) {
	const items, holders = 40, 4
	for i := range items {
		put(t, tb, item(fmt.Sprintf("k%02d", i), 1))
	}
	var mu sync.Mutex
	seen := map[string]int{}
	var wg sync.WaitGroup
	for range holders {
		wg.Go(func() {
			for {
				works, err := tb.Claim(t.Context(), agenda.Claim{NowMS: 5, LeaseUntilMS: 100, Limit: 3})
				if err != nil {
					t.Error(err)
				}
				if err != nil || len(works) == 0 {
					return
				}
				mu.Lock()
				for _, w := range works {
					seen[w.Key]++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(seen) != items {
		t.Errorf("%d of %d items claimed", len(seen), items)
	}
	for k, n := range seen {
		if n != 1 {
			t.Errorf("%s claimed %d times", k, n)
		}
	}
}
