package mqtt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/linshao/linshao/edge/internal/driver"
	"github.com/linshao/linshao/edge/internal/driver/drivertest"
	"github.com/linshao/linshao/protocol/kit/clock"
	"github.com/linshao/linshao/protocol/topic"
)

func TestPubackMeansOnDisk(t *testing.T) {
	t.Parallel()
	e := start(t)
	p := e.dial(gate.ID, nil)
	must(t, p.publish(telemetryOf(gate), `{"motor_temp": 61.5}`, 1))
	must(t, p.publish(topic.Device(gate.ID).Events(), `{"event": "duress"}`, 2))
	first, second := e.next(), e.next()
	if first.Device != gate.ID || len(first.Samples) != 1 || first.Samples[0].Value != 61.5 || len(second.Events) != 1 || second.Events[0].Name != "duress" {
		t.Fatalf("%+v, %+v", first, second)
	}
	p.ping(t) // no PUBACK came before
	first.Done(nil)
	second.Done(nil)
	for _, id := range []byte{1, 2} {
		if body := p.want(t, packets.Puback); body[1] != id {
			t.Errorf("PUBACK %d", body[1])
		}
	}
}

func TestWhatIsNotStoredIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	e := start(t)
	p := e.dial(gate.ID, nil)
	must(t, p.publish(telemetryOf(gate), `{"motor_temp": 61.5}`, 1))
	e.next().Done(errors.New("disk full"))
	p.wantClosed(t)
	p = e.dial(gate.ID, nil)
	must(t, p.publish(telemetryOf(gate), `{"motor_temp": 61.5}`, 1))
	e.next().Done(nil)
	p.want(t, packets.Puback)
}

// closed is a Sink that takes nothing any more.
type closed struct{}

func (closed) Put(_ context.Context, b driver.Batch) error {
	if b.Done == nil {
		return nil // reachability
	}
	return errors.New("flow is closed")
}

func TestWhatTheSinkDoesNotTakeIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	d, err := New(options(closed{}, clock.NewSystem(), &counts{up: map[string]bool{}, dropped: map[string]int{}}))
	must(t, err)
	run(t, d)
	p, err := dial(d, gate.ID, "gate-pw", nil)
	must(t, err)
	must(t, p.publish(telemetryOf(gate), `{"door": 1}`, 1))
	p.wantClosed(t)
}

func TestUnreadablePayloadsAreAcknowledgedAndKept(t *testing.T) {
	t.Parallel()
	e := start(t)
	p, stray := e.dial(gate.ID, nil), e.dial("stray", nil)
	d := topic.Device(gate.ID)
	for i, m := range []struct{ topic, payload, reason string }{
		{d.Telemetry(), "not json \xff", "not_json"},
		{d.Telemetry(), "{}", "empty"},
		{d.Events(), "[1]", "wrong_form"},
		{d.Status(), "asleep", "bad_status"},
		{d.Result("c1"), "done", "not_json"},
	} {
		must(t, p.publish(m.topic, m.payload, uint16(i+1)))
		p.want(t, packets.Puback)
		got := e.Quarantine().List()[0]
		if got.Reason != m.reason || got.Topic != m.topic || got.Device != gate.ID || got.AtMS != now || got.Payload == "" {
			t.Errorf("%+v", got)
		}
		if e.counts.of(m.reason) == 0 {
			t.Errorf("%s was not counted", m.reason)
		}
	}
	must(t, stray.publish(topic.Device("stray").Telemetry(), `{"a": 1}`, 1))
	stray.want(t, packets.Puback)
	if got := e.Quarantine().List()[0]; got.Reason != "unknown_device" {
		t.Errorf("%+v", got)
	}
	must(t, p.publish(telemetryOf(gate), `{"door": 1, "online": 5}`, 9)) // the rest goes on
	b := e.next()
	b.Done(nil)
	p.want(t, packets.Puback)
	if len(b.Samples) != 1 || e.Quarantine().List()[0].Reason != "unusable_value" {
		t.Errorf("%+v, %+v", b.Samples, e.Quarantine().List()[0])
	}
}

func TestQuarantineIsBounded(t *testing.T) {
	t.Parallel()
	q := newQuarantine()
	for i := range 3*maxRejected + 7 {
		q.add(Rejected{AtMS: int64(i)}, make([]byte, 10*maxRejectedBytes))
	}
	list := q.List()
	if len(list) != maxRejected || len(list[0].Payload) > maxRejectedBytes {
		t.Fatalf("%d entries of %d bytes", len(list), len(list[0].Payload))
	}
	for i, r := range list {
		if want := int64(3*maxRejected + 6 - i); r.AtMS != want {
			t.Fatalf("entry %d is of %d, want %d", i, r.AtMS, want)
		}
	}
}

func TestADeviceUsesItsOwnTopicsOnly(t *testing.T) {
	t.Parallel()
	e := start(t)
	for _, name := range []string{telemetryOf(lift), topic.Device(gate.ID).Commands(), "devices/" + gate.ID + "/other", "anything"} {
		p := e.dial(gate.ID, nil)
		must(t, p.publish(name, `{"a": 1}`, 1))
		p.wantClosed(t)
	}
	_, err := dial(e.Driver, gate.ID, "gate-pw", &packets.ConnectParams{WillFlag: true, WillTopic: topic.Device(lift.ID).Status(), WillPayload: []byte("offline")})
	if !errors.Is(err, errRefused) {
		t.Errorf("a will on another's status: %v", err)
	}
	if n := len(e.Quarantine().List()); n != 0 {
		t.Errorf("%d forbidden messages got as far as the quarantine", n)
	}
}

func TestLogins(t *testing.T) {
	t.Parallel()
	hash, err := argon2id.CreateHash("s3cret", &argon2id.Params{Memory: 64, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32})
	must(t, err)
	o := options(&edge{batches: make(chan driver.Batch, 64)}, clock.NewSystem(), &counts{up: map[string]bool{}, dropped: map[string]int{}})
	o.Logins["hashed"] = hash
	d, err := New(o)
	must(t, err)
	run(t, d)
	for _, c := range []struct {
		id, password string
		ok           bool
	}{
		{gate.ID, "gate-pw", true},
		{gate.ID, "lift-pw", false},
		{"nobody", "no such device", false},
		{"hashed", "s3cret", true},
		{"hashed", "S3cret", false},
		{"hashed", hash, false},
		{"nobody", "s3cret", false},
	} {
		p, err := dial(d, c.id, c.password, nil)
		if (err == nil) != c.ok {
			t.Errorf("%s with %q: %v", c.id, c.password, err)
		}
		if p != nil {
			_ = p.Close()
		}
	}
	for id, stored := range map[string]string{"UPPER": "x", "fine": "$argon2id$junk", "empty": ""} {
		o.Logins = map[string]string{id: stored}
		if _, err := New(o); err == nil {
			t.Errorf("login %s: %q accepted", id, stored)
		}
	}
}

func TestReachabilityFollowsSessionsAndStatus(t *testing.T) {
	t.Parallel()
	e := start(t)
	d := topic.Device(gate.ID)
	p := e.dial(gate.ID, &packets.ConnectParams{WillFlag: true, WillTopic: d.Status(), WillPayload: []byte("offline"), WillQos: 1, WillRetain: true})
	e.wantOnline(gate.ID, true)
	must(t, p.publish(d.Status(), "offline", 1)) // it says it goes to sleep
	e.wantOnline(gate.ID, false)
	must(t, p.publish(d.Status(), "online", 2))
	e.wantOnline(gate.ID, true)
	_ = p.Close() // it dies
	e.wantOnline(gate.ID, false)
	p = e.dial(gate.ID, nil)
	e.wantOnline(gate.ID, true)
	_, err := p.Write([]byte{0xe0, 0}) // it says goodbye
	must(t, err)
	e.wantOnline(gate.ID, false)
	e.clock.BlockUntil(1)
	e.clock.Advance(time.Minute) // the lift has not been seen at all
	e.wantOnline(lift.ID, false)
}

func (e *edge) wantOnline(id string, want bool) {
	e.t.Helper()
	if device, up := e.online(); device != id || up != want {
		e.t.Fatalf("%s online: %v, want %s %v", device, up, id, want)
	}
}

func TestWhatADeviceSaysFollowsOnline(t *testing.T) {
	t.Parallel()
	e := start(t)
	p := e.dial(gate.ID, nil)
	must(t, p.publish(telemetryOf(gate), `{"door": 1}`, 0))
	if b := await(t, e.batches); b.Samples[0].Key.Metric != driver.Online || b.Done != nil {
		t.Errorf("first came %+v", b)
	}
}

func TestCommandsGoDownAndResultsComeBack(t *testing.T) {
	t.Parallel()
	e := start(t)
	d := topic.Device(gate.ID)
	c := Command{ID: "c-1", Name: "open", Args: json.RawMessage(`{"seconds":5}`), ExpiresMS: now + 10_000}
	if err := e.Command(gate.ID, c); !errors.Is(err, ErrUnreachable) {
		t.Errorf("nobody listens: %v", err)
	}
	p := e.dial(gate.ID, nil)
	_, err := p.Write(append([]byte{0x82, byte(2 + 2 + len(d.Commands()) + 1), 0, 1, 0, byte(len(d.Commands()))}, d.Commands()+"\x01"...))
	must(t, err)
	p.want(t, packets.Suback)
	must(t, e.Command(gate.ID, c))
	body := p.want(t, packets.Publish)
	if want := `{"id":"c-1","name":"open","args":{"seconds":5},"expires":1732269610123}`; !strings.HasSuffix(string(body), want) {
		t.Errorf("got %q", body)
	}
	must(t, p.publish(d.Result("c-1"), `{"ok": false, "error": "blocked"}`, 5))
	if r := await(t, e.results); r != (Result{Device: gate.ID, ID: "c-1", Error: "blocked"}) {
		t.Errorf("got %+v", r)
	}
	p.want(t, packets.Puback)
	c.ExpiresMS = now
	if err := e.Command(gate.ID, c); !errors.Is(err, ErrExpired) {
		t.Errorf("expired: %v", err)
	}
	for _, id := range []string{"", "a/b", "#", strings.Repeat("x", 65)} {
		if err := e.Command(gate.ID, Command{ID: id, ExpiresMS: now + 1000}); err == nil {
			t.Errorf("command id %q accepted", id)
		}
	}
}

func TestAPortThatIsTakenIsAnError(t *testing.T) {
	t.Parallel()
	e := start(t)
	o := options(e, e.clock, e.counts)
	o.Listen[0].Address = e.Addr(0).String()
	d, err := New(o)
	must(t, err)
	if err := d.Run(t.Context()); err == nil {
		t.Error("Run returned nil")
	}
}

// TestMosquitto has a foreign client wait for its PUBACK.
func TestMosquitto(t *testing.T) {
	t.Parallel()
	pub, err := exec.LookPath("mosquitto_pub")
	if err != nil {
		t.Fatal("mosquitto_pub is missing: apt-get install mosquitto-clients")
	}
	e := start(t)
	for _, version := range []string{"mqttv311", "mqttv5"} {
		host, port, _ := strings.Cut(e.Addr(0).String(), ":")
		cmd := exec.CommandContext(t.Context(), pub, "-h", host, "-p", port, "-u", gate.ID, "-P", "gate-pw", "-V", version,
			"-q", "1", "-t", telemetryOf(gate), "-m", `{"motor_temp": 61.5}`)
		must(t, cmd.Start())
		exited := make(chan error, 1)
		go func() { exited <- cmd.Wait() }()
		b := e.next()
		select {
		case err := <-exited:
			t.Fatalf("%s: mosquitto_pub left before its message was stored: %v", version, err)
		default:
		}
		b.Done(nil)
		if err := await(t, exited); err != nil {
			t.Errorf("%s: %v", version, err)
		}
	}
}

// TestContract runs the suite every Driver runs.
func TestContract(t *testing.T) {
	t.Parallel()
	drivertest.Run(t, func(t *testing.T, sink driver.Sink) drivertest.Bench {
		o := options(sink, clock.NewSystem(), &counts{up: map[string]bool{}, dropped: map[string]int{}})
		d, err := New(o)
		must(t, err)
		h := &hand{t: t, d: d}
		t.Cleanup(h.hangUp)
		return drivertest.Bench{
			Driver: d, Device: gate.ID, Metric: "motor_temp",
			Say: h.say, Break: h.hangUp, Mend: h.reconnect, Acked: func() int { return int(h.acked.Load()) },
		}
	})
}

// hand plays one device for the suite.
type hand struct {
	t     *testing.T
	d     *Driver
	acked atomic.Int32

	mu sync.Mutex
	p  *peer
	id uint16
	wg sync.WaitGroup
}

func (h *hand) say(v float64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.p == nil {
		h.connectLocked()
	}
	if h.id++; h.p != nil {
		_ = h.p.publish(telemetryOf(gate), fmt.Sprintf(`{"motor_temp": %v}`, v), h.id)
	}
}

func (h *hand) connectLocked() {
	<-h.d.Ready()
	p, err := dial(h.d, gate.ID, "gate-pw", nil)
	if err != nil {
		return // the driver has stopped
	}
	h.p = p
	h.wg.Go(func() {
		for {
			kind, _, err := p.read()
			if err != nil {
				return
			}
			if kind == packets.Puback {
				h.acked.Add(1)
			}
		}
	})
}

func (h *hand) reconnect() {
	h.hangUp()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.connectLocked()
}

func (h *hand) hangUp() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.p != nil {
		_ = h.p.Close()
		h.wg.Wait()
		h.p = nil
	}
}
