package modbus

import (
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/linshao/linshao/edge/internal/driver"
	"github.com/linshao/linshao/protocol/telemetry"
	"github.com/linshao/linshao/simulators/modbussim"
)

func TestADeadUnitDoesNotSlowItsNeighbours(t *testing.T) {
	t.Parallel()
	p := profile(t, twoPoints+"\n  - {name: far, register: holding, address: 100, type: uint16}")
	tell(t, p, 3, func(s *story) {
		for i := range uint8(3) {
			s.server.Unit(i+1).SetHolding(100, 1)
		}
		s.pass(10 * time.Second)
		dead := s.server.Unit(2)
		dead.Fault(modbussim.Silence, -1)
		s.forget()
		before, asked := s.server.Unit(1).Requests(), dead.Requests()
		s.pass(10 * time.Minute)
		if n := s.server.Unit(1).Requests() - before; n < 1080 {
			t.Errorf("the neighbour was asked %d times in 600 s", n)
		}
		if n := dead.Requests() - asked; n < 20 || n > 30 {
			t.Errorf("the dead unit was asked %d times", n)
		}
		if got := values(s.of("b", driver.Online)); got != "0 " {
			t.Errorf("online: %s", got)
		}
		if bad := s.of("b", "v"); len(bad) < 20 || bad[0].Reason != "timeout" || bad[0].Quality != telemetry.Bad || bad[0].Value != 0 {
			t.Errorf("the failures: %s", values(bad))
		}
		if near, far := len(s.of("b", "v")), len(s.of("b", "far")); near != far {
			t.Errorf("one block was told bad %d times, the other %d times", near, far)
		}
		if len(s.of("a", driver.Online)) > 0 || len(s.of("c", driver.Online)) > 0 {
			t.Error("a neighbour is called offline")
		}
		dead.Heal()
		s.forget()
		s.pass(31 * time.Second)
		if got := values(s.of("b", driver.Online)) + values(s.of("b", "v")); got != "1 0 " {
			t.Errorf("after healing: %s", got)
		}
	})
}

// Every way to be wrong is a bad Sample with its reason, and the next poll is
// good.
func TestEveryFaultIsToldAndHeals(t *testing.T) {
	t.Parallel()
	for reason, fault := range map[string]modbussim.Fault{
		"timeout":         modbussim.Silence,
		"exception_04":    modbussim.Exception(4),
		"exception_11":    modbussim.Exception(11),
		"exception_other": modbussim.Exception(0xE0),
		"bad_transaction": modbussim.WrongTransaction,
		"bad_protocol":    modbussim.WrongProtocol,
		"bad_unit":        modbussim.WrongUnit,
		"bad_function":    modbussim.WrongFunction,
		"bad_count":       modbussim.WrongCount,
		"bad_length":      modbussim.ZeroLength,
		"short_frame":     modbussim.ShortFrame,
	} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			tell(t, profile(t, twoPoints), 1, func(s *story) {
				s.pass(10500 * time.Millisecond)
				s.forget()
				s.server.Unit(1).SetHolding(0, 7)
				s.server.Unit(1).Fault(fault, 1)
				s.pass(3 * time.Second)
				if got := values(s.of("a", "v")); got != reason+" 7 " {
					t.Errorf("got %s", got)
				}
				if s.failed[reason] != 1 || len(s.failed) != 1 {
					t.Errorf("counted %v", s.failed)
				}
				if len(s.of("a", driver.Online)) != 0 {
					t.Error("one lost frame made the device go offline")
				}
				redials := 1
				if fault == modbussim.Exception(4) || fault == modbussim.Exception(11) || fault == modbussim.Exception(0xE0) {
					redials = 0
				}
				if len(s.dials) != redials {
					t.Errorf("%d dials", len(s.dials))
				}
			})
		})
	}
}

// What is only odd does not cost a value.
func TestOddButSoundAnswersCount(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]modbussim.Fault{
		"drip": modbussim.Drip, "twice": modbussim.Twice, "late": modbussim.Late(900 * time.Millisecond),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tell(t, profile(t, twoPoints), 1, func(s *story) {
				s.pass(5500 * time.Millisecond)
				s.forget()
				for i := range 5 {
					s.server.Unit(1).Fault(fault, 1)
					s.server.Unit(1).SetHolding(0, uint16(i+1))
					s.pass(time.Second)
				}
				s.pass(time.Second)
				if got := values(s.of("a", "v")); got != "1 2 3 4 5 " {
					t.Errorf("got %s", got)
				}
				// Who talks unasked is not listened to on that connection again.
				if talks := name == "twice"; talks != (len(s.dials) > 0) {
					t.Errorf("%d dials", len(s.dials))
				}
			})
		})
	}
}

// Every answer comes after we gave up, while the register moves on.
func TestALateReplyIsNeverAValue(t *testing.T) {
	t.Parallel()
	tell(t, profile(t, twoPoints), 2, func(s *story) {
		s.pass(1500 * time.Millisecond)
		s.forget()
		s.server.Unit(1).Fault(modbussim.Late(1300*time.Millisecond), -1)
		for i := range 50 {
			s.server.Unit(1).SetHolding(0, uint16(1000+i))
			s.server.Unit(2).SetHolding(0, uint16(i))
			s.pass(700 * time.Millisecond)
		}
		for _, x := range s.of("a", "v") {
			if x.Quality != telemetry.Bad {
				t.Errorf("%v was taken", x.Value)
			}
		}
		for _, x := range s.of("b", "v") {
			if x.Value >= 1000 {
				t.Errorf("unit 2 said %v", x.Value)
			}
		}
	})
}

func TestAtMostOneDialPerSecond(t *testing.T) {
	t.Parallel()
	p := profile(t, "\n  - {name: v, register: holding, address: 0, type: uint16, every: 100ms}")
	tell(t, p, 3, func(s *story) {
		for i := range uint8(3) {
			s.server.Unit(i+1).Fault(modbussim.HangUp, -1)
		}
		s.pass(30 * time.Second)
		for i := range s.dials {
			if i > 0 && s.dials[i].Sub(s.dials[i-1]) < time.Second {
				t.Fatalf("dials at %v", s.dials)
			}
		}
		if len(s.dials) < 2 {
			t.Errorf("%d dials", len(s.dials))
		}
	})
}

func TestAnEndpointThatCannotBeReached(t *testing.T) {
	t.Parallel()
	tell(t, profile(t, twoPoints), 3, func(s *story) {
		s.pass(2500 * time.Millisecond)
		s.forget()
		s.mu.Lock()
		s.refuse = true
		s.mu.Unlock()
		s.server.DropConnections()
		s.pass(time.Minute)
		for _, d := range []string{"a", "b", "c"} {
			if got := values(s.of(d, driver.Online)); got != "0 " {
				t.Errorf("%s online: %s", d, got)
			}
			if x := s.last(d, "v"); x.Reason != "refused" {
				t.Errorf("%s: %s", d, x.Reason)
			}
		}
		s.forget()
		s.mu.Lock()
		s.refuse = false
		s.mu.Unlock()
		s.pass(6 * time.Second)
		for _, d := range []string{"a", "b", "c"} {
			if got := values(s.of(d, driver.Online)); got != "1 " {
				t.Errorf("%s online: %s", d, got)
			}
		}
		ups := s.ups
		if d := cmp.Diff([]bool{true, true, true}, ups); d != "" {
			t.Error(d)
		}
	})
}

// Many terminals hang up after some idle seconds.
func TestAWornOutConnectionCostsNothing(t *testing.T) {
	t.Parallel()
	tell(t, profile(t, "\n  - {name: v, register: holding, address: 0, type: uint16, every: 10s}"), 1, func(s *story) {
		for i := range 5 {
			s.pass(5 * time.Second)
			s.server.DropConnections()
			s.server.Unit(1).SetHolding(0, uint16(i))
			s.pass(5 * time.Second)
		}
		s.pass(time.Second)
		if got := values(s.of("a", "v")); got != "0 1 2 3 4 " || len(s.failed) != 0 {
			t.Errorf("got %s, failed %v", got, s.failed)
		}
	})
}

// The lift terminal without a probe: its one missing point harms no other.
func TestWhatADeviceDoesNotHaveIsAskedLessAndLess(t *testing.T) {
	t.Parallel()
	p := profile(t, twoPoints+"\n  - {name: temp, register: input, address: 100, type: float32}")
	tell(t, p, 1, func(s *story) {
		s.pass(10 * time.Minute)
		if n := s.server.Unit(1).Served(4); n < 20 || n > 30 {
			t.Errorf("asked %d times", n)
		}
		if x := s.last("a", "temp"); x.Reason != "exception_02" || x.Quality != telemetry.Bad {
			t.Errorf("temp: %+v", x)
		}
		if s.last("a", driver.Online).Value != 1 || s.last("a", "v").Quality != telemetry.Good {
			t.Error("the rest of the device suffers")
		}
	})
}

// A line that is reached again serves all its units at once.
func TestOneUnitThatAnswersWakesItsLine(t *testing.T) {
	t.Parallel()
	here, there := &unit{}, &unit{}
	for range 5 {
		there.missed(0, true)
	}
	l := &line{units: []*unit{here, there}, stats: uncounted{}, log: slog.New(slog.DiscardHandler)}
	l.answered(here, nil, 0)
	if there.notBefore != 0 || there.lineDown {
		t.Errorf("the neighbour rests until %v", there.notBefore)
	}
	there.missed(0, false)
	l.answered(here, nil, 0)
	if there.notBefore == 0 {
		t.Error("a unit that is itself dead was woken")
	}
}
