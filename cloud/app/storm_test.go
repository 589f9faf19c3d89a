package app

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/linshao/linshao/cloud/internal/access"
	"github.com/linshao/linshao/cloud/internal/db"
	"github.com/linshao/linshao/cloud/internal/fleet"
	"github.com/linshao/linshao/protocol/kit/clock"
	"github.com/linshao/linshao/protocol/ticket"
)

// villages is a collector with n estates of one edge each, each of them heard
// and connected, and a watcher over them.
func villages(t *testing.T, n int) (*site, *cloud, func(), *liveness, *clock.Fake, []edgeID) {
	t.Helper()
	s := newSite(t)
	c, stop := s.run()
	var ids []edgeID
	err := c.store.InTx(t.Context(), func(tx *db.Tx) (err error) {
		for i := range n {
			id := edgeID{fmt.Sprintf("v%03d", i), "e1"}
			ids = append(ids, id)
			err = errors.Join(err, tx.SaveEstate(t.Context(), fleet.Estate{ID: id.estate, Name: id.estate, Timezone: "Asia/Shanghai"}),
				tx.AddEdge(t.Context(), id.estate, id.edge))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	hands := clock.NewFake(start)
	l := watcher(c, hands)
	forEach(ids, func(id edgeID) { l.connected(id, true) })
	look(t, l)
	return s, c, stop, l, hands, ids
}

// darkness lists how often each estate has been dark, and which are now.
func darkness(t *testing.T, store *db.Store) (occurrences map[string]int, now []string) {
	t.Helper()
	occurrences = map[string]int{}
	q := db.TicketQuery{Page: db.Page{Scope: access.Scope{AllEstates: true}, Limit: 1000}}
	rows, _, err := store.Read().Tickets(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if _, twice := occurrences[r.Estate]; twice || r.Fault != ticket.EstateDark {
			t.Errorf("a second ticket of %s, or another: %+v", r.Estate, r)
		}
		occurrences[r.Estate] = r.Occurrences
		if r.Condition == ticket.Active {
			now = append(now, r.Estate)
		}
	}
	slices.Sort(now)
	return occurrences, now
}

// A link that flaps faster than anybody calls dark is no ticket; one that goes
// dark again and again is one ticket that counts.
func TestAFlappingLinkIsNoStorm(t *testing.T) {
	t.Parallel()
	_, c, _, l, hands, ids := villages(t, 1)
	for range 100 {
		l.connected(ids[0], false)
		hands.Advance(30 * time.Second)
		look(t, l)
		l.connected(ids[0], true)
		hands.Advance(time.Second)
		look(t, l)
	}
	if all, _ := darkness(t, c.store); len(all) != 0 {
		t.Errorf("flapping: %v", all)
	}
	for range 20 {
		l.connected(ids[0], false)
		hands.Advance(46 * time.Second)
		look(t, l)
		look(t, l)
		l.connected(ids[0], true)
		hands.Advance(time.Second)
		look(t, l)
	}
	if all, now := darkness(t, c.store); len(all) != 1 || all[ids[0].estate] != 20 || len(now) != 0 {
		t.Errorf("dark 20 times: %v, now %v", all, now)
	}
}

// The backbone goes and comes back: one ticket for each estate, all ended, and
// none of those that a collector which is restarted meanwhile finds is raised
// again, forgotten, or made up.
func TestAllEstatesGoDarkAtOnce(t *testing.T) {
	t.Parallel()
	const n = 500
	s, c, stop, l, hands, ids := villages(t, n)
	dark, fine := ids[:n-100], ids[n-100:]
	forEach(dark, func(id edgeID) { l.connected(id, false) })
	hands.Advance(46 * time.Second)
	look(t, l)
	counts := func(when string, occurrences map[string]int, now []string, most int) {
		t.Helper()
		got, still := darkness(t, c.store)
		if len(got) != len(occurrences) || !slices.Equal(still, now) {
			t.Errorf("%s: %d tickets, want %d; %d dark, want %d", when, len(got), len(occurrences), len(still), len(now))
		}
		for estate, n := range got {
			if n > most {
				t.Errorf("%s: %s was dark %d times", when, estate, n)
			}
		}
	}
	want, names := map[string]int{}, []string{}
	forEach(dark, func(id edgeID) { want[id.estate] = 1; names = append(names, id.estate) })
	counts("cut", want, names, 1)
	stop()

	hands.Advance(10 * time.Minute) // nobody was watched for so long
	c, _ = s.run()
	l = watcher(c, hands)
	look(t, l)
	counts("after a restart", want, names, 1)
	hands.Advance(20 * time.Second)
	forEach(fine, func(id edgeID) { l.connected(id, true) })
	hands.Advance(30 * time.Second)
	look(t, l)
	counts("long after a restart", want, names, 1)
	forEach(dark, func(id edgeID) { l.connected(id, true) })
	look(t, l)
	hands.Advance(time.Hour)
	look(t, l)
	counts("all are back", want, nil, 1)
}

// A restart is nobody's silence; who does not come back after it is missed.
func TestWhoDoesNotComeBackAfterARestartIsMissed(t *testing.T) {
	t.Parallel()
	s, _, stop, _, hands, ids := villages(t, 3)
	stop()
	hands.Advance(time.Hour)
	c, _ := s.run()
	l := watcher(c, hands)
	look(t, l)
	hands.Advance(10 * time.Second)
	forEach(ids[:2], func(id edgeID) { l.connected(id, true) })
	for range 17 {
		look(t, l)
		hands.Advance(2 * time.Second)
	}
	look(t, l)
	if got, _ := darkness(t, c.store); len(got) != 0 {
		t.Errorf("too early: %v", got)
	}
	hands.Advance(2 * time.Second)
	look(t, l)
	if got, now := darkness(t, c.store); len(got) != 1 || !slices.Equal(now, []string{"v002"}) {
		t.Errorf("%v, now %v", got, now)
	}
}

func forEach(ids []edgeID, f func(edgeID)) {
	for _, id := range ids {
		f(id)
	}
}
