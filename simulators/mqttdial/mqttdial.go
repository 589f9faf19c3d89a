// Package mqttdial opens one MQTT connection the way that keeps paho honest:
// clean session, no reconnecting, a memory of its own. Then a token that
// completes without an error means a PUBACK, and a broken connection fails the
// rest. Reconnecting is the caller's, with a new Link each time.
package mqttdial

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

const (
	connectTimeout = 5 * time.Second
	writeTimeout   = 3 * time.Second
	answerTimeout  = 10 * time.Second
	// farewellMS is how long the goodbye may take to leave.
	farewellMS = 250
)

// Options of a connection.
type Options struct {
	URL                string // tcp://host:port
	ClientID           string
	Username, Password string
	// WillTopic gets "offline", retained, when the connection breaks.
	WillTopic string
	KeepAlive time.Duration
}

// Link is one connection. Close is due once Open returned nil.
type Link struct {
	mqtt.Client
	// Lost is closed when the connection breaks.
	Lost <-chan struct{}
	conn net.Conn
}

// Open connects and waits for the broker's answer.
func Open(ctx context.Context, o Options) (*Link, error) {
	lost := make(chan struct{})
	k := &Link{Lost: lost}
	p := mqtt.NewClientOptions().AddBroker(o.URL).SetClientID(o.ClientID).SetUsername(o.Username).SetPassword(o.Password).
		SetProtocolVersion(4).SetCleanSession(true).SetAutoReconnect(false).SetOrderMatters(false).
		SetConnectTimeout(connectTimeout).SetWriteTimeout(writeTimeout).
		SetKeepAlive(o.KeepAlive).SetPingTimeout(o.KeepAlive/2).
		SetWill(o.WillTopic, "offline", 1, true)
	p.SetConnectionLostHandler(func(mqtt.Client, error) { close(lost) })
	p.SetCustomOpenConnectionFn(func(u *url.URL, _ mqtt.ClientOptions) (net.Conn, error) {
		conn, err := (&net.Dialer{Timeout: connectTimeout}).DialContext(ctx, "tcp", u.Host)
		k.conn = conn
		return conn, err
	})
	k.Client = mqtt.NewClient(p)
	if err := Await(ctx, k.Connect()); err != nil {
		k.Disconnect(0)
		return nil, fmt.Errorf("connect to %s: %w", o.URL, err)
	}
	return k, nil
}

// Close says goodbye: the will is not sent.
func (k *Link) Close() { k.Disconnect(farewellMS) }

// Cut breaks the connection without a word, as a cut cable does. The socket is
// shut down rather than closed: paho takes an error of a closed socket for its
// own doing and would notice only by its keep-alive.
func (k *Link) Cut() {
	tcp, ok := k.conn.(*net.TCPConn)
	if !ok {
		_ = k.conn.Close()
		return
	}
	// Errors mean that it is broken already.
	_ = tcp.CloseWrite()
	_ = tcp.CloseRead()
}

// Await waits for a token with a limit, since paho's own Wait may hang.
func Await(ctx context.Context, t mqtt.Token) error {
	timer := time.NewTimer(answerTimeout)
	defer timer.Stop()
	select {
	case <-t.Done():
		return t.Error()
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return errors.New("no answer")
	}
}
