package rig

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/linshao/linshao/protocol/topic"
	"github.com/linshao/linshao/simulators/mqttdial"
)

// pause between two tries of a device or a person.
const pause = 20 * time.Millisecond

// pool is the devices of one kind whose next alarm begins a new episode.
type pool struct {
	all  []string
	free chan string
}

func newPool(kind string, n int) *pool {
	p := &pool{free: make(chan string, n)}
	for i := range n {
		id := fmt.Sprintf("%s-%d", kind, i)
		p.all = append(p.all, id)
		p.free <- id
	}
	return p
}

// Episode is one alarm under way.
type Episode struct {
	w *Town
	e *Estate
	Alarm
	pool *pool
	once sync.Once
}

// Trap has a passenger trapped in a lift of the estate that has no alarm,
// waiting for one. The Episode must be sent.
func (w *Town) Trap(ctx context.Context, e *Estate) (*Episode, error) {
	return w.episode(ctx, e, e.lifts, "passenger_trapped", "entrapment")
}

// Force has a door forced at a gate of the estate that has no alarm, waiting
// for one. The Episode must be sent.
func (w *Town) Force(ctx context.Context, e *Estate) (*Episode, error) {
	return w.episode(ctx, e, e.gates, "door_forced_open", "door_forced")
}

func (w *Town) episode(ctx context.Context, e *Estate, p *pool, event, fault string) (*Episode, error) {
	select {
	case device := <-p.free:
		a := Alarm{At: w.Now(), Estate: e.ID, Device: device, Event: event, Fault: fault, TS: time.Now().UnixMilli()}
		w.TellAlarm(a)
		return &Episode{w: w, e: e, Alarm: a, pool: p}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Send has the device report its alarm until it is acknowledged.
func (p *Episode) Send(ctx context.Context) error {
	if err := p.report(ctx, p.Event, p.TS); err != nil {
		return err
	}
	a := p.Alarm
	a.Ack = true
	p.w.TellAlarm(a)
	return nil
}

// Paged waits until somebody was paged for the device.
func (p *Episode) Paged(ctx context.Context) (ticket string, err error) {
	for {
		_, changed := p.w.heard.of(p.Estate + "/" + p.Device)
		if id, err := p.ticket(ctx); err == nil && p.w.heard.has(p.Estate+"/"+p.Device, id) {
			return id, nil
		}
		if err := wait(ctx, changed, 50*time.Millisecond); err != nil {
			return "", err
		}
	}
}

// ticket finds the episode's ticket in the cloud.
func (p *Episode) ticket(ctx context.Context) (string, error) {
	all, err := p.w.API.Tickets(ctx, "estate="+p.Estate+"&device="+p.Device)
	if err != nil {
		return "", err
	}
	for _, t := range all {
		if t.Fault == p.Fault && t.RaisedAt.UnixMilli() == p.TS {
			return t.ID, nil
		}
	}
	return "", errors.New("no ticket yet")
}

// Handle does what people do: after the page somebody accepts and arrives, the
// condition ends, the ticket is resolved and closed, and the device may raise
// another alarm. Every step is tried until it is done.
func (p *Episode) Handle(ctx context.Context) error {
	id, err := p.Paged(ctx)
	if err != nil {
		return err
	}
	for _, verb := range []string{"accept", "arrive"} {
		if err := p.act(ctx, id, verb); err != nil {
			return err
		}
	}
	over := map[string]string{"passenger_trapped": "passenger_freed", "door_forced_open": "door_closed"}[p.Event]
	if err := p.report(ctx, over, time.Now().UnixMilli()); err != nil {
		return err
	}
	if err := p.until(ctx, id, "cleared"); err != nil {
		return err
	}
	for _, verb := range []string{"resolve", "close"} {
		if err := p.act(ctx, id, verb); err != nil {
			return err
		}
	}
	if err := p.forgotten(ctx, id); err != nil {
		return err
	}
	p.once.Do(func() { p.pool.free <- p.Device })
	return nil
}

// forgotten waits until the edge has heard that the ticket is closed. Before
// that, the same condition opens the same ticket again, as it should.
func (p *Episode) forgotten(ctx context.Context, id string) error {
	for {
		if page, err := p.edgeTickets(ctx); err == nil && !strings.Contains(page, id) {
			return nil
		}
		if err := wait(ctx, nil, pause); err != nil {
			return err
		}
	}
}

func (p *Episode) edgeTickets(ctx context.Context) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.e.Edge.Spec.URL+"/api/v1/tickets", nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("answer %d", resp.StatusCode)
	}
	return string(b), err
}

func (p *Episode) act(ctx context.Context, id, verb string) error {
	body := map[string]any{"as": "patrol-" + p.Estate, "note": verb, "outcome": "fixed"}
	if verb != "resolve" {
		delete(body, "outcome")
	}
	for {
		status, b, err := p.w.API.Call(ctx, http.MethodPost, "/api/v1/tickets/"+id+"/"+verb, body, "Idempotency-Key", id+verb)
		if err == nil && status == http.StatusOK {
			return nil
		}
		if err == nil && status < http.StatusInternalServerError && status != http.StatusNotFound {
			return fmt.Errorf("%s %s: %d %s", verb, id, status, b)
		}
		if err := wait(ctx, nil, pause); err != nil {
			return err
		}
	}
}

// until waits for a ticket's condition.
func (p *Episode) until(ctx context.Context, id, condition string) error {
	for {
		status, b, err := p.w.API.Call(ctx, http.MethodGet, "/api/v1/tickets/"+id, nil)
		var t struct{ Condition string }
		if err == nil && status == http.StatusOK && json.Unmarshal(b, &t) == nil && t.Condition == condition {
			return nil
		}
		if err := wait(ctx, nil, pause); err != nil {
			return err
		}
	}
}

// report sends one event, over and over, until its PUBACK came.
func (p *Episode) report(ctx context.Context, event string, ts int64) error {
	payload := fmt.Sprintf(`{"ts":%d,"event":%q}`, ts, event)
	for p.publish(ctx, payload) != nil {
		if err := wait(ctx, nil, pause); err != nil {
			return err
		}
	}
	return nil
}

func (p *Episode) publish(ctx context.Context, payload string) error {
	return p.e.publish(ctx, topic.Device(p.Device), topic.Device(p.Device).Events(), payload)
}

// Waste sends one sample that is promised to nobody: its PUBACK is not
// believed, since the caller is going to destroy it.
func (w *Town) Waste(ctx context.Context, e *Estate) error {
	s := Sample{At: w.Now(), Estate: e.ID, Device: meter(0), Metric: metric(0), TS: time.Now().UnixMilli(), Value: -1}
	w.TellSample(s)
	d := topic.Device(s.Device)
	return e.publish(ctx, d, d.Telemetry(), fmt.Sprintf(`{"ts":%d,"values":{%q:-1}}`, s.TS, s.Metric))
}

// publish opens a connection for one message and waits for its PUBACK.
func (e *Estate) publish(ctx context.Context, d topic.Device, to, payload string) error {
	k, err := mqttdial.Open(ctx, mqttdial.Options{
		URL: "tcp://" + e.MQTT, ClientID: string(d), Username: string(d), Password: secret,
		WillTopic: d.Status(), KeepAlive: 10 * time.Second,
	})
	if err != nil {
		return err
	}
	defer k.Disconnect(0)
	token := k.Publish(to, 1, false, payload)
	select {
	case <-k.Lost:
		return errors.New("connection lost")
	case <-token.Done():
		return token.Error()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// raise begins alarms in turn among estates and kinds.
func (l *Loading) raise(ctx, hard context.Context) {
	tick := time.NewTicker(l.o.AlarmEvery)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		e := l.w.Estates[n%len(l.w.Estates)]
		begin := l.w.Trap
		if n/len(l.w.Estates)%2 == 1 {
			begin = l.w.Force
		}
		p, err := begin(ctx, e)
		if err != nil {
			return
		}
		l.raised.Add(1)
		l.alarms.Go(func() { l.live(hard, p) })
	}
}

func (l *Loading) live(ctx context.Context, p *Episode) {
	err := p.Send(ctx)
	if err == nil && l.o.Handle {
		err = p.Handle(ctx)
	}
	if err != nil && ctx.Err() == nil {
		l.w.t.Errorf("alarm of %s/%s: %v", p.Estate, p.Device, err)
	}
}

// wait returns after d, or when changed is closed, or with the context's end.
func wait(ctx context.Context, changed <-chan struct{}, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-changed:
	case <-timer.C:
	}
	return nil
}
