package modbus

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/goburrow/modbus"

	"github.com/linshao/linshao/edge/internal/device"
	"github.com/linshao/linshao/protocol/kit/clock"
	"github.com/linshao/linshao/simulators/modbussim"
)

// benchSlave in the environment makes the test binary a Modbus server, so
// that a benchmark's peer runs in a process of its own.
const benchSlave = "LINSHAO_BENCH_SLAVE"

// serveForBench is that server: it prints its address and ends with stdin.
func serveForBench() bool {
	if os.Getenv(benchSlave) == "" {
		return false
	}
	server, err := modbussim.New("")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	server.Unit(1).SetHolding(0, make([]uint16, 100)...)
	fmt.Println(server.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin)
	_ = server.Close()
	return true
}

func slaveProcess(b *testing.B) string {
	b.Helper()
	run := exec.CommandContext(b.Context(), os.Args[0])
	run.Env = append(os.Environ(), benchSlave+"=1")
	in, err := run.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := run.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := run.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = in.Close()
		_ = run.Wait()
	})
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(address)
}

// BenchmarkPoll reads 100 registers as 50 float32, in turns of 200 with raw
// goburrow, which decodes nothing. The ratio is ours against raw; the budget
// is 0.8.
func BenchmarkPoll(b *testing.B) {
	address := slaveProcess(b)
	raw := modbus.NewTCPClientHandler(address)
	raw.SlaveId = 1
	defer raw.Close()
	rawClient := modbus.NewClient(raw)

	points := ""
	for i := range 50 {
		points += fmt.Sprintf("\n  - {name: p%d, register: holding, address: %d, type: float32}", i, 2*i)
	}
	p := profile(b, points)
	u, _, err := newUnit(device.Device{ID: "a", Kind: "test", Profile: p, Modbus: &device.Endpoint{URL: "tcp://" + address, Unit: 1}})
	if err != nil || len(u.polls) != 1 {
		b.Fatal(len(u.polls), err)
	}
	c := clock.NewSystem()
	l := newLink(&transport{ctx: b.Context(), clock: c, address: address, dial: dialTCP, every: time.Second})
	defer l.transport.drop()

	var ours, theirs time.Duration
	turns := 0
	for b.Loop() {
		turns++
		begin := time.Now()
		for range 200 {
			if _, err := rawClient.ReadHoldingRegisters(0, 100); err != nil {
				b.Fatal(err)
			}
		}
		theirs += time.Since(begin)
		begin = time.Now()
		for range 200 {
			answer, err := l.read(1, u.polls[0].block, time.Second)
			if err != nil {
				b.Fatal(err)
			}
			u.values(u.polls[0], answer, c.Mono(), clock.NowMS(c))
		}
		ours += time.Since(begin)
	}
	perSecond := func(d time.Duration) float64 { return float64(200*turns) / d.Seconds() }
	b.ReportMetric(perSecond(ours), "polls/s")
	b.ReportMetric(perSecond(theirs), "raw-polls/s")
	b.ReportMetric(theirs.Seconds()/ours.Seconds(), "ratio")
}

// BenchmarkDecode is one float32 of a block, decoded and judged.
func BenchmarkDecode(b *testing.B) {
	p := newPoint(device.Point{Register: device.Input, Type: device.Float32, Order: device.CDAB, Scale: 0.1, Heartbeat: time.Hour}, 1)
	answer := []byte{0, 0, 0x12, 0x34, 0x42, 0x76}
	b.ReportAllocs()
	for b.Loop() {
		v, q, _ := p.read(answer, 0)
		p.due(v, q, 0)
	}
}
