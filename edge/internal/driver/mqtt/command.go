package mqtt

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/linshao/linshao/protocol/kit/clock"
	"github.com/linshao/linshao/protocol/kit/mqttbroker"
	"github.com/linshao/linshao/protocol/topic"
)

// Command is what a device is told to do.
type Command struct {
	ID   string          `json:"id"`
	Name string          `json:"name"`
	Args json.RawMessage `json:"args,omitempty"`
	// ExpiresMS is when it is too late, in Unix ms.
	ExpiresMS int64 `json:"expires"`
}

// Result is a device's answer to a Command.
type Result struct {
	Device, ID string
	OK         bool
	// Error is what the device says went wrong.
	Error string
}

var (
	// ErrExpired: the Command's time is over; it was not sent.
	ErrExpired = errors.New("command has expired")
	// ErrUnreachable: the device does not listen for commands now; the
	// Command was not sent and will not be.
	ErrUnreachable = errors.New("device does not listen for commands")
)

// Command publishes c to the device, at once or never: it is neither queued nor
// retained. nil means that it was sent, not that it arrived; only a Result says
// that. Whoever calls it sees to it that an id is sent once [P-7.1].
func (d *Driver) Command(device string, c Command) error {
	if c.ID == "" || strings.ContainsAny(c.ID, "/+#\x00") || len(c.ID) > 64 {
		return fmt.Errorf("command id %q cannot stand in a topic", c.ID)
	}
	if c.ExpiresMS <= clock.NowMS(d.o.Clock) {
		return fmt.Errorf("command %s to %s: %w", c.ID, device, ErrExpired)
	}
	to := topic.Device(device).Commands()
	if d.stations[device] == nil || !d.broker.Subscribed(to) {
		return fmt.Errorf("command %s to %s: %w", c.ID, device, ErrUnreachable)
	}
	payload, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("encode command %s: %w", c.ID, err)
	}
	return d.broker.Publish(to, payload, 1, false)
}

// result passes a device's answer on. An answer is not a measurement: it is
// acknowledged when it was passed on.
func (d *Driver) result(st *station, command string, m mqttbroker.Message, ack func(error)) {
	st.order.Lock()
	ok, why, err := st.codec.result(m.Payload)
	st.order.Unlock()
	if err != nil {
		d.reject(m, err, ack)
		return
	}
	r := Result{Device: st.codec.device, ID: command, OK: ok, Error: why}
	d.o.Log.Info("device answered a command", "device", r.Device, "command", r.ID, "ok", r.OK, "error", r.Error)
	if d.o.Results != nil {
		d.o.Results(r)
	}
	ack(nil)
}
