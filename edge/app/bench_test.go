package app_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/linshao/linshao/edge/app"
)

const (
	benchClients = 50
	// benchTurn is how many messages each client sends before the other side
	// has its turn.
	benchTurn = 200
	// benchPatience ends a benchmark that would hang; it judges no speed.
	benchPatience = 30 * time.Second
)

// BenchmarkMQTTDurable is how many messages of 200 B the edge takes from 50
// clients at QoS 1, in turns with a bare mochi broker that answers at once and
// keeps nothing. The edge decodes nine Samples a message, judges them by the
// gate's rules, and syncs them to a real disk before it answers. Both sides
// serve the same paho clients, whose work is part of the time. The ratio is
// ours against raw; the budget is 0.7.
func BenchmarkMQTTDurable(b *testing.B) {
	for _, window := range []int{1, 32} {
		b.Run("window="+strconv.Itoa(window), func(b *testing.B) {
			ours, raw := dialAll(b, startEdge(b)), dialAll(b, startMochi(b))
			shoot(b, ours, window) // tables, files and buffers come into being
			shoot(b, raw, window)
			var mine, theirs time.Duration
			turns := 0
			for b.Loop() {
				turns++
				theirs += shoot(b, raw, window)
				mine += shoot(b, ours, window)
			}
			perSecond := func(d time.Duration) float64 { return float64(benchClients*benchTurn*turns) / d.Seconds() }
			b.ReportMetric(perSecond(mine), "msgs/s")
			b.ReportMetric(perSecond(theirs), "raw-msgs/s")
			b.ReportMetric(theirs.Seconds()/mine.Seconds(), "ratio")
		})
	}
}

// shoot has every client publish benchTurn messages with at most window of
// them unanswered, and returns how long it took until the last was answered.
func shoot(b *testing.B, clients []paho.Client, window int) time.Duration {
	b.Helper()
	failed := make(chan error, len(clients))
	var wg sync.WaitGroup
	begin := time.Now()
	for i, c := range clients {
		wg.Go(func() {
			if err := publish(c, "devices/"+benchDevice(i)+"/telemetry", window); err != nil {
				failed <- err
			}
		})
	}
	wg.Wait()
	took := time.Since(begin)
	select {
	case err := <-failed:
		b.Fatal(err)
	default:
	}
	return took
}

func publish(c paho.Client, topic string, window int) error {
	unanswered := make([]paho.Token, 0, benchTurn)
	answered := func() error {
		t := unanswered[0]
		unanswered = unanswered[1:]
		if !t.WaitTimeout(benchPatience) {
			return fmt.Errorf("no PUBACK on %s", topic)
		}
		return t.Error()
	}
	for n := range benchTurn {
		if len(unanswered) == window {
			if err := answered(); err != nil {
				return err
			}
		}
		unanswered = append(unanswered, c.Publish(topic, 1, false, reading(n)))
	}
	for len(unanswered) > 0 {
		if err := answered(); err != nil {
			return err
		}
	}
	return nil
}

// reading is what a gate says, in 200 bytes.
func reading(n int) []byte {
	p := make([]byte, 0, 200)
	p = append(p, `{"ts": `...)
	p = strconv.AppendInt(p, time.Now().UnixMilli(), 10)
	p = append(p, `, "values": {"door": "closed", "locked": true, "door_mode": 2, "tamper": false, "motor_temp": `...)
	p = strconv.AppendInt(p, int64(40+n%10), 10)
	p = append(p, `.5, "supply_voltage": 229.75, "passages": `...)
	p = strconv.AppendInt(p, int64(10000+n), 10)
	return append(p, `, "humid": 41.25, "signal": -71}}`...)
}

func benchDevice(i int) string { return fmt.Sprintf("gate-%d", i) }

func dialAll(b *testing.B, addr string) []paho.Client {
	b.Helper()
	clients := make([]paho.Client, benchClients)
	for i := range clients {
		o := paho.NewClientOptions().AddBroker("tcp://" + addr).SetClientID(benchDevice(i)).SetUsername(benchDevice(i)).SetPassword("secret").
			SetProtocolVersion(4).SetAutoReconnect(false).SetKeepAlive(benchPatience).SetConnectTimeout(benchPatience)
		c := paho.NewClient(o)
		if t := c.Connect(); !t.WaitTimeout(benchPatience) || t.Error() != nil {
			b.Fatalf("connect to %s: %v", addr, t.Error())
		}
		b.Cleanup(func() { c.Disconnect(0) })
		clients[i] = c
	}
	return clients
}

// startMochi runs the peer: a broker that lets everybody do everything.
func startMochi(b *testing.B) string {
	b.Helper()
	s := mqtt.New(&mqtt.Options{Logger: slog.New(slog.DiscardHandler)})
	if err := s.AddHook(new(allow), nil); err != nil {
		b.Fatal(err)
	}
	l := listeners.NewTCP(listeners.Config{ID: "peer", Address: "127.0.0.1:0"})
	if err := s.AddListener(l); err != nil {
		b.Fatal(err)
	}
	if err := s.Serve(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	return l.Address()
}

type allow struct{ mqtt.HookBase }

func (*allow) ID() string { return "allow" }

func (*allow) Provides(which byte) bool {
	return which == mqtt.OnConnectAuthenticate || which == mqtt.OnACLCheck
}

func (*allow) OnConnectAuthenticate(*mqtt.Client, packets.Packet) bool { return true }
func (*allow) OnACLCheck(*mqtt.Client, string, bool) bool              { return true }

// startEdge runs the whole edge, alone, with a gate for every client.
func startEdge(b *testing.B) string {
	b.Helper()
	dir, addr := b.TempDir(), freeAddr(b)
	var logins, devices strings.Builder
	for i := range benchClients {
		fmt.Fprintf(&logins, "    - {id: %s, password: secret}\n", benchDevice(i))
		fmt.Fprintf(&devices, "  - {id: %s, profile: access-gate}\n", benchDevice(i))
	}
	conf := filepath.Join(dir, "edge.yaml")
	text := fmt.Sprintf("estate: e\nedge: g\ndata_dir: %s\nhttp: {listen: %s}\nmqtt:\n  listen: %s\n  devices:\n%sdevices:\n%s",
		filepath.Join(dir, "data"), freeAddr(b), addr, &logins, &devices)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	ready := make(chan struct{})
	ctx, stop := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() {
		done <- app.Run(ctx, app.Options{ConfigPath: conf, Version: "bench", Log: slog.New(onReady{ch: ready})})
	}()
	b.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			b.Error(err)
		}
	})
	select {
	case <-ready:
	case err := <-done:
		done <- nil
		b.Fatal(err)
	}
	return addr
}

// onReady closes ch when the edge logs that it is ready.
type onReady struct{ ch chan struct{} }

func (onReady) Enabled(context.Context, slog.Level) bool { return true }
func (h onReady) WithAttrs([]slog.Attr) slog.Handler     { return h }
func (h onReady) WithGroup(string) slog.Handler          { return h }
func (h onReady) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "ready" {
		close(h.ch)
	}
	return nil
}

func freeAddr(b *testing.B) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
