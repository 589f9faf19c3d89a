package app

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"

	"github.com/linshao/linshao/cloud/internal/access"
	"github.com/linshao/linshao/cloud/internal/db"
	"github.com/linshao/linshao/cloud/internal/ingest"
	"github.com/linshao/linshao/cloud/internal/notify/mqtt"
	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/kit/chaos"
	"github.com/linshao/linshao/protocol/kit/clock"
	"github.com/linshao/linshao/protocol/kit/mqttbroker"
	"github.com/linshao/linshao/protocol/limit"
	"github.com/linshao/linshao/protocol/ticket"
	"github.com/linshao/linshao/protocol/topic"
)

// radio is the identity of something that listens to patrol pages: the token
// that it signed in with and, behind a colon, the estates it may hear; "*" is
// all of them.
const radio = "radio:"

// errRadio refuses a token that may not hear what others are told.
var errRadio = errors.New("a page carries a link that accepts in a person's name: use a token of a dispatcher")

// gatekeeper decides who may sign in on the uplink, and to which topics.
type gatekeeper struct{ door *access.Door }

var (
	_ mqttbroker.Authenticator = gatekeeper{}
	_ mqttbroker.Authorizer    = gatekeeper{}
)

// Authenticate knows edges ("estate/edge" and its secret) and radios ("token"
// and an API token).
func (g gatekeeper) Authenticate(ctx context.Context, c mqttbroker.Credentials) (mqttbroker.Identity, error) {
	user, secret := string(c.User), string(c.Password)
	if user == "token" {
		p, err := g.door.ByToken(ctx, secret)
		if err != nil {
			return "", err
		}
		return radioOf(p)
	}
	p, err := g.door.ByEdge(ctx, user, secret)
	if err != nil {
		return "", err
	}
	return mqttbroker.Identity(p.ID), nil
}

func radioOf(p access.Principal) (mqttbroker.Identity, error) {
	estates := p.Scope.Estates
	if p.Scope.AllEstates {
		estates = []string{"*"}
	}
	for _, e := range estates {
		t := access.Target{Estate: e}
		if e == "*" {
			t.Estate = ""
		}
		if !access.May(p, access.ActAs, t) {
			return "", errRadio
		}
	}
	return mqttbroker.Identity(radio + p.ID + ":" + strings.Join(estates, ",")), nil
}

// MayPublish lets an edge speak on its own up and status topics.
func (g gatekeeper) MayPublish(id mqttbroker.Identity, name string) bool {
	u, leaf, err := topic.ParseUplink(name)
	return err == nil && string(id) == u.Estate+"/"+u.Edge && (strings.HasPrefix(leaf, "up/") || leaf == topic.Status)
}

// MayRead lets an edge hear its own down topics, and a radio the pages of its
// estates.
func (g gatekeeper) MayRead(id mqttbroker.Identity, name string) bool {
	if rest, ok := strings.CutPrefix(string(id), radio); ok {
		_, estates, _ := strings.Cut(rest, ":")
		return topic.IsPatrolPage(name) && slices.ContainsFunc(strings.Split(estates, ","), func(e string) bool {
			return e == "*" || e != "" && strings.HasPrefix(name, topic.PatrolPages(e))
		})
	}
	u, leaf, err := topic.ParseUplink(name)
	return err == nil && string(id) == u.Estate+"/"+u.Edge && strings.HasPrefix(leaf, "down/")
}

// receiver hands what edges publish to ingest.
type receiver struct {
	ingest   *ingest.Ingest
	liveness *liveness
	down     *downlink
	log      *slog.Logger
}

var (
	_ mqttbroker.Receiver = (*receiver)(nil)
	_ mqttbroker.Presence = (*receiver)(nil)
)

// Publish takes one message. Its PUBACK means that the broker has it and no
// more: only a Receipt settles, so a message that there was no room for is
// acknowledged and sent again by its edge. A hello that is refused ends the
// connection.
func (r *receiver) Publish(ctx context.Context, m mqttbroker.Message, ack func(error)) {
	u, leaf, err := topic.ParseUplink(m.Topic)
	if err != nil || leaf == topic.Status {
		ack(nil) // whether an edge is there, its connection itself tells
		return
	}
	err = r.ingest.Receive(ctx, m.Topic, m.Payload)
	switch {
	case errors.Is(err, ingest.ErrBusy):
		r.log.Warn("no room for samples", "estate", u.Estate, "edge", u.Edge)
		err = nil
	case err != nil:
		r.log.Warn("message refused", "estate", u.Estate, "edge", u.Edge, "leaf", leaf, "err", err)
		if why := refusedFor(err); why != "" {
			r.down.greet(u, m.Payload, why)
		}
	case leaf == topic.UpHello:
		r.down.greet(u, m.Payload, "")
		r.down.welcome(ctx, u)
	}
	ack(err)
}

// Changed notes that an edge came or went.
func (r *receiver) Changed(id mqttbroker.Identity, online, _ bool) {
	if estate, edge, ok := strings.Cut(string(id), "/"); ok {
		r.liveness.connected(edgeID{estate, edge}, online)
	}
}

// downlink sends to edges. What gets lost is sent again after the next hello.
type downlink struct {
	broker *mqttbroker.Broker
	store  *db.Store
	clock  clock.Clock
	log    *slog.Logger
}

// Publish implements ingest.Publisher.
func (d *downlink) Publish(_ context.Context, name string, payload []byte, retain bool) error {
	return d.broker.Publish(name, payload, 1, retain)
}

// refusedFor is why a hello was not taken, if trying again does not help.
func refusedFor(err error) string {
	switch {
	case errors.Is(err, ingest.ErrClone):
		return envelope.RefusedClone
	case errors.Is(err, ingest.ErrNewer):
		return envelope.RefusedSchema
	}
	return ""
}

// greet answers a hello [P-5.7]; refused is empty for one that was taken.
func (d *downlink) greet(u topic.Uplink, payload []byte, refused string) {
	h, err := envelope.DecodeHello(payload)
	var b []byte
	if err == nil {
		b, err = envelope.EncodeWelcome(envelope.Welcome{
			Schema: envelope.SchemaVersion, Capabilities: []string{envelope.CanCorrect}, Session: h.Session,
			CloudMS: clock.NowMS(d.clock), Refused: refused,
		})
	}
	if err == nil {
		err = d.broker.Publish(u.Welcome(), b, 1, false)
	}
	if err != nil {
		d.log.Warn("an edge's hello is not answered", "estate", u.Estate, "edge", u.Edge, "err", err)
	}
}

// transitions tells an edge what was decided in the cloud.
func (d *downlink) transitions(estate, edge string, ts []ticket.Transition) {
	u := topic.Uplink{Estate: estate, Edge: edge}
	for len(ts) > 0 {
		n := min(len(ts), limit.MaxTransitionsPerEnvelope)
		payload, err := envelope.EncodeTransitions(ts[:n])
		if err == nil {
			chaos.At("downlink.publish.before")
			err = d.broker.Publish(u.Transition(), payload, 1, false)
			chaos.At("downlink.publish.after")
		}
		if err != nil {
			d.log.Warn("transitions not sent down", "estate", estate, "edge", edge, "err", err)
			return
		}
		ts = ts[n:]
	}
}

// recentMS is how far back tickets that are done are told again.
const recentMS = 3600_000

// welcome tells an edge that has just said hello everything it may have
// missed.
func (d *downlink) welcome(ctx context.Context, u topic.Uplink) {
	e, _, err := d.store.Read().Edge(ctx, u.Estate, u.Edge)
	if err == nil {
		var ts []ticket.Transition
		ts, err = d.store.Read().Downlinks(ctx, u.Estate, u.Edge, e.LastSeenMS-recentMS)
		d.transitions(u.Estate, u.Edge, ts)
	}
	if err != nil {
		d.log.Error("read what the edge must hear", "estate", u.Estate, "edge", u.Edge, "err", err)
	}
}

// radios publishes patrol pages.
type radios struct{ broker *mqttbroker.Broker }

var _ mqtt.Publisher = radios{}

// Publish implements mqtt.Publisher. A page that nobody listens for was not
// sent, so that the next channel opens.
func (r radios) Publish(_ context.Context, name string, payload []byte) error {
	if !r.broker.Subscribed(name) {
		return errors.Join(mqtt.ErrNotSent, errors.New("nothing listens on "+name))
	}
	return r.broker.Publish(name, payload, 1, false)
}
