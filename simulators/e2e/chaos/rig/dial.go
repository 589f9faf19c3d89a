package rig

import (
	"context"
	"time"

	"github.com/linshao/linshao/protocol/topic"
	"github.com/linshao/linshao/simulators/mqttdial"
)

// Meter and Metric name what sends samples, from 0.
func Meter(i int) string  { return meter(i) }
func Metric(i int) string { return metric(i) }

// Lifts and Gates name the devices of the estate that alarms come from. A row
// that raises alarms by itself must not have a Load raise any.
func (e *Estate) Lifts() []string { return e.lifts.all }
func (e *Estate) Gates() []string { return e.gates.all }

// Dial signs in as a device of the estate, for rows with devices of their own.
// The Link must be closed.
func (e *Estate) Dial(ctx context.Context, device string) (*mqttdial.Link, error) {
	return mqttdial.Open(ctx, mqttdial.Options{
		URL: "tcp://" + e.MQTT, ClientID: device, Username: device, Password: secret,
		WillTopic: topic.Device(device).Status(), KeepAlive: 10 * time.Second,
	})
}
