package mqttsim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/linshao/linshao/protocol/topic"
	"github.com/linshao/linshao/simulators/mqttdial"
)

const (
	farewell    = 500 * time.Millisecond
	backoffFrom = 200 * time.Millisecond
	backoffTo   = 10 * time.Second
)

var (
	errMuted = errors.New("muted")
	errLost  = errors.New("connection lost")
)

// life is what one run of a device remembers; only Run's goroutine uses it.
type life struct {
	*Device
	topic topic.Device
	// unsettled are messages without PUBACK, oldest first; they survive
	// connections.
	unsettled []numbered
	worked    bool // the last connection was established
}

// order is a command as it came in.
type order struct {
	ID        string          `json:"id"`
	Name      string          `json:"name"`
	Args      json.RawMessage `json:"args"`
	ExpiresMS int64           `json:"expires"`
}

// link is one connection and what it has in flight.
type link struct {
	*mqttdial.Link
	orders chan order
	// sent runs parallel to the head of unsettled.
	sent []mqtt.Token
}

func (l *life) dial(ctx context.Context) (*link, error) {
	k, err := mqttdial.Open(ctx, mqttdial.Options{
		URL: l.o.URL, ClientID: l.o.Device, Username: l.o.Device, Password: l.o.Password,
		WillTopic: l.topic.Status(), KeepAlive: 10 * time.Second,
	})
	return &link{Link: k, orders: make(chan order, 16)}, err
}

// connection lives through one connection and says why it ended.
func (l *life) connection(ctx context.Context) error {
	l.worked = false
	k, err := l.dial(ctx)
	if err != nil {
		return err
	}
	defer func() {
		l.online.Store(false)
		k.Close()
	}()
	hear := k.Subscribe(l.topic.Commands(), 1, k.hear)
	greet := k.Publish(l.topic.Status(), 1, true, "online")
	if err := errors.Join(mqttdial.Await(ctx, hear), mqttdial.Await(ctx, greet)); err != nil {
		return fmt.Errorf("sign in: %w", err)
	}
	l.worked = true
	l.online.Store(true)
	for i := range l.unsettled {
		if err := l.send(k, l.unsettled[i]); err != nil {
			return err
		}
	}
	err = l.talk(ctx, k)
	if ctx.Err() != nil {
		// Leaving politely: no will is sent, so the device says it itself.
		k.Publish(l.topic.Status(), 1, true, "offline").WaitTimeout(farewell)
	}
	return err
}

// talk sends what is queued and settles what is acknowledged, in order.
func (l *life) talk(ctx context.Context, k *link) error {
	for {
		queue, acked := l.queue, (<-chan struct{})(nil)
		if len(l.unsettled) >= window {
			queue = nil
		}
		if len(k.sent) > 0 {
			acked = k.sent[0].Done()
		}
		var err error
		select {
		case <-ctx.Done():
			err = ctx.Err()
		case <-k.Lost:
			err = errLost
		case <-l.poke:
			err = l.fallSilent(k)
		case o := <-k.orders:
			err = l.carryOut(k, o)
		case m := <-queue:
			l.unsettled = append(l.unsettled, m)
			err = l.send(k, m)
		case <-acked:
			err = l.settle(k)
		}
		if err != nil {
			return err
		}
	}
}

func (l *life) send(k *link, m numbered) error {
	body, err := payload(m.Message)
	if err != nil {
		return err
	}
	to := l.topic.Telemetry()
	if m.Event != "" {
		to = l.topic.Events()
	}
	k.sent = append(k.sent, k.Publish(to, 1, false, body))
	return nil
}

func (l *life) settle(k *link) error {
	if err := k.sent[0].Error(); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	m := l.unsettled[0]
	k.sent, l.unsettled = k.sent[1:], l.unsettled[1:]
	if l.o.Acked != nil {
		l.o.Acked(Entry{Device: l.o.Device, Seq: m.seq, AtMS: m.AtMS, Values: m.Values, Event: m.Event})
	}
	return nil
}

// hear runs in paho's goroutine and only enqueues; a flood of commands is
// dropped, their sender sees no result.
func (k *link) hear(_ mqtt.Client, m mqtt.Message) {
	var o order
	if json.Unmarshal(m.Payload(), &o) != nil || o.ID == "" {
		return
	}
	select {
	case k.orders <- o:
	default:
	}
}

func (l *life) carryOut(k *link, o order) error {
	err := fmt.Errorf("unknown command %q", o.Name)
	switch {
	case o.ExpiresMS != 0 && time.Now().UnixMilli() > o.ExpiresMS:
		err = errors.New("expired")
	case l.o.Obey != nil:
		err = l.o.Obey(o.Name, o.Args)
	}
	answer := map[string]any{"ok": err == nil}
	if err != nil {
		answer["error"] = err.Error()
	}
	body, err := json.Marshal(answer)
	if err != nil {
		return fmt.Errorf("encode result: %w", err)
	}
	k.Publish(l.topic.Result(o.ID), 1, false, body)
	return nil
}

// fallSilent breaks the connection as a cut cable does: no DISCONNECT.
func (l *life) fallSilent(k *link) error {
	if !l.muted.Load() {
		return nil
	}
	k.Cut()
	return errMuted
}

// stayAway waits until the device may talk.
func (l *life) stayAway(ctx context.Context) {
	for l.muted.Load() && ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-l.poke:
		}
	}
}

// rest pauses between connections.
func (l *life) rest(ctx context.Context, pause time.Duration) {
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	case <-l.poke:
	}
}

// backoff doubles the pause up to its cap and adds jitter.
func backoff(last time.Duration) time.Duration {
	next := min(max(2*last, backoffFrom), backoffTo)
	return next*3/4 + rand.N(next/2)
}
