package console

import (
	"time"

	"github.com/linshao/linshao/cloud/internal/duty"
	"github.com/linshao/linshao/cloud/internal/routing"
	"github.com/linshao/linshao/protocol/ticket"
	"github.com/linshao/linshao/protocol/title"
)

// List is how every list is answered.
type List[T any] struct {
	Items      []T    `json:"items"`
	NextCursor string `json:"next_cursor,omitempty" doc:"Pass as cursor to read on; absent on the last page"`
}

func listOf[A, B any](in []A, next string, f func(A) B) List[B] {
	l := List[B]{Items: make([]B, 0, len(in)), NextCursor: next}
	for _, x := range in {
		l.Items = append(l.Items, f(x))
	}
	return l
}

// TicketView is a ticket as the API shows it.
type TicketView struct {
	ID          string         `json:"id" doc:"UUIDv7, born where the condition was seen"`
	Aliases     []string       `json:"aliases"`
	Key         string         `json:"key" doc:"estate/device/rule/metric"`
	Estate      string         `json:"estate"`
	Edge        string         `json:"edge"`
	Device      string         `json:"device"`
	Kind        string         `json:"kind" doc:"of the device"`
	Location    string         `json:"location"`
	Rule        string         `json:"rule"`
	Metric      string         `json:"metric"`
	Fault       string         `json:"fault"`
	Title       TitleView      `json:"title"`
	Severity    string         `json:"severity" enum:"critical,major,minor,warning"`
	State       string         `json:"state" enum:"open,accepted,arrived,resolved,closed"`
	Outcome     string         `json:"outcome" doc:"fixed, false_alarm, no_fault_found or duplicate; empty while unresolved"`
	Condition   string         `json:"condition" enum:"active,cleared"`
	RaisedAt    *time.Time     `json:"raised_at"`
	ReceivedAt  *time.Time     `json:"received_at"`
	AcceptedAt  *time.Time     `json:"accepted_at"`
	ArrivedAt   *time.Time     `json:"arrived_at"`
	ResolvedAt  *time.Time     `json:"resolved_at"`
	ClosedAt    *time.Time     `json:"closed_at"`
	ClearedAt   *time.Time     `json:"cleared_at"`
	Assignee    string         `json:"assignee" doc:"staff id"`
	Due         DueView        `json:"due"`
	Occurrences int            `json:"occurrences"`
	Escalations int            `json:"escalations"`
	Evidence    []EvidenceView `json:"evidence"`
	Timeline    []TimelineView `json:"timeline,omitempty" doc:"Only when one ticket is read"`
}

// TitleView is a title's code and parameters, and its text in the asker's
// language.
type TitleView struct {
	Code   string            `json:"code"`
	Params map[string]string `json:"params"`
	Text   string            `json:"text"`
}

// DueView holds the clocks of a ticket; they run from the event.
type DueView struct {
	AcceptBy   *time.Time `json:"accept_by"`
	ArriveBy   *time.Time `json:"arrive_by"`
	ResolveBy  *time.Time `json:"resolve_by"`
	FeedbackBy *time.Time `json:"feedback_by"`
}

// EvidenceView is one of the samples that made the rule fire.
type EvidenceView struct {
	Metric string    `json:"metric"`
	At     time.Time `json:"at"`
	Value  float64   `json:"value"`
	Text   string    `json:"text,omitempty"`
}

// TimelineView is one Transition as people read it.
type TimelineView struct {
	ID      string    `json:"id"`
	Kind    string    `json:"kind"`
	At      time.Time `json:"at"`
	ByKind  string    `json:"by_kind"`
	By      string    `json:"by"`
	Note    string    `json:"note,omitempty"`
	Reason  string    `json:"reason,omitempty"`
	To      string    `json:"to,omitempty"`
	Outcome string    `json:"outcome,omitempty"`
	Alias   string    `json:"alias,omitempty"`
}

// StaffView is one person; contact data only for those who may see it.
type StaffView struct {
	ID          string         `json:"id"`
	Name        string         `json:"name"`
	Estate      string         `json:"estate"`
	Org         string         `json:"org,omitempty"`
	Post        string         `json:"post" required:"false" enum:"patrol,desk,manager,maintainer" doc:"patrol where nothing is said"`
	PartyMember bool           `json:"party_member" required:"false"`
	Vanguard    bool           `json:"vanguard" required:"false"`
	Skills      []string       `json:"skills" required:"false"`
	Phone       string         `json:"phone,omitempty"`
	Channels    []duty.Channel `json:"channels,omitempty"`
}

// DeliveryView is one message to one person on one channel.
type DeliveryView struct {
	ID         string        `json:"id"`
	Ticket     string        `json:"ticket"`
	Step       int           `json:"step"`
	Track      string        `json:"track,omitempty"`
	Round      int           `json:"round"`
	Staff      string        `json:"staff"`
	Channel    string        `json:"channel"`
	State      string        `json:"state" enum:"pending,sending,accepted,rejected,unknown,cancelled"`
	Reason     string        `json:"reason"`
	Attempts   []AttemptView `json:"attempts"`
	DueAt      *time.Time    `json:"due_at"`
	SentAt     *time.Time    `json:"sent_at"`
	AcceptedAt *time.Time    `json:"accepted_at"`
}

// AttemptView is one try at sending.
type AttemptView struct {
	At      time.Time `json:"at"`
	TookMS  int64     `json:"took_ms"`
	Outcome string    `json:"outcome"`
	Detail  string    `json:"detail,omitempty"`
}

// zone shows instants in an estate's own time, with its offset.
type zone struct{ loc *time.Location }

func (z zone) at(ms int64) time.Time { return time.UnixMilli(ms).In(z.loc) }

func (z zone) maybe(ms int64) *time.Time {
	if ms == 0 {
		return nil
	}
	t := z.at(ms)
	return &t
}

// view shows a stored ticket to an asker who reads lang.
func (r TicketRow) view(z zone, lang string) TicketView {
	t := r.Ticket
	v := TicketView{
		ID: string(t.ID), Aliases: make([]string, 0, len(t.Aliases)), Key: t.Key().String(), Estate: t.Estate, Edge: t.Edge,
		Device: t.Device, Kind: t.DeviceKind, Location: t.Location, Rule: t.Rule, Metric: t.Metric, Fault: string(t.Fault),
		Title:    TitleView{Code: t.Title.Code, Params: t.Title.Params, Text: title.Text(t.Title, lang)},
		Severity: string(t.Severity), State: string(t.State), Outcome: string(t.Outcome), Condition: string(t.Condition),
		RaisedAt: z.maybe(t.RaisedMS), ReceivedAt: z.maybe(r.ReceivedMS), AcceptedAt: z.maybe(t.AcceptedMS),
		ArrivedAt: z.maybe(t.ArrivedMS), ResolvedAt: z.maybe(t.ResolvedMS), ClosedAt: z.maybe(t.ClosedMS), ClearedAt: z.maybe(t.ClearedMS),
		Assignee: t.Assignee, Occurrences: t.Occurrences, Escalations: t.Escalations,
		Due: DueView{
			AcceptBy: z.maybe(r.Due.AcceptByMS), ArriveBy: z.maybe(r.Due.ArriveByMS),
			ResolveBy: z.maybe(r.Due.ResolveByMS), FeedbackBy: z.maybe(r.Due.FeedbackByMS),
		},
		Evidence: make([]EvidenceView, 0, len(t.Evidence)),
	}
	for _, a := range t.Aliases {
		v.Aliases = append(v.Aliases, string(a))
	}
	for _, e := range t.Evidence {
		v.Evidence = append(v.Evidence, EvidenceView{Metric: e.Metric, At: z.at(e.AtMS), Value: e.Value, Text: e.Text})
	}
	return v
}

func timeline(log []ticket.Transition, z zone) []TimelineView {
	out := make([]TimelineView, 0, len(log))
	for _, x := range log {
		out = append(out, TimelineView{
			ID: x.ID, Kind: string(x.Kind), At: z.at(x.AtMS), ByKind: string(x.By.Kind), By: x.By.ID, Note: x.Note,
			Reason: x.Reason, To: x.To, Outcome: string(x.Outcome), Alias: string(x.AliasID),
		})
	}
	return out
}

func deliveryView(d routing.Delivery, z zone) DeliveryView {
	v := DeliveryView{
		ID: d.ID, Ticket: string(d.Ticket), Step: d.Step, Track: d.Track, Round: d.Round, Staff: d.Staff, Channel: d.Channel,
		State: string(d.State), Reason: d.Reason, Attempts: make([]AttemptView, 0, len(d.Attempts)),
		DueAt: z.maybe(d.DueMS), SentAt: z.maybe(d.SentMS), AcceptedAt: z.maybe(d.AcceptedMS),
	}
	for _, a := range d.Attempts {
		v.Attempts = append(v.Attempts, AttemptView{At: z.at(a.AtMS), TookMS: a.TookMS, Outcome: string(a.Outcome), Detail: a.Detail})
	}
	return v
}

func staffView(s duty.Staff, personal bool) StaffView {
	v := StaffView{
		ID: s.ID, Name: s.Name, Estate: s.Estate, Org: s.Org, Post: string(s.Post), PartyMember: s.PartyMember,
		Vanguard: s.Vanguard, Skills: append([]string{}, s.Skills...),
	}
	if personal {
		v.Phone = s.Phone
		for _, c := range s.Channels {
			c.Secret = "" // a secret is written, never read back
			v.Channels = append(v.Channels, c)
		}
	}
	return v
}
