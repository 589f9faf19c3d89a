package broker_test

import (
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"go.uber.org/goleak"

	"github.com/linshao/linshao/simulators/broker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func dial(t *testing.T, url, user string, opts func(*mqtt.ClientOptions)) (mqtt.Client, error) {
	t.Helper()
	o := mqtt.NewClientOptions().AddBroker(url).SetUsername(user).SetPassword("p").
		SetAutoReconnect(false).SetConnectTimeout(5 * time.Second)
	if opts != nil {
		opts(o)
	}
	c := mqtt.NewClient(o)
	tok := c.Connect()
	tok.WaitTimeout(10 * time.Second)
	return c, tok.Error()
}

func TestItRoutesAcksAndSendsWills(t *testing.T) {
	seen := make(chan broker.Message, 8)
	b, err := broker.Listen("127.0.0.1:0", broker.Script{Publish: func(m broker.Message) broker.Verdict {
		seen <- m
		if m.Topic == "fatal" {
			return broker.AckDrop
		}
		return broker.Ack
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()

	got := make(chan string, 8)
	sub, err := dial(t, b.URL(), "listener", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Disconnect(0)
	for _, topic := range []string{"news", "obituary"} {
		tok := sub.Subscribe(topic, 1, func(_ mqtt.Client, m mqtt.Message) { got <- m.Topic() })
		if !tok.WaitTimeout(10*time.Second) || tok.Error() != nil {
			t.Fatal(tok.Error())
		}
	}
	pub, err := dial(t, b.URL(), "speaker", func(o *mqtt.ClientOptions) { o.SetWill("obituary", "gone", 1, true) })
	if err != nil {
		t.Fatal(err)
	}
	for _, topic := range []string{"news", "fatal"} {
		tok := pub.Publish(topic, 1, false, "x")
		if !tok.WaitTimeout(10*time.Second) || tok.Error() != nil {
			t.Fatal(topic, tok.Error())
		}
	}
	if a, b := <-got, <-got; a != "news" || b != "obituary" {
		t.Errorf("delivered %s, %s", a, b)
	}
	for _, want := range []string{"news", "fatal", "obituary"} {
		if m := <-seen; m.Topic != want || m.User != "speaker" || m.Will != (want == "obituary") {
			t.Errorf("saw %+v, want %s", m, want)
		}
	}
}

func TestItRefusesAndDrops(t *testing.T) {
	b, err := broker.Listen("127.0.0.1:0", broker.Script{
		Connect: func(user, _ string) bool { return user != "stranger" },
		Publish: func(broker.Message) broker.Verdict { return broker.Drop },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if _, err := dial(t, b.URL(), "stranger", nil); err == nil {
		t.Error("a stranger came in")
	}
	c, err := dial(t, b.URL(), "friend", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Disconnect(0)
	tok := c.Publish("x", 1, false, "x")
	if !tok.WaitTimeout(10*time.Second) || tok.Error() == nil {
		t.Errorf("an unacknowledged publish ended with %v", tok.Error())
	}
}
