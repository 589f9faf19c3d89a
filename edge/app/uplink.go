package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/linshao/linshao/edge/internal/config"
	"github.com/linshao/linshao/edge/internal/device"
	"github.com/linshao/linshao/edge/internal/driver/mqtt"
	"github.com/linshao/linshao/edge/internal/flow"
	"github.com/linshao/linshao/edge/internal/uplink"
	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/ticket"
)

// link is the uplink and what it brings down.
type link struct {
	*uplink.Uplink
	flow  keeper
	times *times
	// devices takes commands once the drivers are up.
	devices func() commander
	log     *slog.Logger
	orders  orders
}

// keeper keeps Transitions of the cloud; nil means that they are durable. The
// flow is one.
type keeper interface {
	Remote(ctx context.Context, ts []ticket.Transition) error
}

// commander sends a Command to a device, at once or never; the MQTT driver is
// one.
type commander interface {
	Command(device string, c mqtt.Command) error
}

var _ uplink.Downlink = (*link)(nil)

// Transitions implements uplink.Downlink.
func (l *link) Transitions(ctx context.Context, ts []ticket.Transition) error {
	err := l.flow.Remote(ctx, ts)
	if errors.Is(err, flow.ErrClosed) {
		// The edge is stopping. What is not acknowledged comes again; an error
		// now would take the connection from the last alarms on their way up.
		<-ctx.Done()
	}
	return err
}

// Command implements uplink.Downlink: it goes to the device it names, which
// answers by its result topic.
func (l *link) Command(_ context.Context, c envelope.Command) {
	d := l.devices()
	expiresMS, why := int64(0), "devices_not_ready"
	if d != nil {
		expiresMS, why = l.orders.take(c, l.times)
	}
	if why != "" {
		l.log.Warn("command not run", "id", c.ID, "device", c.Device, "name", c.Name, "reason", why)
		return
	}
	err := d.Command(c.Device, mqtt.Command{ID: c.ID, Name: c.Name, Args: c.Args, ExpiresMS: expiresMS})
	l.log.Info("command passed on", "id", c.ID, "device", c.Device, "name", c.Name, "err", err)
}

// Measured implements uplink.Downlink.
func (l *link) Measured(sent, got time.Duration, cloudMS int64) { l.times.measured(sent, got, cloudMS) }

func (e *edge) startUplink(ctx context.Context) error {
	u := e.plan.Uplink
	if u == nil {
		return nil
	}
	conf, err := uplinkTLS(*u)
	if err != nil {
		return err
	}
	l := &link{flow: e.flow, times: e.times, devices: e.commander, log: e.log.With("component", "uplink")}
	l.Uplink = uplink.New(uplink.Options{
		URL: u.URL, Username: u.Username, Password: u.Password.Reveal(), TLS: conf, Dial: e.dialUplink(), Estate: e.plan.Estate, Edge: e.plan.Edge,
		Version: e.o.Version, Boot: e.clock.Boot(), Trusted: e.clock.Trusted, Devices: described(e.plan.Compiled), Source: e.outbox,
		Downlink: l, Clock: e.clock, Log: l.log,
	})
	e.uplink = l
	return e.group.Go(ctx, "uplink", l.Run)
}

func uplinkTLS(u config.Uplink) (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if u.CA != "" {
		pem, err := os.ReadFile(u.CA)
		if err != nil {
			return nil, fmt.Errorf("read uplink.ca: %w", err)
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read uplink.ca: %s holds no certificate", u.CA)
		}
	}
	if u.Cert != "" {
		cert, err := tls.LoadX509KeyPair(u.Cert, u.Key)
		if err != nil {
			return nil, fmt.Errorf("read uplink.cert: %w", err)
		}
		conf.Certificates = []tls.Certificate{cert}
	}
	return conf, nil
}

// described tells the cloud what stands here.
func described(devices []device.Device) []envelope.Device {
	out := make([]envelope.Device, 0, len(devices))
	for _, d := range devices {
		x := envelope.Device{ID: d.ID, Kind: d.Kind, Profile: d.Profile.Name, Location: d.Location}
		for _, p := range d.Profile.Points {
			q := envelope.Point{Metric: p.Name, Unit: p.Unit}
			for v, word := range p.Enum {
				if q.Enum == nil {
					q.Enum = map[string]string{}
				}
				q.Enum[fmt.Sprint(v)] = word
			}
			x.Points = append(x.Points, q)
		}
		out = append(out, x)
	}
	return out
}

// commander is nil until devices may sign in.
func (e *edge) commander() commander {
	if d := e.mqtt.Load(); d != nil {
		return d
	}
	return nil
}
