package app

import (
	"github.com/linshao/linshao/cloud/internal/access"
	"github.com/linshao/linshao/cloud/internal/db"
	"github.com/linshao/linshao/cloud/internal/desk"
	"github.com/linshao/linshao/cloud/internal/series"
	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/ticket"
)

// judgeSeries compares the series store with what the edges measured.
func (w *replayWorld) judgeSeries(c *cloud) {
	rows := 0
	for _, e := range w.edges {
		want := map[int64]float64{}
		for _, r := range e.logs[envelope.Samples].records {
			for _, s := range r.Samples {
				want[s.AtMS] = s.Value
			}
		}
		sel := series.Selector{Estate: e.Estate, Device: e.Edge + "-lift", Metric: "motor_temp"}
		points, err := c.standby.Range(w.t.Context(), sel, 0, start.UnixMilli()+3600_000, 0)
		if err != nil {
			w.t.Fatal(err)
		}
		rows += len(points)
		for _, p := range points {
			if v, ok := want[p.AtMS]; !ok || v != p.Mean {
				w.row.Violation("%s: a sample at %d of %v, want %v", e.Edge, p.AtMS, p.Mean, v)
			}
			delete(want, p.AtMS)
		}
		if len(want) > 0 {
			w.row.Violation("%s: %d acknowledged samples are not there: %v", e.Edge, len(want), want)
		}
	}
	w.row.Count("samples", rows)
}

// judge compares the tables with what happened at the edges.
func (w *replayWorld) judge() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for key, ids := range w.pages {
		if len(ids) > 1 {
			w.row.Violation("paged twice: %s: %v", key, ids)
		}
	}
	w.row.Count("pages", len(w.pages))
	for _, e := range w.edges {
		w.judgeEvents(e)
		w.judgeGaps(e)
	}
	w.judgeTickets()
	w.row.Count("clones_refused", len(w.ghosts))
}

func (w *replayWorld) judgeEvents(e *deafEdge) {
	want := map[int64]bool{}
	for _, r := range e.logs[envelope.Samples].records {
		for _, x := range r.Events {
			want[x.AtMS] = true
		}
	}
	got, err := w.store.Read().Events(w.t.Context(), e.Estate, e.Edge+"-gate", 0, 1<<52, 1<<20)
	if err != nil {
		w.t.Fatal(err)
	}
	w.row.Count("events", len(got))
	for _, x := range got {
		if !want[x.AtMS] {
			w.row.Violation("%s: an event at %d twice, or from nowhere", e.Edge, x.AtMS)
		}
		delete(want, x.AtMS)
	}
	if len(want) > 0 {
		w.row.Violation("%s: events are not there: %v", e.Edge, want)
	}
}

// judgeGaps: exactly what was never sent is told as lost, once.
func (w *replayWorld) judgeGaps(e *deafEdge) {
	gaps, err := w.store.Read().Gaps(w.t.Context(), e.Estate, e.Edge, 1<<20)
	if err != nil {
		w.t.Fatal(err)
	}
	told := map[envelope.Log]map[envelope.Sequence]int{envelope.Alarm: {}, envelope.Samples: {}}
	for _, g := range gaps {
		for seq := g.First; seq <= g.Last; seq++ {
			told[g.Log][seq]++
		}
	}
	for name, l := range e.logs {
		for i, r := range l.records {
			seq := envelope.Sequence(i + 1)
			want := 0
			if r.lost {
				want = 1
				w.row.Count("lost_records_told", 1)
			}
			if told[name][seq] != want {
				w.row.Violation("%s %s %d is told %d times as lost, want %d", e.Edge, name, seq, told[name][seq], want)
			}
		}
	}
}

// tickets lists them all.
func (w *replayWorld) tickets() (all []desk.Row) {
	q := db.TicketQuery{Page: db.Page{Scope: access.Scope{AllEstates: true}, Limit: 1000}, WithLog: true}
	for {
		rows, next, err := w.store.Read().Tickets(w.t.Context(), q)
		if err != nil {
			w.t.Fatal(err)
		}
		all, q.Cursor = append(all, rows...), next
		if next == "" {
			return all
		}
	}
}

func (w *replayWorld) judgeTickets() {
	want := map[ticket.ID]*condition{}
	for _, e := range w.edges {
		for _, c := range e.conditions {
			want[c.ticket] = c
		}
	}
	total := len(want)
	for _, row := range w.tickets() {
		if row.Fault != ticket.DoorForced {
			continue
		}
		c := want[row.ID]
		if c == nil {
			w.row.Violation("ticket %s twice, or from nowhere", row.ID)
			continue
		}
		delete(want, row.ID)
		condition := ticket.Active
		if !c.active {
			condition = ticket.Cleared
		}
		if row.Occurrences != c.occurs || row.Condition != condition || len(row.Aliases) > 0 {
			w.row.Violation("ticket %s: %d occurrences, %s, aliases %v; want %d, %s", row.ID, row.Occurrences, row.Condition, row.Aliases, c.occurs, condition)
		}
	}
	w.row.Count("tickets", total)
	for id := range want {
		w.row.Violation("ticket %s is not there", id)
	}
}
