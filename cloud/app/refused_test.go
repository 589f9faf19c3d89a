package app

import (
	"errors"
	"log/slog"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/linshao/linshao/cloud/internal/ingest"
	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/kit/mqttbroker"
	"github.com/linshao/linshao/protocol/topic"
)

// A hello that cannot be taken ends its connection, with a reason that the edge
// knows [P-5.7]; the next one is taken.
func TestAHelloIsRefusedWithAReason(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c, _ := s.run()
	up := topic.Uplink{Estate: "sunrise", Edge: "s1"}
	in := ingest.New(ingest.Options{
		InTx: c.ingestInTx(), Series: c.standby, Stored: c.standby, Publisher: c.down, Clock: c.o.Clock,
		Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
	})
	r := &receiver{ingest: in, liveness: c.liveness, down: c.down, log: slog.New(slog.DiscardHandler)}
	for _, x := range []struct {
		name  string
		hello envelope.Hello
		want  error
		why   string
	}{
		{"the first", envelope.Hello{Session: "a", Previous: "z"}, nil, ""},
		{"of a later version that can be read", envelope.Hello{Session: "b", Previous: "a", Schema: envelope.SchemaVersion + 1}, nil, ""},
		{"that demands a later version", envelope.Hello{Session: "c", Previous: "b", LeastSchema: envelope.SchemaVersion + 1}, ingest.ErrNewer, envelope.RefusedSchema},
		{"of a copied disk", envelope.Hello{Session: "d", Previous: "a"}, ingest.ErrClone, envelope.RefusedClone},
		{"of the original", envelope.Hello{Session: "e", Previous: "b"}, nil, ""},
	} {
		x.hello.Estate, x.hello.Edge, x.hello.Epoch = up.Estate, up.Edge, "epoch"
		b, err := envelope.EncodeHello(x.hello)
		if err != nil {
			t.Fatal(err)
		}
		answered := false
		r.Publish(t.Context(), mqttbroker.Message{Topic: up.Hello(), Payload: b}, func(err error) {
			answered = true
			if !errors.Is(err, x.want) || x.want == nil && err != nil || refusedFor(err) != x.why {
				t.Errorf("a hello %s: %v, told %q", x.name, err, refusedFor(err))
			}
		})
		if !answered {
			t.Errorf("a hello %s is not answered", x.name)
		}
	}
}
