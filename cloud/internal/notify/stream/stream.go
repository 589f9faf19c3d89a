// Package stream pages a person through the page they have open. It reaches
// whoever looks, at once and without a provider; it proves only that something
// was shown.
package stream

import (
	"context"
	"encoding/json"

	"github.com/linshao/linshao/cloud/internal/notify"
	"github.com/linshao/linshao/cloud/internal/routing"
)

// Sessions are the event streams that people hold open.
type Sessions interface {
	// Page offers body to every stream of that person and returns how many
	// took it. It does not block and does not keep body.
	Page(estate, staff string, body []byte) int
}

// Notifier pages by open sessions.
type Notifier struct{ sessions Sessions }

var _ notify.Notifier = (*Notifier)(nil)

// New returns a Notifier.
func New(s Sessions) *Notifier { return &Notifier{sessions: s} }

// Send implements notify.Notifier. Without an open page it is rejected, so
// that the next channel opens.
func (n *Notifier) Send(_ context.Context, m notify.Message) notify.Outcome {
	body, err := json.Marshal(m.Body())
	if err != nil {
		return notify.Outcome{State: routing.Rejected, Detail: "encode page: " + err.Error()}
	}
	if n.sessions.Page(m.Estate, m.To, body) == 0 {
		return notify.Outcome{State: routing.Rejected, Detail: "no page is open"}
	}
	return notify.Outcome{State: routing.Accepted, Detail: "shown on an open page"}
}
