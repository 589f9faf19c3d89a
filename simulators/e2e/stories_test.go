package e2e

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/linshao/linshao/simulators/e2e/site"
	"github.com/linshao/linshao/simulators/pager"
)

// startPager runs a webhook provider that keeps a journal of what it accepted.
func startPager(t *testing.T) *pager.Pager {
	t.Helper()
	p, err := pager.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// A gate of somebody else's making reports over plain mosquitto_pub; the
// person on duty is paged, accepts, arrives and resolves.
func TestAForeignGateIsForcedAndSomebodyComes(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("mosquitto_pub"); err != nil {
		t.Fatal("mosquitto_pub is missing: apt-get install mosquitto-clients")
	}
	p := startPager(t)
	s := site.New(t, site.Options{PagerURL: p.URL()})
	at := time.Now().Add(-3 * time.Second).UnixMilli()
	hostPort := strings.Split(s.EdgeMQTT, ":")
	out, err := exec.Command("mosquitto_pub", "-h", hostPort[0], "-p", hostPort[1], "-u", "gate-east-1", "-P", "gate-secret-1",
		"-i", "anything", "-q", "1", "-t", "devices/gate-east-1/events",
		"-m", fmt.Sprintf(`{"ts": %d, "event": "door_forced_open", "data": {"zone": 3}}`, at)).CombinedOutput()
	if err != nil {
		t.Fatalf("mosquitto_pub: %v %s", err, out)
	}
	id := s.OneTicket("gate-east-1")
	got := s.Ticket(id)
	if got.Fault != "door_forced" || got.Severity != "major" || got.RaisedAt.UnixMilli() != at {
		t.Errorf("fault %s, severity %s, raised %s", got.Fault, got.Severity, got.RaisedAt)
	}
	s.Eventually("a page to the vanguard member on duty", time.Minute, func() bool {
		return slices.ContainsFunc(s.Deliveries(id), func(d site.Delivery) bool { return d.Staff == "li-wei" && d.State == "accepted" })
	})
	for _, step := range []string{"accept", "arrive", "resolve", "close"} {
		status, b := s.Call("POST", "/api/v1/tickets/"+id+"/"+step, map[string]any{"as": "li-wei", "note": step})
		if status != 200 {
			t.Fatalf("%s: %d %s", step, status, b)
		}
	}
	if status, b := s.Call("POST", "/api/v1/tickets/"+id+"/accept", map[string]any{"as": "li-wei"}); status != 409 || !strings.Contains(string(b), "transition_not_allowed") {
		t.Errorf("accepting a closed ticket: %d %s", status, b)
	}
	if got := s.Ticket(id); got.State != "closed" || got.Assignee != "li-wei" || len(got.Timeline) < 5 {
		t.Errorf("state %s, assignee %s, %d in the timeline", got.State, got.Assignee, len(got.Timeline))
	}
}

// Nobody accepts: the next step is paged, and the one after.
func TestSilenceEscalates(t *testing.T) {
	t.Parallel()
	p := startPager(t)
	s := site.New(t, site.Options{PagerURL: p.URL()})
	s.Device("gate-east-1", "gate-secret-1").MustPublish("devices/gate-east-1/events", `{"event": "door_forced_open"}`)
	id := s.OneTicket("gate-east-1")
	for _, who := range []string{"li-wei", "zhao-min", "wang-fang"} {
		s.Eventually("a page to "+who, time.Minute, func() bool {
			return slices.ContainsFunc(s.Deliveries(id), func(d site.Delivery) bool { return d.Staff == who && d.State == "accepted" })
		})
	}
}

// The WAN is cut; a gate is forced meanwhile. When the link is back the
// ticket is there, with its own time, before the waiting samples.
func TestChaosATicketOpenedWhileTheWANWasCut(t *testing.T) {
	t.Parallel()
	p := startPager(t)
	s := site.New(t, site.Options{PagerURL: p.URL()})
	d := s.Device("gate-east-1", "gate-secret-1")
	d.MustPublish("devices/gate-east-1/telemetry", `{"door": "closed"}`)
	s.WAN.Cut()
	start := time.Now().UnixMilli()
	for i := range 500 {
		d.MustPublish("devices/gate-east-1/telemetry", fmt.Sprintf(`{"ts": %d, "values": {"passages": %d}}`, start+int64(i), 50+i%7))
	}
	at := time.Now().UnixMilli()
	d.MustPublish("devices/gate-east-1/events", fmt.Sprintf(`{"ts": %d, "event": "door_forced_open"}`, at))
	s.Eventually("the ticket on the edge's own page", time.Minute, func() bool {
		return strings.Contains(s.EdgeGet("/api/v1/tickets"), "door_forced")
	})
	if n := len(s.Tickets("device=gate-east-1")); n != 0 {
		t.Fatalf("%d tickets crossed a cut WAN", n)
	}
	s.WAN.Heal()
	id := s.OneTicket("gate-east-1")
	if got := s.Ticket(id); got.RaisedAt.UnixMilli() != at || got.Occurrences != 1 {
		t.Errorf("raised at %d, want %d; %d occurrences", got.RaisedAt.UnixMilli(), at, got.Occurrences)
	}
	s.Eventually("every sample of the cut", time.Minute, func() bool {
		return len(s.Series("gate-east-1", "passages", start, start+500)) == 500
	})
	if n := len(s.Tickets("device=gate-east-1")); n != 1 {
		t.Errorf("%d tickets after healing, want 1", n)
	}
}
