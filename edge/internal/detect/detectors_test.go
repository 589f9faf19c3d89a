package detect_test

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/linshao/linshao/edge/internal/device"
	"github.com/linshao/linshao/protocol/telemetry"
	"github.com/linshao/linshao/protocol/ticket"
)

func TestThresholdHoldsAndClearsWithHysteresis(t *testing.T) {
	t.Parallel()
	begin(t, []device.Rule{hot()}).
		value("motor_temp", 86).
		at(10).value("motor_temp", 87).
		at(29).want("").
		at(31).value("motor_temp", 88).want("+30s raise hot motor_temp").
		at(40).value("motor_temp", 83). // between clear level and bound
		at(99).want("+30s raise hot motor_temp").
		at(100).value("motor_temp", 80).want("+30s raise hot motor_temp; +1m40s clear hot motor_temp")
}

func TestHoldTimeCompletesWithoutAnotherSample(t *testing.T) {
	t.Parallel()
	s := begin(t, []device.Rule{hot()}).value("motor_temp", 86).at(29.9).want("").at(30).want("+30s raise hot motor_temp")
	want := []ticket.Evidence{{Metric: "motor_temp", AtMS: epoch, Value: 86}}
	if d := cmp.Diff(want, s.last[0].Evidence); d != "" {
		t.Error(d)
	}
	if why := s.last[0].Reason; why.Code != "above" || why.Params["limit"] != "85" || why.Params["value"] != "86" {
		t.Errorf("reason %+v", why)
	}
}

func TestAShortPeakIsNoFinding(t *testing.T) {
	t.Parallel()
	begin(t, []device.Rule{hot()}).
		value("motor_temp", 90).at(20).value("motor_temp", 70).at(60).want("").
		// In the band: no longer above, so the hold time starts anew.
		at(61).value("motor_temp", 90).at(80).value("motor_temp", 83).at(100).value("motor_temp", 90).
		at(120).want("").at(130).want("+2m10s raise hot motor_temp")
}

// A backlog of ten minutes that arrives within one second is judged by the
// device's time.
func TestBacklogIsJudgedAsItHappened(t *testing.T) {
	t.Parallel()
	s := begin(t, []device.Rule{hot()})
	s.at(600)
	for sec := int64(0); sec <= 60; sec += 20 {
		s.say(telemetry.Sample{Key: telemetry.SeriesKey{Metric: "motor_temp"}, Value: 90, AtMS: epoch + sec*1000})
	}
	s.say(telemetry.Sample{Key: telemetry.SeriesKey{Metric: "motor_temp"}, Value: 60, AtMS: epoch + 80_000})
	s.want("+30s raise hot motor_temp; +1m20s clear hot motor_temp")
}

// Nothing was said between two Samples of a backlog: the first one held.
func TestAValueHoldsUntilTheNext(t *testing.T) {
	t.Parallel()
	s := begin(t, []device.Rule{hot()}).at(600)
	s.say(telemetry.Sample{Key: telemetry.SeriesKey{Metric: "motor_temp"}, Value: 90, AtMS: epoch})
	s.say(telemetry.Sample{Key: telemetry.SeriesKey{Metric: "motor_temp"}, Value: 60, AtMS: epoch + 60_000})
	s.want("+30s raise hot motor_temp; +1m0s clear hot motor_temp")
}

// One old hot sample that just arrived has not lasted yet: nobody knows what
// came after it.
func TestALateSampleDoesNotCompleteItsHoldByItsAge(t *testing.T) {
	t.Parallel()
	s := begin(t, []device.Rule{hot()}).at(600)
	s.say(telemetry.Sample{Key: telemetry.SeriesKey{Metric: "motor_temp"}, Value: 90, AtMS: epoch})
	s.at(629).want("").at(630).want("+30s raise hot motor_temp")
}

func TestUnknownIsNotNormal(t *testing.T) {
	t.Parallel()
	nan := telemetry.Sample{Key: telemetry.SeriesKey{Metric: "motor_temp"}, Value: math.NaN()}
	begin(t, []device.Rule{hot()}).
		value("motor_temp", 90).at(30).want("+30s raise hot motor_temp").
		at(31).bad("motor_temp").say(nan).at(500).want("+30s raise hot motor_temp").
		value("motor_temp", 20).want("+30s raise hot motor_temp; +8m20s clear hot motor_temp")
}

func TestHistoricalSamplesAreNotJudged(t *testing.T) {
	t.Parallel()
	r := hot()
	r.For = 0
	old := telemetry.Sample{Key: telemetry.SeriesKey{Metric: "motor_temp"}, Value: 99, AtMS: epoch - 5, Marks: telemetry.Historical}
	begin(t, []device.Rule{r}).value("motor_temp", 20).say(old).want("")
}

func TestBelow(t *testing.T) {
	t.Parallel()
	r := device.Rule{ID: "low", Metric: "battery", Detector: device.Threshold, Below: ptr(20.0), Clear: ptr(25.0)}
	begin(t, []device.Rule{r}).
		value("battery", 20).want("").
		at(1).value("battery", 19).want("+1s raise low battery").
		at(2).value("battery", 24).
		at(3).value("battery", 25).want("+1s raise low battery; +3s clear low battery")
}

func TestABandWithBothBounds(t *testing.T) {
	t.Parallel()
	r := device.Rule{ID: "volts", Metric: "v", Detector: device.Threshold, Below: ptr(200.0), Above: ptr(240.0), Clear: ptr(240.0)}
	s := begin(t, []device.Rule{r}).value("v", 220).at(1).value("v", 199)
	if why := s.last[0].Reason; why.Code != "below" || why.Params["limit"] != "200" {
		t.Errorf("reason %+v", why)
	}
	s.at(2).value("v", 240).at(3).value("v", 241).want("+1s raise volts v; +2s clear volts v; +3s raise volts v")
}

func TestLatchedBit(t *testing.T) {
	t.Parallel()
	r := device.Rule{ID: "trapped", Metric: "faults", Detector: device.Latched, Bit: ptr(uint8(1))}
	begin(t, []device.Rule{r}).
		value("faults", 0x001).want("").
		at(1).value("faults", 0x003).want("+1s raise trapped faults").
		at(2).value("faults", 0). // flickers
		at(2.5).value("faults", 2).
		at(3).value("faults", 2).want("+1s raise trapped faults").
		at(4).value("faults", 0).
		at(5).want("+1s raise trapped faults; +5s clear trapped faults")
}

// The line breaks while the bit's rest is running: nobody saw it stay 0.
func TestALostLineDoesNotClearALatch(t *testing.T) {
	t.Parallel()
	r := device.Rule{ID: "trapped", Metric: "faults", Detector: device.Latched}
	begin(t, []device.Rule{r}).
		value("faults", 1).at(1).value("faults", 0).at(1.2).bad("faults").
		at(60).want("+0s raise trapped faults").
		value("faults", 0).at(61).want("+0s raise trapped faults; +1m1s clear trapped faults")
}

func TestStaleIsJudgedByArrival(t *testing.T) {
	t.Parallel()
	r := device.Rule{ID: "silent", Device: "lift", Detector: device.Stale, After: time.Minute}
	p := &device.Profile{Kind: "elevator", Rules: []device.Rule{r}}
	begin(t, nil, device.Device{ID: "lift", Kind: "elevator", Profile: p}).
		at(0).at(59).want("").
		at(60).want("+1m0s raise silent"). // it never spoke at all
		at(70).say(telemetry.Sample{Key: telemetry.SeriesKey{Metric: "floor"}, AtMS: epoch - 3_600_000}).
		want("+1m0s raise silent; +-1h0m0s clear silent").
		at(100).bad("floor").value("online", 0). // neither is a sign of life
		at(129).say(telemetry.Sample{Key: telemetry.SeriesKey{Metric: "mode"}, Text: "auto"}).
		at(188).want("+1m0s raise silent; +-1h0m0s clear silent").
		at(189).want("+1m0s raise silent; +-1h0m0s clear silent; +3m9s raise silent")
}

func TestStaleOfOneMetricIgnoresTheOthers(t *testing.T) {
	t.Parallel()
	r := device.Rule{ID: "frozen", Metric: "floor", Detector: device.Stale, After: 10 * time.Second}
	begin(t, []device.Rule{r}).value("floor", 3).
		at(9).value("door", 1).at(10).want("+10s raise frozen floor")
}

func trapped(hold time.Duration) device.Rule {
	return device.Rule{ID: "open-running", Detector: device.Combination, For: hold, All: []device.Condition{
		{Metric: "door", Equals: number(1)}, {Metric: "speed", Above: ptr(0.1)},
	}}
}

func TestCombinationNeedsAllPartsAtOnce(t *testing.T) {
	t.Parallel()
	begin(t, []device.Rule{trapped(2 * time.Second)}).
		value("door", 1).at(1).want("").
		value("speed", 1.5).at(2.9).want("").
		at(3).want("+3s raise open-running").
		at(4).value("door", 0).want("+3s raise open-running; +4s clear open-running")
}

// The door closes in the very message in which the car starts: looked at one
// by one, it would have run with its door open.
func TestCombinationJudgesAnInstantAsAWhole(t *testing.T) {
	t.Parallel()
	key := func(m string) telemetry.SeriesKey { return telemetry.SeriesKey{Metric: m} }
	s := begin(t, []device.Rule{trapped(0)}).
		say(telemetry.Sample{Key: key("door"), Value: 1}, telemetry.Sample{Key: key("speed")}).
		at(1).say(telemetry.Sample{Key: key("speed"), Value: 1}, telemetry.Sample{Key: key("door")}).want("")
	// Two instants in one message are two instants.
	s.at(3).say(
		telemetry.Sample{Key: key("door"), Value: 1, AtMS: epoch + 2000}, telemetry.Sample{Key: key("speed"), Value: 1, AtMS: epoch + 2000},
		telemetry.Sample{Key: key("speed"), Value: 0, AtMS: epoch + 3000}, telemetry.Sample{Key: key("door"), Value: 1, AtMS: epoch + 3000},
	).want("+2s raise open-running; +3s clear open-running")
}

func TestCombinationWithAnUnknownPartDecidesNothing(t *testing.T) {
	t.Parallel()
	begin(t, []device.Rule{trapped(0)}).
		value("door", 1).bad("speed").want("").
		at(1).value("speed", 1).want("+1s raise open-running").
		at(2).bad("door").value("speed", 2).want("+1s raise open-running").
		at(3).value("speed", 0).want("+1s raise open-running; +3s clear open-running")
}

func TestEventWithAnEnd(t *testing.T) {
	t.Parallel()
	r := device.Rule{ID: "held", Event: "door_held", ClearEvent: "door_closed", Detector: device.OnEvent}
	s := begin(t, []device.Rule{r}).event("door_closed").event("other").want("").
		at(5).event("door_held").at(3600).want("+5s raise held").
		eventAt("door_closed", 4000).want("+5s raise held"). // overtaken by the beginning
		event("door_closed").want("+5s raise held; +1h0m0s clear held")
	if got := s.last[0].Evidence; len(got) != 1 || got[0].Metric != "door_closed" {
		t.Errorf("evidence %+v", got)
	}
}

// The edge's clock was set back between the two, so the device's time of the
// end is not believed any more and the end seems to be the older one.
func TestAnEventEndsThoughTheClockWasSetBack(t *testing.T) {
	t.Parallel()
	r := device.Rule{ID: "held", Event: "door_held", ClearEvent: "door_closed", Detector: device.OnEvent}
	begin(t, []device.Rule{r}).at(5).event("door_held").
		happen(telemetry.Event{Name: "door_closed", AtMS: epoch - 3_600_000, DeviceMS: epoch + 9000, Marks: telemetry.ReceiveTime}).
		want("+5s raise held; +-1h0m0s clear held")
}

func TestEventWithoutAnEndRestsByItself(t *testing.T) {
	t.Parallel()
	r := device.Rule{ID: "forced", Event: "door_forced_open", Detector: device.OnEvent}
	begin(t, []device.Rule{r}).event("door_forced_open").
		at(50).event("door_forced_open").
		at(109).want("+0s raise forced; +50s raise forced").
		at(110).want("+0s raise forced; +50s raise forced; +1m50s clear forced")
}

func TestASeededConditionStillEnds(t *testing.T) {
	t.Parallel()
	rules := []device.Rule{
		hot(),
		{ID: "trapped", Metric: "faults", Detector: device.Latched},
		trapped(0),
		{ID: "silent", Detector: device.Stale, After: time.Minute},
		{ID: "forced", Event: "door_forced_open", Detector: device.OnEvent},
		{ID: "wild", Metric: "*", Detector: device.Threshold, Above: ptr(1e6)},
	}
	s := begin(t, rules, device.Device{ID: "lift", Kind: "elevator"})
	for _, c := range [][2]string{{"hot", "motor_temp"}, {"trapped", "faults"}, {"open-running", ""}, {"silent", ""}, {"forced", ""}, {"wild", "noise"}} {
		if !s.bank.Seed("lift", c[0], c[1], s.now()) {
			t.Errorf("%s was not found", c[0])
		}
	}
	if s.bank.Seed("lift", "gone", "motor_temp", s.now()) || s.bank.Seed("other", "hot", "motor_temp", s.now()) {
		t.Error("seeded what nobody judges")
	}
	s.value("motor_temp", 90).value("faults", 1).want("+0s clear silent") // the same episode goes on
	s.at(1).value("motor_temp", 20).value("faults", 0).value("door", 0).value("noise", 5)
	s.at(60).want("+0s clear silent; +1s clear hot motor_temp; +1s clear open-running; +1s clear wild noise; " +
		"+2s clear trapped faults; +1m0s clear forced")
}
