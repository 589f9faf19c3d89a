package mqttlink_test

import (
	"bufio"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/linshao/linshao/edge/internal/mqttlink"
	"github.com/linshao/linshao/protocol/kit/mqttbroker"
	"github.com/linshao/linshao/simulators/netfault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// mosquitto starts Debian's broker, a peer that is not ours, on a free port. Who
// signs in as "limited" may only read what begins with "mine/".
func mosquitto(t *testing.T) (addr string) {
	t.Helper()
	binary, err := exec.LookPath("mosquitto")
	if err != nil {
		if binary, err = exec.LookPath("/usr/sbin/mosquitto"); err != nil {
			t.Fatal("mosquitto is missing: apt-get install mosquitto")
		}
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr = ln.Addr().String()
	ln.Close()
	_, port, _ := net.SplitHostPort(addr)
	conf := filepath.Join(t.TempDir(), "mosquitto.conf")
	if err := os.WriteFile(conf, []byte("listener "+port+" 127.0.0.1\nallow_anonymous true\npersistence false\nlog_dest stderr\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), binary, "-c", conf)
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	running, drained := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(drained)
		open := true
		for sc := bufio.NewScanner(out); sc.Scan(); {
			t.Log(sc.Text())
			if open && len(sc.Text()) > 8 && sc.Text()[len(sc.Text())-8:] == " running" {
				close(running)
				open = false
			}
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-drained
		_ = cmd.Wait()
	})
	select {
	case <-running:
	case <-drained:
		t.Fatal("mosquitto did not start")
	}
	return addr
}

// kit starts the broker that our own collector embeds; "limited" may read
// nothing.
func kit(t *testing.T) (addr string, h *hosted) {
	t.Helper()
	h = &hosted{got: make(chan mqttbroker.Message, 16), left: make(chan bool, 16)}
	b, err := mqttbroker.New(mqttbroker.Options{
		Listen: []mqttbroker.Listen{{Address: "127.0.0.1:0"}}, Authenticator: h, Authorizer: h, Receiver: h, Presence: h,
		Limits: mqttbroker.EdgeLimits(), Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return b.Addr(0).String(), h
}

// hosted is whom kit's broker asks and tells.
type hosted struct {
	got chan mqttbroker.Message
	// left receives whether a client that went said goodbye.
	left chan bool
}

func (h *hosted) Authenticate(_ context.Context, c mqttbroker.Credentials) (mqttbroker.Identity, error) {
	if string(c.Password) != "secret" {
		return "", errors.New("wrong password")
	}
	return mqttbroker.Identity(c.User), nil
}
func (h *hosted) MayPublish(mqttbroker.Identity, string) bool    { return true }
func (h *hosted) MayRead(who mqttbroker.Identity, _ string) bool { return who != "limited" }
func (h *hosted) Publish(_ context.Context, m mqttbroker.Message, ack func(error)) {
	h.got <- m
	ack(nil)
}

func (h *hosted) Changed(_ mqttbroker.Identity, online, clean bool) {
	if !online {
		h.left <- clean
	}
}

func open(t *testing.T, addr, who string) *mqttlink.Link {
	t.Helper()
	l, err := mqttlink.Open(t.Context(), mqttlink.Options{
		URL: "tcp://" + addr, ClientID: who, Username: who, Password: "secret", WillTopic: "status/" + who, WillPayload: "offline",
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// Who leaves says so; for whom it was cut off its will speaks.
func TestTheWillIsSentOnDropAndNotOnClose(t *testing.T) {
	t.Run("kit", func(t *testing.T) {
		addr, h := kit(t)
		open(t, addr, "e1").Close()
		if clean := <-h.left; !clean || len(h.got) != 0 {
			t.Errorf("closed: goodbye %t, %d messages", clean, len(h.got))
		}
		l := open(t, addr, "e1")
		l.Drop()
		if clean := <-h.left; clean {
			t.Error("dropped with a goodbye")
		}
		if m := <-h.got; !m.Will || m.Topic != "status/e1" || string(m.Payload) != "offline" || !m.Retain {
			t.Errorf("dropped: %+v", m)
		}
		<-l.Lost()
	})
	t.Run("mosquitto", func(t *testing.T) {
		addr := mosquitto(t)
		watch := open(t, addr, "watch")
		defer watch.Close()
		if err := watch.Subscribe(t.Context(), "status/e1", "mark"); err != nil {
			t.Fatal(err)
		}
		next := func() string {
			m := <-watch.Messages()
			m.Ack()
			return m.Topic + " " + string(m.Payload)
		}
		open(t, addr, "e1").Close()
		if err := watch.Publish(t.Context(), "mark", []byte("closed"), false); err != nil {
			t.Fatal(err)
		}
		if got := next(); got != "mark closed" {
			t.Errorf("closed: %s", got)
		}
		open(t, addr, "e1").Drop()
		if got := next(); got != "status/e1 offline" {
			t.Errorf("dropped: %s", got)
		}
	})
}

// The network swallows everything and says nothing.
func TestABlackHoleOnTheWayIsNoticed(t *testing.T) {
	for name, addr := range map[string]string{"mosquitto": mosquitto(t), "kit": first(kit(t))} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wan, err := netfault.Listen("127.0.0.1:0", addr)
			if err != nil {
				t.Fatal(err)
			}
			l := open(t, wan.Addr(), "e1")
			if err := l.Publish(t.Context(), "up", []byte("before"), false); err != nil {
				t.Error(err)
			}
			wan.Partition()
			l.Send("up", []byte("into nowhere"))
			<-l.Lost()
			if l.Why() == nil {
				t.Error("lost without a reason")
			}
			if err := l.Publish(t.Context(), "up", []byte("after"), false); err == nil {
				t.Error("published on a lost connection")
			}
			l.Close()
			if err := wan.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func first[A, B any](a A, _ B) A { return a }

func TestWhatARealBrokerRefuses(t *testing.T) {
	t.Parallel()
	addr, _ := kit(t)
	l := open(t, addr, "limited")
	if err := l.Subscribe(t.Context(), "down"); err == nil {
		t.Error("a subscription that is not granted succeeded")
	}
	l.Close()
	if _, err := mqttlink.Open(t.Context(), mqttlink.Options{URL: "tcp://" + addr, ClientID: "e1", Username: "e1", Password: "wrong"}); err == nil {
		t.Error("signed in with a wrong password")
	}
}

// Being told to stop ends an attempt at once, whatever the far end does.
func TestOpeningEndsWithItsContext(t *testing.T) {
	t.Parallel()
	near, far := net.Pipe()
	defer far.Close()
	ctx, cancel := context.WithCancel(t.Context())
	opened := make(chan error, 1)
	go func() {
		_, err := mqttlink.Open(ctx, options(near))
		opened <- err
	}()
	if _, err := far.Read(make([]byte, 1)); err != nil { // the CONNECT is on its way
		t.Fatal(err)
	}
	cancel()
	if err := <-opened; !errors.Is(err, context.Canceled) {
		t.Errorf("opened: %v", err)
	}
}
