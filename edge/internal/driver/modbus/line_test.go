package modbus

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/linshao/linshao/edge/internal/driver"
	"github.com/linshao/linshao/protocol/telemetry"
	"github.com/linshao/linshao/simulators/modbussim"
)

const twoPoints = `
  - {name: v, register: holding, address: 0, type: uint16}
  - {name: w, register: holding, address: 1, type: uint16, deadband: 5, heartbeat: 10s}`

func values(samples []telemetry.Sample) string {
	out := ""
	for _, s := range samples {
		if s.Quality == telemetry.Good {
			out += fmt.Sprint(s.Value, " ")
		} else {
			out += s.Reason + " "
		}
	}
	return out
}

func TestChangesAreReportedAndHeartbeatsKept(t *testing.T) {
	t.Parallel()
	tell(t, profile(t, twoPoints), 1, func(s *story) {
		u := s.server.Unit(1)
		for _, v := range []uint16{3, 4, 9, 9} {
			u.SetHolding(0, v, v)
			s.pass(time.Second)
		}
		s.pass(10 * time.Second)
		if got := values(s.of("a", "v")); got != "0 3 4 9 " {
			t.Errorf("v: %s", got)
		}
		if got := values(s.of("a", "w")); got != "0 9 9 " {
			t.Errorf("w: %s", got)
		}
		first := s.of("a", "v")[0]
		now := time.Now().UnixMilli() - 14_000
		want := telemetry.Sample{
			Key: telemetry.SeriesKey{Device: "a", Kind: "test", Metric: "v"}, AtMS: now, EdgeMS: now, Marks: telemetry.ReceiveTime,
		}
		if d := cmp.Diff(want, first); d != "" {
			t.Error(d)
		}
		if got := values(s.of("a", driver.Online)); got != "1 " {
			t.Errorf("online: %s", got)
		}
	})
}

// The terminal clears its bit after 150 ms; a poll each 100 ms sees it, and
// nobody downstream can be too slow to.
func TestAShortFaultIsLatched(t *testing.T) {
	t.Parallel()
	p := profile(t, `
  - {name: trapped, register: holding, address: 0, type: bool, mask: 0x3, every: 100ms, latch: true}
  - {name: bits, register: holding, address: 0, type: bits, every: 100ms, latch: true}`)
	tell(t, p, 1, func(s *story) {
		s.pass(time.Second)
		s.server.Unit(1).SetHolding(0, 0x2)
		s.pass(150 * time.Millisecond)
		s.server.Unit(1).SetHolding(0, 0)
		s.pass(4 * time.Second)
		if s.last("a", "trapped").Value != 1 || s.last("a", "bits").Value != 2 {
			t.Error("the bit is gone")
		}
		s.pass(2 * time.Second)
		if got := values(s.of("a", "trapped")); got != "0 1 0 " {
			t.Errorf("trapped: %s", got)
		}
	})
}

// While nobody can look, nobody has seen the bit clear.
func TestAFailedPollDoesNotUnlatch(t *testing.T) {
	t.Parallel()
	p := profile(t, "\n  - {name: trapped, register: holding, address: 0, type: bool, every: 100ms, latch: true}")
	tell(t, p, 1, func(s *story) {
		s.server.Unit(1).SetHolding(0, 1)
		s.pass(time.Second)
		s.server.Unit(1).SetHolding(0, 0)
		s.pass(4 * time.Second)
		s.server.Unit(1).Fault(modbussim.Exception(6), 1)
		s.pass(4 * time.Second)
		if got := values(s.of("a", "trapped")); got != "0 1 exception_06 1 " {
			t.Errorf("trapped: %s", got)
		}
		s.pass(2 * time.Second)
		if s.last("a", "trapped").Value != 0 {
			t.Error("the latch never opens")
		}
	})
}

func TestPeriodsDoNotDrift(t *testing.T) {
	t.Parallel()
	p := profile(t, "\n  - {name: v, register: holding, address: 0, type: uint16, every: 100ms}")
	tell(t, p, 1, func(s *story) {
		s.server.Unit(1).Fault(modbussim.Late(37*time.Millisecond), -1)
		before := s.server.Unit(1).Requests()
		s.pass(10 * time.Minute)
		if n := s.server.Unit(1).Requests() - before; n != 6000 || s.skipped != 0 {
			t.Errorf("%d requests in ten minutes, %d skipped", n, s.skipped)
		}
	})
}

// Answers take longer than the period: some reads are left out and counted,
// none queues up, and all units get the same share.
func TestALineThatIsTooSlowStaysFair(t *testing.T) {
	t.Parallel()
	p := profile(t, "\n  - {name: v, register: holding, address: 0, type: uint16, every: 100ms}")
	tell(t, p, 4, func(s *story) {
		for i := range uint8(4) {
			s.server.Unit(i+1).Fault(modbussim.Late(70*time.Millisecond), -1)
		}
		s.pass(time.Minute)
		var n [4]int
		for i := range n {
			n[i] = s.server.Unit(uint8(i + 1)).Requests()
		}
		for i := range n {
			if n[i] < 60_000/70/4-5 || n[i] > 60_000/70/4+5 {
				t.Errorf("shares %v", n)
				break
			}
		}
		if s.skipped == 0 {
			t.Error("left-out reads were not counted")
		}
	})
}

func TestAFullSinkSkipsPollsAndDropsNothing(t *testing.T) {
	t.Parallel()
	tell(t, profile(t, twoPoints), 1, func(s *story) {
		s.pass(1500 * time.Millisecond)
		s.forget()
		full := make(chan struct{})
		s.mu.Lock()
		s.full = full
		s.mu.Unlock()
		s.server.Unit(1).SetHolding(0, 1)
		asked := s.server.Unit(1).Requests()
		s.pass(time.Minute)
		s.server.Unit(1).SetHolding(0, 2)
		if n := s.server.Unit(1).Requests() - asked; n != 1 {
			t.Errorf("asked %d times with nowhere to put it", n)
		}
		s.mu.Lock()
		s.full = nil
		s.mu.Unlock()
		close(full)
		s.pass(2 * time.Second)
		if got := values(s.of("a", "v")); got != "1 2 " || s.skipped < 58 {
			t.Errorf("got %s, skipped %d", got, s.skipped)
		}
	})
}

func TestStoppingWhileTheSinkIsFull(t *testing.T) {
	t.Parallel()
	tell(t, profile(t, twoPoints), 2, func(s *story) {
		s.mu.Lock()
		s.full = make(chan struct{})
		s.mu.Unlock()
		s.pass(time.Minute) // then the story ends, and Run must too
	})
}

// A request that our own stop cut off is no failure of the device.
func TestStoppingInTheMiddleOfARead(t *testing.T) {
	t.Parallel()
	tell(t, profile(t, twoPoints), 1, func(s *story) {
		s.pass(1500 * time.Millisecond)
		s.server.Unit(1).Fault(modbussim.Silence, -1)
		s.pass(700 * time.Millisecond)
		s.forget()
		begin := time.Now()
		s.halt()
		if d := time.Since(begin); d != 0 {
			t.Errorf("stopping took %v", d)
		}
		if len(s.samples) != 0 || len(s.failed) != 0 {
			t.Errorf("told %v, %v", s.samples, s.failed)
		}
	})
}

// What did not reach the disk was not reported: it is said again.
func TestALostBatchIsReportedAgain(t *testing.T) {
	t.Parallel()
	tell(t, profile(t, twoPoints), 1, func(s *story) {
		s.pass(1500 * time.Millisecond)
		s.mu.Lock()
		s.done = errors.New("disk full")
		s.mu.Unlock()
		s.server.Unit(1).SetHolding(0, 8)
		s.pass(time.Second)
		s.mu.Lock()
		s.done = nil
		s.mu.Unlock()
		s.forget()
		s.pass(time.Second)
		if got := values(s.of("a", "v")) + values(s.of("a", "w")) + values(s.of("a", driver.Online)); got != "8 0 1 " {
			t.Errorf("said again: %s", got)
		}
	})
}
