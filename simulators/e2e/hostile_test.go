package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/linshao/linshao/simulators/e2e/site"
)

// What a stranger or a broken device does is refused, and the honest device
// beside it notices nothing.
func TestHostilePeersHarmOnlyThemselves(t *testing.T) {
	t.Parallel()
	s := site.New(t, site.Options{PagerURL: "http://127.0.0.1:9"})
	honest := s.Device("gate-east-1", "gate-secret-1")
	honest.MustPublish("devices/gate-east-1/telemetry", `{"passages": 80}`)
	pid := s.EdgeDaemon.PID()

	for _, c := range []struct {
		name string
		do   func(t *testing.T, s *site.Site)
	}{
		{"wrong password", wrongPassword},
		{"another device's topic", foreignTopic},
		{"a will on another device's topic", foreignWill},
		{"an oversized packet", oversized},
		{"a SUBSCRIBE without its options byte", truncatedSubscribe},
		{"a huge length before signing in", hugeLength},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.do(t, s)
			honest.MustPublish("devices/gate-east-1/telemetry", `{"passages": 81}`)
		})
	}
	if s.EdgeDaemon.PID() != pid {
		t.Error("the edge was restarted")
	}
	if body := s.EdgeGet("/api/v1/devices"); strings.Contains(body, "evil") {
		t.Errorf("something foreign was taken: %s", body)
	}
}

func options(s *site.Site, user, password string) *mqtt.ClientOptions {
	return mqtt.NewClientOptions().AddBroker("tcp://" + s.EdgeMQTT).SetClientID("x").SetUsername(user).SetPassword(password).
		SetAutoReconnect(false).SetConnectRetry(false).SetConnectTimeout(5 * time.Second)
}

func connect(o *mqtt.ClientOptions) (mqtt.Client, error) {
	c := mqtt.NewClient(o)
	t := c.Connect()
	if !t.WaitTimeout(10 * time.Second) {
		return c, errors.New("no answer")
	}
	return c, t.Error()
}

func wrongPassword(t *testing.T, s *site.Site) {
	if c, err := connect(options(s, "gate-east-1", "guessed-1")); err == nil {
		c.Disconnect(0)
		t.Error("a wrong password was let in")
	}
}

func foreignTopic(t *testing.T, s *site.Site) {
	c, err := connect(options(s, "robot-1", "robot-secret-1"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Disconnect(0)
	// QoS 1: the broker may refuse by dropping the client; no PUBACK is fine,
	// the value arriving is not.
	c.Publish("devices/gate-east-1/telemetry", 1, false, `{"evil": 1}`).WaitTimeout(time.Second)
	if sub := c.Subscribe("devices/gate-east-1/commands", 1, nil); sub.WaitTimeout(time.Second) && sub.Error() == nil {
		if st, ok := sub.(*mqtt.SubscribeToken); ok && st.Result()["devices/gate-east-1/commands"] < 0x80 {
			t.Error("another device's commands could be subscribed")
		}
	}
}

func foreignWill(t *testing.T, s *site.Site) {
	o := options(s, "robot-1", "robot-secret-1").SetWill("devices/gate-east-1/telemetry", `{"evil": 1}`, 1, false)
	if c, err := connect(o); err == nil {
		c.Disconnect(0)
		t.Error("a will on a foreign topic was accepted")
	}
}

func oversized(t *testing.T, s *site.Site) {
	c, err := connect(options(s, "robot-1", "robot-secret-1"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Disconnect(0)
	tok := c.Publish("devices/robot-1/telemetry", 1, false, `{"evil": "`+strings.Repeat("x", 1<<20)+`"}`)
	if tok.WaitTimeout(5*time.Second) && tok.Error() == nil {
		t.Error("a megabyte was acknowledged")
	}
}

// raw signs in with MQTT 5 by hand.
func raw(t *testing.T, s *site.Site, user, password string) net.Conn {
	t.Helper()
	conn, err := net.DialTimeout("tcp", s.EdgeMQTT, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	body := []byte("\x00\x04MQTT\x05\xc2\x00\x0a\x00")
	for _, f := range []string{"y", user, password} {
		body = append(body, byte(len(f)>>8), byte(len(f)))
		body = append(body, f...)
	}
	if _, err := conn.Write(append([]byte{0x10, byte(len(body))}, body...)); err != nil {
		t.Fatal(err)
	}
	head := make([]byte, 4)
	if err := conn.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(bufio.NewReader(conn), head); err != nil || head[0] != 0x20 || head[3] != 0 {
		t.Fatalf("CONNACK % x: %v", head, err)
	}
	return conn
}

func truncatedSubscribe(t *testing.T, s *site.Site) {
	conn := raw(t, s, "robot-1", "robot-secret-1")
	defer conn.Close()
	if _, err := conn.Write([]byte("\x82\x08\x00\x01\x00\x00\x03a/b")); err != nil {
		t.Fatal(err)
	}
	expectClosed(t, conn)
}

func hugeLength(t *testing.T, s *site.Site) {
	for i := range 50 {
		conn, err := net.DialTimeout("tcp", s.EdgeMQTT, 5*time.Second)
		if err != nil {
			t.Fatal(fmt.Errorf("dial %d: %w", i, err))
		}
		defer conn.Close()
		if _, err := conn.Write([]byte{0x10, 0xff, 0xff, 0xff, 0x7f}); err != nil {
			t.Fatal(err)
		}
	}
}

func expectClosed(t *testing.T, conn net.Conn) {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, conn); err != nil {
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			t.Error("the connection stayed open")
		}
	}
}
