// Package notify names the contract between who decides that a person is paged
// (routing, dispatch) and what reaches them: one Notifier per kind of channel.
//
// The packages below implement it: webhook, stream (the page a person has
// open) and mqtt (patrol radios). Package notifytest holds every Notifier to
// the contract. Retrying, choosing the next channel and remembering what was
// sent are not done here.
package notify

import (
	"context"
	"encoding/json"
	"time"

	"github.com/linshao/linshao/cloud/internal/duty"
	"github.com/linshao/linshao/cloud/internal/routing"
)

// Deadline is how long a provider may take: who has not answered then may or
// may not have the message.
const Deadline = 10 * time.Second

// Message is one page to one person.
type Message struct {
	// ID is the Delivery's and the same for every attempt: the idempotency
	// key towards the provider.
	ID     string
	Estate string
	// To is the staff id, Channel the way to reach them.
	To      string
	Channel duty.Channel
	Step    int
	// Ticket is the ticket as the API shows it, a JSON object.
	Ticket json.RawMessage
	// URL is the acknowledge page.
	URL string
}

// Body is the JSON that goes over the wire; stream and mqtt send the same.
type Body struct {
	ID     string          `json:"id"`
	Ticket json.RawMessage `json:"ticket"`
	To     string          `json:"to"`
	Step   int             `json:"step"`
	URL    string          `json:"url"`
}

// Body returns what a receiver is told: nothing of the channel itself.
func (m Message) Body() Body {
	return Body{ID: m.ID, Ticket: m.Ticket, To: m.To, Step: m.Step, URL: m.URL}
}

// RateLimited is the outcome of an attempt that the provider put off; the
// Delivery stays Pending.
const RateLimited routing.DeliveryState = "rate_limited"

// Outcome is what became of one attempt.
type Outcome struct {
	// State is Accepted, Rejected, Unknown or RateLimited.
	State routing.DeliveryState
	// RetryAfter is set with RateLimited.
	RetryAfter time.Duration
	// Detail is for people and logs; it holds no secret and no personal data.
	Detail string
}

// Notifier sends through one kind of channel.
type Notifier interface {
	// Send makes one attempt. It returns when the provider answered or ctx
	// ended, whichever is first (the caller sets Deadline). Accepted means
	// that the provider took the message; Rejected that it certainly did not,
	// now; Unknown that nobody can tell. It keeps nothing of m, leaves no
	// goroutine behind and is safe for concurrent use. Sending the same
	// m.ID again must be harmless where the provider honours the key.
	Send(ctx context.Context, m Message) Outcome
}
