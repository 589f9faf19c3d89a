package flow_test

import (
	"fmt"
	"testing"

	"github.com/linshao/linshao/edge/internal/flow"
	"github.com/linshao/linshao/protocol/telemetry"
)

func TestTimesOfASeriesIncrease(t *testing.T) {
	t.Parallel()
	type in struct {
		at, edge int64
		v        float64
	}
	for _, c := range []struct {
		name string
		in   []in
		want string
	}{
		{"in order", []in{{0, 0, 1}, {1, 1, 2}}, "+0 +1"},
		{"one millisecond, two values", []in{{0, 0, 1}, {0, 0, 2}, {0, 0, 3}, {1, 1, 4}}, "+0 +1n +2n +3n"},
		{"sent again", []in{{0, 0, 1}, {0, 5000, 1}}, "+0 +0"},
		{"a nudged one sent again", []in{{0, 0, 1}, {0, 0, 2}, {0, 0, 2}}, "+0 +1n +1n"},
		{"late", []in{{5000, 5000, 1}, {1000, 6000, 2}, {5001, 6000, 3}}, "+5000 +1000h +5001"},
		{"a whole message sent again", []in{{100, 200, 1}, {150, 200, 0}, {100, 900, 1}, {150, 900, 0}}, "+100 +150 +100h +150"},
		{"the edge's clock is put right", []in{{3_600_000, 3_600_000, 1}, {1000, 1000, 2}, {2000, 2000, 3}}, "+3600000 +1000 +2000"},
		{"the device's clock is put right", []in{{200_000, 0, 1}, {1000, 1000, 2}, {2000, 2000, 3}}, "+200000 +1000 +2000"},
		{"a clock behind, ahead for once", []in{{-10_000, 0, 1}, {240_000, 1000, 2}, {-8000, 2000, 3}, {2000, 12_000, 4}}, "+-10000 +240000 +-8000h +2000"},
		{"the device's clock is set back", []in{
			{0, 0, 1}, {-3_599_000, 1000, 2}, {-3_584_000, 16_000, 3}, {-3_569_500, 31_000, 4}, {-3_568_000, 32_000, 5},
		}, "+0 +-3599000h +-3584000h +-3569500 +-3568000"},
		{"what a device kept", []in{
			{0, 0, 1}, {-3_599_000, 1000, 2}, {-3_500_000, 16_000, 3}, {-3_400_000, 31_000, 4}, {-3_300_000, 46_000, 5},
		}, "+0 +-3599000h +-3500000h +-3400000h +-3300000h"},
		{"late beside the present", []in{
			{0, 0, 1}, {-3_599_000, 1000, 2}, {16_000, 16_000, 3}, {-3_584_000, 16_000, 3}, {-3_569_500, 31_000, 4},
		}, "+0 +-3599000h +16000 +-3584000h +-3569500h"},
		{"late, from a clock that is ahead", []in{{200_000, 0, 1}, {199_000, 1000, 2}}, "+200000 +199000h"},
	} {
		var o flow.Order
		got := ""
		for i, x := range c.in {
			s := []telemetry.Sample{{Key: telemetry.SeriesKey{Device: "d", Metric: "m"}, AtMS: epoch + x.at, EdgeMS: epoch + x.edge, Value: x.v}}
			o.Take(s)
			if i > 0 {
				got += " "
			}
			got += fmt.Sprintf("+%d", s[0].AtMS-epoch)
			if s[0].Marks.Has(telemetry.Nudged) {
				got += "n"
			}
			if s[0].Marks.Has(telemetry.Historical) {
				got += "h"
			}
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestLateValuesDoNotMoveTheLatestBack(t *testing.T) {
	t.Parallel()
	var o flow.Order
	key := telemetry.SeriesKey{Device: "d", Metric: "m"}
	o.Take([]telemetry.Sample{{Key: key, AtMS: epoch, EdgeMS: epoch, Value: 7}, {Key: key, AtMS: epoch - 9000, EdgeMS: epoch, Value: 1}})
	if got := o.Latest("d"); len(got) != 1 || got[0].Value != 7 {
		t.Errorf("latest %+v", got)
	}
}

func TestInventedMetricsAreBounded(t *testing.T) {
	t.Parallel()
	var o flow.Order
	for i := range 5000 {
		o.Take([]telemetry.Sample{{Key: telemetry.SeriesKey{Device: "d", Metric: fmt.Sprint(i)}, AtMS: epoch}})
	}
	if n := len(o.Latest("d")); n != 4096 {
		t.Errorf("%d series", n)
	}
}
