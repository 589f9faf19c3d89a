package detect_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/linshao/linshao/edge/internal/detect"
	"github.com/linshao/linshao/edge/internal/device"
	"github.com/linshao/linshao/protocol/telemetry"
)

// epoch is when the stories begin; the edge was started half a minute before.
const epoch = 1_732_269_600_000

// story drives a Bank as flow does: time passes, devices speak, and what was
// found is told as lines such as "+30s raise hot lift/motor_temp".
type story struct {
	t     *testing.T
	bank  *detect.Bank
	nowMS int64
	told  []string
	last  []detect.Finding
}

func begin(t *testing.T, estate []device.Rule, devices ...device.Device) *story {
	t.Helper()
	b, err := detect.New(estate, devices)
	if err != nil {
		t.Fatal(err)
	}
	return &story{t: t, bank: b}
}

func (s *story) now() telemetry.Origin {
	return telemetry.Origin{EdgeMS: epoch + s.nowMS, MonoMS: 30_000 + s.nowMS, ClockTrusted: true}
}

// at moves the time, in seconds, and ticks.
func (s *story) at(seconds float64) *story {
	s.nowMS = int64(seconds * 1000)
	s.tell(s.bank.Tick(nil, s.now()))
	return s
}

func (s *story) value(metric string, v float64) *story {
	return s.say(telemetry.Sample{Value: v, Key: telemetry.SeriesKey{Metric: metric}})
}

func (s *story) bad(metric string) *story {
	return s.say(telemetry.Sample{Quality: telemetry.Bad, Reason: "timeout", Key: telemetry.SeriesKey{Metric: metric}})
}

// say hands over one message of the lift, stamped with the story's time
// where a Sample has none.
func (s *story) say(samples ...telemetry.Sample) *story {
	for i := range samples {
		samples[i].Key.Device, samples[i].Key.Kind = "lift", "elevator"
		if samples[i].AtMS == 0 {
			samples[i].AtMS = epoch + s.nowMS
		}
	}
	s.tell(s.bank.Step(nil, samples, s.now()))
	return s
}

func (s *story) event(name string) *story { return s.eventAt(name, s.nowMS) }

func (s *story) eventAt(name string, ms int64) *story {
	return s.happen(telemetry.Event{Name: name, AtMS: epoch + ms, DeviceMS: epoch + ms})
}

func (s *story) happen(e telemetry.Event) *story {
	e.Device, e.Kind = "lift", "elevator"
	s.tell(s.bank.Notify(nil, &e, s.now()))
	return s
}

func (s *story) tell(fs []detect.Finding) {
	for _, f := range fs {
		word := "clear"
		if f.Active {
			word = "raise"
		}
		at := time.Duration(f.AtMS-epoch) * time.Millisecond
		line := fmt.Sprintf("+%v %s %s", at, word, f.Rule.ID)
		if f.Metric != "" {
			line += " " + f.Metric
		}
		s.told = append(s.told, line)
	}
	if len(fs) > 0 {
		s.last = fs
	}
}

// want compares all that was told with lines separated by "; ".
func (s *story) want(lines string) *story {
	s.t.Helper()
	if d := cmp.Diff(lines, strings.Join(s.told, "; ")); d != "" {
		s.t.Error(d)
	}
	return s
}

func ptr[T any](v T) *T { return &v }

func hot() device.Rule {
	return device.Rule{
		ID: "hot", Kind: "elevator", Metric: "motor_temp", Detector: device.Threshold,
		Above: ptr(85.0), Clear: ptr(80.0), For: 30 * time.Second,
	}
}

func number(v float64) *device.Scalar { return &device.Scalar{Number: v} }
