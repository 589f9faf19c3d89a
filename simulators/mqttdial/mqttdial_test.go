package mqttdial_test

import (
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/linshao/linshao/simulators/broker"
	"github.com/linshao/linshao/simulators/mqttdial"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func listen(t *testing.T, s broker.Script) *broker.Broker {
	t.Helper()
	b, err := broker.Listen("127.0.0.1:0", s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

func options(b *broker.Broker) mqttdial.Options {
	return mqttdial.Options{URL: b.URL(), ClientID: "c", Username: "u", Password: "p", WillTopic: "will", KeepAlive: 10 * time.Second}
}

func TestATokenWithoutPubackFailsWhenTheConnectionBreaks(t *testing.T) {
	b := listen(t, broker.Script{Publish: func(broker.Message) broker.Verdict { return broker.Drop }})
	k, err := mqttdial.Open(t.Context(), options(b))
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	if err := mqttdial.Await(t.Context(), k.Publish("x", 1, false, "y")); err == nil {
		t.Error("the token says that it was acknowledged")
	}
	<-k.Lost
}

func TestACutSendsTheWillAndAGoodbyeDoesNot(t *testing.T) {
	wills := make(chan broker.Message, 4)
	b := listen(t, broker.Script{Publish: func(m broker.Message) broker.Verdict {
		if m.Will {
			wills <- m
		}
		return broker.Ack
	}})
	for _, cut := range []bool{false, true} {
		k, err := mqttdial.Open(t.Context(), options(b))
		if err != nil {
			t.Fatal(err)
		}
		if cut {
			k.Cut()
			<-k.Lost
		}
		k.Close()
	}
	if m := <-wills; m.Topic != "will" || string(m.Payload) != "offline" || !m.Retained {
		t.Errorf("%+v", m)
	}
	if len(wills) != 0 {
		t.Error("a goodbye sent the will too")
	}
}

func TestARefusalAndAnEndedContextAreErrors(t *testing.T) {
	b := listen(t, broker.Script{Connect: func(string, string) bool { return false }})
	if _, err := mqttdial.Open(t.Context(), options(b)); err == nil {
		t.Error("refused, and no error")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := mqttdial.Open(ctx, options(b)); err == nil {
		t.Error("ended, and no error")
	}
}
