package mqttsim_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/linshao/linshao/simulators/broker"
	"github.com/linshao/linshao/simulators/mqttsim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// story is a gateway, one device in front of it, and what each remembers.
type story struct {
	t       *testing.T
	ctx     context.Context
	gateway *broker.Broker
	device  *mqttsim.Device
	journal *mqttsim.Journal
	seen    chan broker.Message
}

// begin starts a gateway that judges each publication by verdict.
func begin(t *testing.T, verdict func(broker.Message) broker.Verdict, obey func(string, json.RawMessage) error) *story {
	t.Helper()
	s := &story{t: t, journal: mqttsim.NewJournal(nil), seen: make(chan broker.Message, 4096)}
	var err error
	s.gateway, err = broker.Listen("127.0.0.1:0", broker.Script{
		Connect: func(user, password string) bool { return user == "gate-1" && password == "secret" },
		Publish: func(m broker.Message) broker.Verdict {
			s.seen <- m
			if verdict == nil {
				return broker.Ack
			}
			return verdict(m)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.device = mqttsim.New(mqttsim.Options{
		URL: s.gateway.URL(), Device: "gate-1", Password: "secret",
		Log: slog.New(slog.DiscardHandler), Acked: s.journal.Add, Obey: obey,
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	s.ctx = ctx
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.device.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		cancel()
		wg.Wait()
		s.gateway.Close()
	})
	return s
}

func (s *story) publish(from, to int) {
	s.t.Helper()
	for i := from; i <= to; i++ {
		m := mqttsim.Message{AtMS: int64(1000 + i), Values: map[string]any{"n": i}}
		if _, err := s.device.Publish(s.ctx, m); err != nil {
			s.t.Fatal(err)
		}
	}
}

// next returns the next publication on a topic of the given leaf.
func (s *story) next(leaf string) broker.Message {
	s.t.Helper()
	for {
		select {
		case m := <-s.seen:
			if m.Topic == "devices/gate-1/"+leaf {
				return m
			}
		case <-s.ctx.Done():
			s.t.Fatalf("nothing on %s", leaf)
		}
	}
}

func (s *story) wantJournal(n int) {
	s.t.Helper()
	if err := s.journal.Wait(s.ctx, n); err != nil {
		s.t.Fatal(err)
	}
	for i, e := range s.journal.Entries() {
		if e.Seq != uint64(i+1) || e.AtMS != int64(1001+i) {
			s.t.Fatalf("entry %d is %+v", i, e)
		}
	}
}

func TestItSpeaksTheContract(t *testing.T) {
	s := begin(t, nil, nil)
	if m := s.next("status"); string(m.Payload) != "online" || !m.Retained {
		t.Errorf("status: %+v", m)
	}
	s.publish(1, 1)
	if _, err := s.device.Publish(s.ctx, mqttsim.Message{
		AtMS: 1002, Event: "door_forced_open", Data: map[string]any{"contact": "door"},
	}); err != nil {
		t.Fatal(err)
	}
	if got := string(s.next("telemetry").Payload); got != `{"ts":1001,"values":{"n":1}}` {
		t.Errorf("telemetry: %s", got)
	}
	if got := string(s.next("events").Payload); got != `{"data":{"contact":"door"},"event":"door_forced_open","ts":1002}` {
		t.Errorf("event: %s", got)
	}
	s.wantJournal(2)
}

func TestOnlyAPubackFillsTheJournal(t *testing.T) {
	s := begin(t, func(m broker.Message) broker.Verdict {
		if strings.Contains(string(m.Payload), `"n":3`) {
			return broker.Swallow
		}
		return broker.Ack
	}, nil)
	s.publish(1, 5)
	for range 5 {
		s.next("telemetry")
	}
	s.wantJournal(2)
	if got := len(s.journal.Entries()); got != 2 {
		t.Errorf("the third was never acknowledged, the journal has %d", got)
	}
}

func TestNothingIsLostOrReorderedOverBrokenConnections(t *testing.T) {
	var mu sync.Mutex
	count, taken := 0, map[string]bool{}
	s := begin(t, func(m broker.Message) broker.Verdict {
		if !strings.HasSuffix(m.Topic, "telemetry") {
			return broker.Ack
		}
		mu.Lock()
		defer mu.Unlock()
		count++
		if count%31 == 0 {
			return broker.Drop
		}
		taken[string(m.Payload)] = true
		if count%53 == 0 {
			return broker.AckDrop
		}
		return broker.Ack
	}, nil)
	s.publish(1, 90)
	s.wantJournal(90)
	mu.Lock()
	defer mu.Unlock()
	if len(taken) != 90 {
		t.Errorf("the journal promises 90 messages, the gateway has %d", len(taken))
	}
}

func TestAMutedDeviceLeavesItsWillAndComesBack(t *testing.T) {
	s := begin(t, nil, nil)
	s.next("status")
	s.device.Mute(true)
	if m := s.next("status"); !m.Will || string(m.Payload) != "offline" {
		t.Errorf("a device that fell silent left %+v", m)
	}
	s.publish(1, 3)
	s.device.Mute(false)
	if m := s.next("status"); string(m.Payload) != "online" {
		t.Errorf("back with %+v", m)
	}
	s.wantJournal(3)
}

func TestItObeysCommandsItKnows(t *testing.T) {
	s := begin(t, nil, func(name string, _ json.RawMessage) error {
		if name != "unlock" {
			return errors.New("cannot do that")
		}
		return nil
	})
	s.next("status")
	for name, want := range map[string]string{"unlock": `{"ok":true}`, "fly": `{"error":"cannot do that","ok":false}`} {
		s.gateway.Send("devices/gate-1/commands", []byte(`{"id":"c-`+name+`","name":"`+name+`"}`))
		if got := string(s.next("commands/c-" + name + "/result").Payload); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
	s.gateway.Send("devices/gate-1/commands", []byte(`not json`))
	s.gateway.Send("devices/gate-1/commands", []byte(`{"id":"late","name":"unlock","expires":5}`))
	if got := string(s.next("commands/late/result").Payload); got != `{"error":"expired","ok":false}` {
		t.Errorf("late: %s", got)
	}
}

func TestOfferDropsWhatDoesNotFit(t *testing.T) {
	d := mqttsim.New(mqttsim.Options{Device: "gate-1", Log: slog.New(slog.DiscardHandler)})
	taken := 0
	for d.Offer(mqttsim.Message{AtMS: 1}) {
		taken++
	}
	if taken != 1024 || d.Dropped() != 1 {
		t.Errorf("took %d, dropped %d", taken, d.Dropped())
	}
}

func TestJournalOutlivesTheProcess(t *testing.T) {
	var out bytes.Buffer
	j := mqttsim.NewJournal(&out)
	want := mqttsim.Entry{Device: "gate-1", Seq: 1, AtMS: 5, Values: map[string]any{"n": 1.5}}
	j.Add(want)
	var got mqttsim.Entry
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" || j.Err() != nil {
		t.Error(d, j.Err())
	}
}
