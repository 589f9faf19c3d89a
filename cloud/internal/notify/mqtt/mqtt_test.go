package mqtt_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"

	"github.com/linshao/linshao/cloud/internal/duty"
	"github.com/linshao/linshao/cloud/internal/notify"
	"github.com/linshao/linshao/cloud/internal/notify/mqtt"
	"github.com/linshao/linshao/cloud/internal/notify/notifytest"
)

// broker takes what is published.
type broker struct {
	t       *testing.T
	mu      sync.Mutex
	offline bool
	silent  bool
	heard   []notify.Body
	topics  []string
	changed chan struct{}
}

func (b *broker) Publish(ctx context.Context, topic string, payload []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.offline {
		b.offline = false
		return fmt.Errorf("no connection: %w", mqtt.ErrNotSent)
	}
	var m notify.Body
	if err := json.Unmarshal(payload, &m); err != nil {
		b.t.Error(err)
	}
	b.heard, b.topics = append(b.heard, m), append(b.topics, topic)
	if b.silent {
		close(b.changed)
		<-ctx.Done()
		return ctx.Err()
	}
	return nil
}

func TestContract(t *testing.T) {
	t.Parallel()
	notifytest.Run(t, func(t *testing.T) notifytest.Harness {
		b := &broker{t: t, changed: make(chan struct{})}
		return notifytest.Harness{
			Notifier: mqtt.New(b), Channel: duty.Channel{Kind: "mqtt"},
			Reject: func() { b.offline = true },
			Hang:   func() { b.silent = true },
			Heard:  func() []notify.Body { b.mu.Lock(); defer b.mu.Unlock(); return b.heard },
			Await:  func(context.Context, int) { <-b.changed },
		}
	})
}

func TestAPageGoesToItsPersonsTopic(t *testing.T) {
	t.Parallel()
	b := &broker{t: t}
	mqtt.New(b).Send(t.Context(), notify.Message{Estate: "garden", To: "li-wei", Ticket: []byte("{}"), Channel: duty.Channel{Kind: "mqtt"}})
	if got := fmt.Sprint(b.topics); got != "[linshao/v1/garden/patrol/li-wei/pages]" {
		t.Error(got)
	}
}
