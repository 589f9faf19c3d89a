package device_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/linshao/linshao/edge/internal/device"
	"github.com/linshao/linshao/protocol/kit/config"
	"github.com/linshao/linshao/protocol/ticket"
)

// The estate's file is read by another decoder than profiles are; a rule means
// the same in both.
func TestARuleInTheEstatesFile(t *testing.T) {
	t.Parallel()
	var file struct {
		Rules []device.Rule `yaml:"rules"`
	}
	text := `
rules:
  - id: lurking
    device: gate-1
    detector: combination
    all: [{metric: door, equals: open}, {metric: locked, equals: true}, {metric: passages, equals: 3}, {metric: motor_temp, above: 1.5}]
    for: 90s
    severity: minor
`
	if err := config.Decode("edge.yaml", []byte(text), &file, config.Options{}, nil); err != nil {
		t.Fatal(err)
	}
	d := device.Device{ID: "gate-1", Kind: "access-gate", Profile: shipped(t, "access-gate")}
	rules, mistakes := d.RulesOf(file.Rules)
	if len(mistakes) > 0 {
		t.Fatal(mistakes)
	}
	above := 1.5
	want := device.Rule{
		ID: "lurking", Device: "gate-1", Detector: device.Combination, For: 90 * time.Second,
		Severity: ticket.Minor, Fault: "lurking", Title: "lurking",
		All: []device.Condition{
			{Metric: "door", Equals: &device.Scalar{Number: 1}},
			{Metric: "locked", Equals: &device.Scalar{Number: 1}},
			{Metric: "passages", Equals: &device.Scalar{Number: 3}},
			{Metric: "motor_temp", Above: &above},
		},
	}
	if d := cmp.Diff(want, rules[len(rules)-1]); d != "" {
		t.Error(d)
	}
	if w := file.Rules[0].All[0].Equals.Word; w != "open" {
		t.Errorf("binding changed the file's rule: %q", w)
	}
}
