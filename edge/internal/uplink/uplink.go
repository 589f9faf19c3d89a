// Package uplink carries what the outbox keeps to the cloud.
//
// Guarantees:
//
//   - Only a Receipt settles [P-4.1]: a PUBACK, a token of the MQTT client or a
//     closed connection never do. What has no Receipt within Options.Resend is
//     sent again, and after some tries the connection is made anew, unless
//     others are answered: what the cloud cannot take yet holds up nothing.
//   - Alarms go first. Live samples (recorded since the connection began) and
//     backfill (what waited from before) share one budget of bytes on the way,
//     live before backfill where both wait, so that after a long cut the
//     present is visible at once. The budget follows the line: on a thin one
//     an alarm queues behind a second of samples at most.
//   - A hello opens every connection [P-5.2]; nothing is sent before the broker
//     took it. The session it names is durable before it is sent.
//   - A broken connection is noticed within 8 s and made again with growing,
//     jittered pauses of 0.2 s to 30 s. They start over once a connection has
//     brought a Receipt or lasted for a while, not because one could be made.
//   - When told to stop it still takes some grace for alarms and live samples.
//
// It keeps nothing on disk and decides nothing about records: the Source does.
// What comes down is handed to a Downlink, in order, beside the receipts.
package uplink

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/linshao/linshao/edge/internal/mqttlink"
	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/kit/backoff"
	"github.com/linshao/linshao/protocol/kit/chaos"
	"github.com/linshao/linshao/protocol/kit/clock"
	"github.com/linshao/linshao/protocol/ticket"
	"github.com/linshao/linshao/protocol/topic"
)

// Source is what there is to send; the outbox is one. Positions only grow.
// All methods are safe for concurrent use.
type Source interface {
	// Ends returns the positions of the oldest record that waits in log and
	// behind the newest.
	Ends(log envelope.Log) (oldest, end uint64)
	// Lease returns what waits at positions from <= p < to as one Envelope of
	// about maxBytes, and where to go on; an Envelope without Sequences and
	// gaps if nothing does. It changes nothing.
	Lease(log envelope.Log, from, to uint64, maxBytes int) (e envelope.Envelope, next uint64, err error)
	// Settle takes a Receipt, any number of times.
	Settle(r envelope.Receipt) error
	// Changed receives after records were added.
	Changed() <-chan struct{}
	Epoch() string
	Heads() []envelope.LogHead
	// NextSession returns the durable session of the next connection;
	// UseSession says that its hello was taken.
	NextSession() (id, previous string, err error)
	UseSession(id string) error
}

// Downlink takes what comes from the cloud. Calls come in order, one at a
// time, and may block; a Downlink that falls far behind costs the connection,
// after which everything that matters is sent again.
type Downlink interface {
	// Transitions were made in the cloud. An error ends the connection.
	Transitions(ctx context.Context, ts []ticket.Transition) error
	// Command is to be run at most once, before it expires [P-7.1].
	Command(ctx context.Context, c envelope.Command)
	// Measured is told what the cloud's clock said at some instant between
	// sent and got, which are of the Clock's monotonic time. Unlike the others
	// it is called between them, by the goroutine that sends: it must not
	// block for long.
	Measured(sent, got time.Duration, cloudMS int64)
}

// Options of an Uplink. All but TLS, Dial, Resend, Grace and
// Backoff must be set.
type Options struct {
	URL, Username, Password string
	TLS                     *tls.Config
	Dial                    func(ctx context.Context, address string) (net.Conn, error)
	Estate, Edge            string
	Version                 string
	Boot                    string
	Trusted                 func() bool
	Devices                 []envelope.Device
	Source                  Source
	Downlink                Downlink
	Clock                   clock.Clock
	Log                     *slog.Logger
	// Resend is how long an Envelope may be without a Receipt: 15 s, of the
	// alarm lane a third of it.
	Resend time.Duration
	// Grace is how long Run goes on after its context ended, if something of
	// the alarm or live lane is not settled: 2 s.
	Grace time.Duration
	// Backoff bounds the pauses between connections: 0.2 s to 30 s.
	Backoff [2]time.Duration
}

// Uplink is the way to the cloud. Make one with New and keep Run running.
type Uplink struct {
	o         Options
	name      topic.Uplink
	connected atomic.Bool
	liveFrom  atomic.Uint64
	welcome   atomic.Pointer[envelope.Welcome]
}

// New returns an Uplink; nothing happens before Run.
func New(o Options) *Uplink {
	if o.Resend == 0 {
		o.Resend = 15 * time.Second
	}
	if o.Grace == 0 {
		o.Grace = 2 * time.Second
	}
	if o.Backoff[1] == 0 {
		o.Backoff = [2]time.Duration{200 * time.Millisecond, 30 * time.Second}
	}
	return &Uplink{o: o, name: topic.Uplink{Estate: o.Estate, Edge: o.Edge}}
}

// Connected reports whether the cloud took this connection's hello.
func (u *Uplink) Connected() bool { return u.connected.Load() }

// LiveFrom is the position in the samples log from which on samples travel as
// live, and before which as backfill; 0 while there is no connection.
func (u *Uplink) LiveFrom() uint64 { return u.liveFrom.Load() }

// Welcome returns the cloud's last answer to a hello; false if it never gave
// one, as clouds older than it do.
func (u *Uplink) Welcome() (envelope.Welcome, bool) {
	if w := u.welcome.Load(); w != nil {
		return *w, true
	}
	return envelope.Welcome{}, false
}

// steady is how long a connection must have lasted to count as a good one when
// there was nothing to send.
const steady = 3 * time.Second

// status payloads.
const (
	online  = "online"
	offline = "offline"
)

// Run keeps a connection until ctx ends.
func (u *Uplink) Run(ctx context.Context) error {
	pause := backoff.New(u.o.Clock, u.o.Backoff[0], u.o.Backoff[1])
	for {
		err := u.once(ctx, pause)
		if ctx.Err() == nil {
			u.o.Log.Warn("uplink is down", "err", err)
		}
		if stopped := pause.Wait(ctx); stopped != nil {
			return nil //nolint:nilerr // being stopped is no failure
		}
	}
}

// once is the life of one connection.
func (u *Uplink) once(ctx context.Context, pause *backoff.Backoff) error {
	id, previous, err := u.o.Source.NextSession()
	if err != nil {
		return err
	}
	link, err := mqttlink.Open(ctx, mqttlink.Options{
		URL: u.o.URL, ClientID: u.o.Estate + "-" + u.o.Edge, Username: u.o.Username, Password: u.o.Password, TLS: u.o.TLS,
		WillTopic: u.name.Status(), WillPayload: offline, Dial: u.o.Dial, Log: u.o.Log,
	})
	if err != nil {
		return err
	}
	defer link.Close()
	asked := u.o.Clock.Mono()
	if err := u.greet(ctx, link, id, previous); err != nil {
		return errors.Join(err, u.refusal(link))
	}
	u.connected.Store(true)
	defer func() {
		u.connected.Store(false)
		u.liveFrom.Store(0)
	}()
	u.o.Log.Info("uplink is up", "session", id)
	since := u.o.Clock.Mono()
	s := newSession(u, link, asked)
	err = s.run(ctx)
	if s.answered || u.o.Clock.Mono()-since >= steady {
		pause.Reset()
	}
	if ctx.Err() != nil {
		// Going on purpose: say so, as the will would not.
		goodbye, cancel := context.WithTimeout(context.WithoutCancel(ctx), u.o.Grace)
		defer cancel()
		chaos.At("uplink.goodbye.before")
		_ = link.Publish(goodbye, u.name.Status(), []byte(offline), true)
		chaos.At("uplink.goodbye.after")
		return err
	}
	link.Drop() // nobody should take this edge for online: let the will be sent
	return err
}

// greet subscribes before it says hello, so that nothing of the answer is
// missed.
func (u *Uplink) greet(ctx context.Context, link *mqttlink.Link, id, previous string) error {
	if err := link.Subscribe(ctx, u.name.Receipt(), u.name.Transition(), u.name.Command()); err != nil {
		return err
	}
	if err := link.Subscribe(ctx, u.name.Welcome()); err != nil {
		u.o.Log.Debug("the cloud is older than welcomes", "err", err)
	}
	hello, err := envelope.EncodeHello(envelope.Hello{
		Schema: envelope.SchemaVersion, Capabilities: []string{"zstd", "welcome"}, Estate: u.o.Estate, Edge: u.o.Edge, Version: u.o.Version,
		Epoch: u.o.Source.Epoch(), Session: id, Previous: previous, Boot: u.o.Boot, EdgeMS: clock.NowMS(u.o.Clock),
		ClockTrusted: u.o.Trusted(), Heads: u.o.Source.Heads(), Devices: u.o.Devices,
	})
	if err != nil {
		return err
	}
	chaos.At("uplink.hello.before")
	if err := link.Publish(ctx, u.name.Hello(), hello, false); err != nil {
		return err
	}
	chaos.At("uplink.hello.after")
	if err := u.o.Source.UseSession(id); err != nil {
		return err
	}
	chaos.At("uplink.online.before")
	if err := link.Publish(ctx, u.name.Status(), []byte(online), true); err != nil {
		return err
	}
	chaos.At("uplink.online.after")
	return nil
}

// refusal looks among what came down for the reason why the cloud ended the
// connection.
func (u *Uplink) refusal(link *mqttlink.Link) error {
	for {
		select {
		case m := <-link.Messages():
			if m.Topic == u.name.Welcome() {
				return u.welcomed(m.Payload)
			}
		default:
			return nil
		}
	}
}

// welcomed takes the cloud's answer to a hello; an error if it refuses this
// edge.
func (u *Uplink) welcomed(payload []byte) error {
	w, err := envelope.DecodeWelcome(payload)
	if err != nil {
		u.o.Log.Warn("welcome cannot be read", "err", err)
		return nil
	}
	u.welcome.Store(&w)
	if w.Refused != "" {
		return fmt.Errorf("%w: %s", errRefused, w.Refused)
	}
	return nil
}

// errRefused: the cloud does not take this edge. Trying again helps once
// somebody has changed what is wrong.
var errRefused = errors.New("the cloud refuses this edge")
