package dispatch

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/linshao/linshao/cloud/internal/agenda"
	"github.com/linshao/linshao/cloud/internal/notify"
	"github.com/linshao/linshao/cloud/internal/routing"
	"github.com/linshao/linshao/protocol/ticket"
)

// Clock tells the wall time. One that does not follow jumps of the machine's
// clock keeps steps exact through them.
type Clock interface{ Now() time.Time }

// Meter counts. Its methods do not block.
type Meter interface {
	// Paged is told, once per ticket, how long it took from the change of the
	// sensor until a channel accepted the first page.
	Paged(took time.Duration)
	// Delivered is told the outcome of every attempt.
	Delivered(channel string, outcome routing.DeliveryState)
}

// Options of a Dispatch. Store, Clock, Notifiers, Render and AckURL are
// required.
type Options struct {
	Store Store
	Clock Clock
	// Notifiers by kind of channel.
	Notifiers map[string]notify.Notifier
	// Render returns the ticket as the API shows it.
	Render func(ctx context.Context, t ticket.Ticket) (json.RawMessage, error)
	// AckURL returns the page on which the person a Delivery is for can
	// acknowledge it. It may differ between attempts; all of them work.
	AckURL func(ctx context.Context, d routing.Delivery) (string, error)
	// AcceptWithin is the accept deadline of a ticket; nil or 0: 30 min.
	AcceptWithin func(t ticket.Ticket) time.Duration
	Meter        Meter
	Log          *slog.Logger
}

// Dispatch holds the two Jobs. It keeps no state: all of it is in the Store.
type Dispatch struct {
	o   Options
	log *slog.Logger
}

// New returns a Dispatch.
func New(o Options) *Dispatch {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Meter == nil {
		o.Meter = unmetered{}
	}
	if o.AcceptWithin == nil {
		o.AcceptWithin = func(ticket.Ticket) time.Duration { return 0 }
	}
	return &Dispatch{o: o, log: o.Log.With("component", "dispatch")}
}

type unmetered struct{}

func (unmetered) Paged(time.Duration)                     {}
func (unmetered) Delivered(string, routing.DeliveryState) {}

// Jobs returns the work for the agenda, by kind.
func (d *Dispatch) Jobs() map[string]agenda.Job {
	return map[string]agenda.Job{Route: d.route, Deliver: d.deliver}
}

func (d *Dispatch) nowMS() int64 { return d.o.Clock.Now().UnixMilli() }
