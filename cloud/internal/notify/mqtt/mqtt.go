// Package mqtt pages through the estate's broker, for radios, sirens and wall
// displays that subscribe to a person's topic. Accepted means that the broker
// took the message, not that anything listened.
package mqtt

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/linshao/linshao/cloud/internal/notify"
	"github.com/linshao/linshao/cloud/internal/routing"
	"github.com/linshao/linshao/protocol/topic"
)

// ErrNotSent says that the message certainly did not leave: no connection.
var ErrNotSent = errors.New("not sent")

// Publisher publishes on the broker.
type Publisher interface {
	// Publish sends one message, QoS 1, not retained, and returns nil once
	// the broker has taken it. The error is or wraps ErrNotSent where the
	// broker can't have it. It returns soon after ctx ended.
	Publish(ctx context.Context, topic string, payload []byte) error
}

// Notifier pages by MQTT.
type Notifier struct{ broker Publisher }

var _ notify.Notifier = (*Notifier)(nil)

// New returns a Notifier.
func New(p Publisher) *Notifier { return &Notifier{broker: p} }

// Send implements notify.Notifier.
func (n *Notifier) Send(ctx context.Context, m notify.Message) notify.Outcome {
	body, err := json.Marshal(m.Body())
	if err != nil {
		return notify.Outcome{State: routing.Rejected, Detail: "encode page: " + err.Error()}
	}
	switch err := n.broker.Publish(ctx, topic.PatrolPage(m.Estate, m.To), body); {
	case err == nil:
		return notify.Outcome{State: routing.Accepted, Detail: "taken by the broker"}
	case errors.Is(err, ErrNotSent):
		return notify.Outcome{State: routing.Rejected, Detail: err.Error()}
	default:
		return notify.Outcome{State: routing.Unknown, Detail: err.Error()}
	}
}
