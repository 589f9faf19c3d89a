package telemetry_test

import (
	"testing"

	"github.com/linshao/linshao/protocol/telemetry"
)

func TestEffectiveTime(t *testing.T) {
	t.Parallel()
	const now, day = 1_732_269_600_000, 24 * 3600 * 1000
	for _, c := range []struct {
		name     string
		device   int64
		want     int64
		received bool
	}{
		{"the device's time is believed", now - 500, now - 500, false},
		{"none given", 0, now, true},
		{"35 days old", now - 35*day, now - 35*day, false},
		{"older", now - 35*day - 1, now, true},
		{"5 minutes ahead", now + 300_000, now + 300_000, false},
		{"further ahead", now + 300_001, now, true},
		{"ten years ahead", now + 3650*day, now, true},
		{"before 1970", -5, now, true},
	} {
		at, marks := telemetry.EffectiveTime(c.device, now)
		if at != c.want || marks.Has(telemetry.ReceiveTime) != c.received {
			t.Errorf("%s: %d, marks %b", c.name, at, marks)
		}
	}
}

func TestNumeric(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		s    telemetry.Sample
		want bool
	}{
		{telemetry.Sample{Value: 1}, true},
		{telemetry.Sample{Text: "north"}, false},
		{telemetry.Sample{Quality: telemetry.Bad, Reason: "timeout"}, false},
		{telemetry.Sample{Quality: telemetry.Uncertain, Value: 3}, true},
	} {
		if c.s.Numeric() != c.want {
			t.Errorf("%+v", c.s)
		}
	}
}
