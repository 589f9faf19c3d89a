package site

import (
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// Device is an MQTT client that signs in as one device. Publishing is done
// when the PUBACK has come, or has failed.
type Device struct {
	t            testing.TB
	addr         string
	id, password string
	client       mqtt.Client
}

// Device prepares a device of the edge; it connects when it first publishes.
func (s *Site) Device(id, password string) *Device {
	d := &Device{t: s.t, addr: s.EdgeMQTT, id: id, password: password}
	s.t.Cleanup(d.Close)
	return d
}

// Connect signs in afresh, with a clean session and no reconnecting: only
// then does a token tell the truth about its PUBACK.
func (d *Device) Connect() error {
	d.Close()
	o := mqtt.NewClientOptions().AddBroker("tcp://" + d.addr).SetClientID(d.id).SetUsername(d.id).SetPassword(d.password).
		SetAutoReconnect(false).SetConnectRetry(false).SetCleanSession(true).SetConnectTimeout(5 * time.Second).
		SetKeepAlive(10 * time.Second).SetWriteTimeout(5 * time.Second)
	c := mqtt.NewClient(o)
	t := c.Connect()
	if !t.WaitTimeout(10 * time.Second) {
		c.Disconnect(0)
		return errors.New("no answer to CONNECT")
	}
	if t.Error() != nil {
		return t.Error()
	}
	d.client = c
	return nil
}

// Close drops the connection.
func (d *Device) Close() {
	if d.client != nil {
		d.client.Disconnect(0)
		d.client = nil
	}
}

// Publish sends one QoS 1 message and waits for its PUBACK. After an error
// the caller does not know whether it was taken: it must send again.
func (d *Device) Publish(topic, payload string) error {
	if d.client == nil {
		if err := d.Connect(); err != nil {
			return err
		}
	}
	t := d.client.Publish(topic, 1, false, payload)
	if !t.WaitTimeout(10 * time.Second) {
		d.Close()
		return errors.New("no PUBACK")
	}
	if t.Error() != nil {
		d.Close()
	}
	return t.Error()
}

// MustPublish fails the test where Publish fails.
func (d *Device) MustPublish(topic, payload string) {
	d.t.Helper()
	if err := d.Publish(topic, payload); err != nil {
		d.t.Fatalf("publish to %s: %v", topic, err)
	}
}

// EdgeGet returns a page of the edge, empty while it is down.
func (s *Site) EdgeGet(path string) string {
	resp, err := http.Get(s.EdgeURL + path)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return ""
	}
	return string(b)
}
