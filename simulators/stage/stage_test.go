package stage_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/linshao/linshao/simulators/broker"
	"github.com/linshao/linshao/simulators/control"
	"github.com/linshao/linshao/simulators/estate"
	"github.com/linshao/linshao/simulators/scenario"
	"github.com/linshao/linshao/simulators/stage"
	"github.com/linshao/linshao/simulators/truth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tickets is a collector that raises one ticket of what a gate reports.
type tickets []truth.Ticket

func (t tickets) Of(context.Context, string, string) ([]truth.Ticket, error) { return t, nil }

func story(t *testing.T, mqtt string) scenario.Story {
	t.Helper()
	s, err := scenario.Parse("s.yaml", []byte(`
duration: 2m
speed: 120
estate: garden
mqtt: `+mqtt+`
devices: [{id: gate-1, kind: access-gate}]
story:
  - {at: 10s, push: door_forced, device: gate-1, for: 1m}
  - {at: 10s, want: {device: gate-1, metric: door, is: open, within: 30s}}
  - {at: 10s, want: {device: gate-1, ticket: door_forced, within: 60s}}
`))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAStoryReachesTheGatewayAndItsTicketsAreAskedFor(t *testing.T) {
	seen := make(chan string, 1024)
	b, err := broker.Listen("127.0.0.1:0", broker.Script{Publish: func(m broker.Message) broker.Verdict {
		if strings.Contains(string(m.Payload), "door_forced_open") {
			seen <- m.Topic
		}
		return broker.Ack
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	began := time.Now()
	o := stage.Options{Story: story(t, b.URL()), Log: slog.New(slog.DiscardHandler)}
	o.Tickets = tickets{{Device: "garden:gate-1", Kind: "door_forced", RaisedMS: began.UnixMilli() + 100}}
	out, err := stage.Play(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Unmet) != 0 {
		t.Errorf("unmet: %v", out.Unmet)
	}
	if len(out.Truth) != 1 || out.Truth[0].Fault != "door_forced" || out.Truth[0].FromMS < began.UnixMilli() {
		t.Errorf("truth in wall time: %+v", out.Truth)
	}
	if topic := <-seen; topic != "devices/gate-1/events" {
		t.Errorf("published on %s", topic)
	}
	o.Story.Speed, o.Tickets = 1200, tickets{}
	if out, err = stage.Play(t.Context(), o); err != nil || len(out.Unmet) == 0 {
		t.Errorf("a ticket that never came: %v, %v", out.Unmet, err)
	}
}

func TestTheSideDoorOpensAndTheStoryCanBeEnded(t *testing.T) {
	s := story(t, "tcp://127.0.0.1:1")
	s.Speed = 1
	ctx, cancel := context.WithCancel(t.Context())
	var failed error
	o := stage.Options{Story: s, Control: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler)}
	done := make(chan struct{})
	o.Opened = func(url string) {
		go func() {
			defer close(done)
			defer cancel()
			failed = control.Inject(ctx, url, estate.DeviceSilent, "gate-1", 0)
		}()
	}
	out, err := stage.Play(ctx, o)
	<-done
	http.DefaultClient.CloseIdleConnections()
	if err != nil || failed != nil || len(out.Truth) != 1 || out.Truth[0].Fault != "device_silent" {
		t.Errorf("%+v, %v, %v", out.Truth, err, failed)
	}
}

func TestConsoleReadsTheTicketFile(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer tok" {
			http.Error(w, "who are you", http.StatusUnauthorized)
			return
		}
		fmt.Fprintf(w, "id,device,kind,raised_at,cleared_at\nt1,%s,entrapment,5,\n", r.URL.Query().Get("device"))
	}))
	defer srv.Close()
	defer http.DefaultClient.CloseIdleConnections()
	got, err := stage.Console{URL: srv.URL + "/", Token: "tok"}.Of(t.Context(), "garden", "lift-1")
	if err != nil || len(got) != 1 || got[0].Device != "garden:lift-1" || got[0].Kind != "entrapment" {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := (stage.Console{URL: srv.URL}).Of(t.Context(), "garden", "lift-1"); err == nil || !strings.Contains(err.Error(), "who are you") {
		t.Errorf("error: %v", err)
	}
}
