package simulation

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// series is one row's place: device by name, metric, value.
type series struct {
	device, metric string
	value          int
}

// shown is a ticket as the API shows it.
type shown struct {
	ID          string
	Aliases     []string
	Estate      string
	Edge        string
	Device      string
	Fault       string
	State       string
	Condition   string
	Occurrences int
	RaisedAt    *time.Time `json:"raised_at"`
	ReceivedAt  *time.Time `json:"received_at"`
}

// weigh holds what was told against what the cloud shows and the pager saw.
func (w *World) weigh() {
	var held map[series][]string
	var tickets []shown
	var err error
	w.wait(func() {
		ctx, cancel := context.WithTimeout(w.ctx, time.Minute)
		defer cancel()
		if held, err = w.samples(ctx); err == nil {
			tickets, err = w.tickets(ctx)
		}
	})
	if err != nil {
		w.violated("the cloud does not answer at the end: %v", err)
		return
	}
	w.weighSamples(held)
	w.weighTickets(tickets)
	w.weighPages(tickets)
	w.trace("held", strconv.Itoa(len(held)), strconv.Itoa(len(tickets)))
}

func (w *World) ask(ctx context.Context, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+cloudHTTP+path, http.NoBody)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+w.town.token)
	resp, err := w.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", path, resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(into)
}

// samples reads all rows of the run.
func (w *World) samples(ctx context.Context) (map[series][]string, error) {
	held := map[series][]string{}
	for _, e := range w.edges {
		var answer struct {
			Data struct {
				Result []struct {
					Metric map[string]string
					Values [][2]json.RawMessage
				}
			}
		}
		q := url.Values{
			"query": {fmt.Sprintf(`{estate=%q,metric=~"v."}[1000h]`, estate(e.i))},
			"time":  {strconv.FormatInt(w.trueMS()/1000+7200, 10)},
		}
		if err := w.ask(ctx, "/prometheus/api/v1/query?"+q.Encode(), &answer); err != nil {
			return nil, err
		}
		for _, s := range answer.Data.Result {
			for _, v := range s.Values {
				n, err := strconv.Atoi(strings.Trim(string(v[1]), `"`))
				if err != nil {
					return nil, fmt.Errorf("value %s: %w", v[1], err)
				}
				place := series{s.Metric["edge"] + "/" + s.Metric["device"], s.Metric["metric"], n}
				held[place] = append(held[place], string(v[0]))
			}
		}
	}
	return held, nil
}

func (w *World) tickets(ctx context.Context) ([]shown, error) {
	var all []shown
	for cursor := ""; ; {
		var list struct {
			Items      []shown
			NextCursor string `json:"next_cursor"`
		}
		if err := w.ask(ctx, "/api/v1/tickets?limit=200&cursor="+url.QueryEscape(cursor), &list); err != nil {
			return nil, err
		}
		all = append(all, list.Items...)
		if cursor = list.NextCursor; cursor == "" {
			return all, nil
		}
	}
}

// weighSamples: every acknowledged sample is there, none more often than it was
// sent, and none that nobody sent (I1, I2, I3, I13).
func (w *World) weighSamples(held map[series][]string) {
	known := make(map[series]bool, len(held))
	for _, m := range w.journal {
		if m.acked {
			w.out.Acked++
		}
		if m.acked != (m.sends > 0) || len(m.device.backlog) > 0 {
			w.violated("%s has not got rid of what it said at %d", m.device.name(), m.atMS)
		}
		for n := m.first; n < m.first+m.count; n++ {
			for k := range metrics {
				s := series{m.device.name(), fmt.Sprintf("v%d", k), n}
				known[s] = true
				switch rows := len(held[s]); {
				case rows == 0 && m.acked:
					w.violated("lost: %s %s %d, acknowledged at %v", s.device, s.metric, s.value, m.ackedAt)
				case rows > m.sends:
					w.violated("%d rows of %s %s %d, told at %d, sent %d times: %v", rows, s.device, s.metric, s.value, m.atMS, m.sends, held[s])
				}
				w.out.Held += len(held[s])
			}
		}
	}
	for s := range held {
		if !known[s] {
			w.violated("invented: %s %s %d", s.device, s.metric, s.value)
		}
	}
}

// faultOf says which ticket an event begins, and whether it does.
func faultOf(event string) (fault string, begins bool) {
	switch event {
	case "passenger_trapped":
		return "entrapment", true
	case "door_forced_open":
		return "door_forced", true
	case "passenger_freed":
		return "entrapment", false
	default:
		return "door_forced", false
	}
}

// episode is a condition of a device from its begin to its end.
type episode struct {
	begins, ends *told
}

// episodes are the conditions that were told, by device and fault.
func (w *World) episodes() map[[2]string][]episode {
	all := map[[2]string][]episode{}
	for _, m := range w.journal {
		if m.event == "" {
			continue
		}
		fault, begins := faultOf(m.event)
		key := [2]string{m.device.name(), fault}
		if begins {
			all[key] = append(all[key], episode{begins: m})
			w.out.Raised++
			continue
		}
		all[key][len(all[key])-1].ends = m
	}
	return all
}

// weighTickets: one condition, one ticket (I4); its end is known (I18).
func (w *World) weighTickets(tickets []shown) {
	byKey := map[[2]string][]shown{}
	ids := map[string]string{}
	for _, t := range tickets {
		key := [2]string{t.Edge + "/" + t.Device, t.Fault}
		if t.Fault != estateDark {
			byKey[key] = append(byKey[key], t)
			w.out.Tickets++
		}
		for _, id := range append(slices.Clone(t.Aliases), t.ID) {
			if other, taken := ids[id]; taken && other != t.ID {
				w.violated("ticket id %s belongs to two", id)
			}
			ids[id] = t.ID
		}
	}
	told := w.episodes()
	for key, episodes := range told {
		w.weighEpisodes(key, episodes, byKey[key])
	}
	for key, ts := range byKey {
		if told[key] == nil {
			w.violated("%d tickets of %v, which nobody reported", len(ts), key)
		}
	}
}

func (w *World) weighEpisodes(key [2]string, episodes []episode, tickets []shown) {
	sends := 0
	var last episode
	for _, e := range episodes {
		sends += e.begins.sends
		last = e
	}
	// A condition that comes again counts for its ticket until that is
	// closed.
	if n := len(tickets); n < 1 || n > len(episodes) {
		w.violated("%d tickets of %v, which began %d times", n, key, len(episodes))
	}
	active, occurrences := 0, 0
	raised := map[int64]string{}
	for _, t := range tickets {
		occurrences += t.Occurrences
		if other, ok := raised[t.RaisedAt.UnixMilli()]; ok {
			w.violated("tickets %s and %s of %v are of one instant", other, t.ID, key)
		}
		raised[t.RaisedAt.UnixMilli()] = t.ID
		if t.Condition == "active" {
			active++
		}
	}
	if occurrences < len(episodes) || occurrences > sends {
		w.violated("%d occurrences of %v, which began %d times and was told %d times", occurrences, key, len(episodes), sends)
	}
	want := 0
	if last.begins != nil && last.ends == nil {
		want = 1
	}
	if active != want {
		w.violated("%d active tickets of %v, want %d", active, key, want)
	}
}

// mostAttempts is how often a person is tried once somebody was reached.
const mostAttempts = 5

// weighPages: whoever is due is paged (I5), nobody twice without a reason (I5,
// I6), and nothing that nobody reported.
func (w *World) weighPages(tickets []shown) {
	known := map[string]shown{}
	for _, t := range tickets {
		known[t.ID] = t
		for _, a := range t.Aliases {
			known[a] = t
		}
	}
	type place struct {
		ticket, to string
		step       int
	}
	byKey := map[string]*page{}
	heard := map[place]string{}
	reached := map[string]bool{}
	attempts := map[[2]string]int{}
	for _, g := range w.pager.pages {
		w.out.Pages++
		t, ok := known[g.ticket]
		if !ok {
			w.violated("paged %s for ticket %s, which is not there", g.name(), g.ticket)
			continue
		}
		attempts[[2]string{t.ID, g.to}]++
		if g.verdict != accepted && g.verdict != acceptedThenTimeout {
			continue
		}
		reached[t.ID] = true
		if before := byKey[g.key]; before != nil {
			w.out.PossibleDuplicates++
			if before.verdict == accepted && !w.wasDisturbed(before.at) {
				w.violated("%s at %v again at %v, though the first was accepted", g.name(), before.at, g.at)
			}
		}
		byKey[g.key] = g
		p := place{t.ID, g.to, g.step}
		if other, ok := heard[p]; ok && other != g.key && !w.resolved[g.ticket] && !w.resolved[t.ID] {
			w.violated("%s of ticket %s under two keys", g.name(), t.ID)
		}
		heard[p] = g.key
	}
	for _, t := range tickets {
		if t.Condition == "active" && !reached[t.ID] {
			w.violated("nobody was paged for %s of %s/%s", t.Fault, t.Edge, t.Device)
		}
	}
	w.weighSteps(tickets, func(t shown, to string) bool {
		if attempts[[2]string{t.ID, to}] >= mostAttempts {
			return true // it was given up, as somebody else was reached
		}
		for p := range heard {
			if p.ticket == t.ID && p.to == to {
				return true
			}
		}
		return false
	})
}

// weighSteps: a ticket that nobody took has had all its steps.
func (w *World) weighSteps(tickets []shown, heard func(shown, string) bool) {
	for _, t := range tickets {
		if t.State != "open" || t.Condition != "active" || t.ReceivedAt == nil {
			continue
		}
		if w.trueMS()-t.ReceivedAt.UnixMilli() < (managerAfterS+60)*1000 {
			continue
		}
		for _, who := range []string{"duty", "leader", "manager"} {
			to := who + strings.TrimPrefix(t.Estate, "estate")
			if !heard(t, to) {
				w.violated("%s of %s/%s stayed open and %s was not paged", t.Fault, t.Edge, t.Device, to)
			}
		}
	}
}

func (w *World) wasDisturbed(at time.Duration) bool {
	return slices.ContainsFunc(w.upset, func(d disturbance) bool { return d.from-15*time.Second <= at && at <= d.to })
}
