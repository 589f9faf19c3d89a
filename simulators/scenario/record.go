package scenario

import (
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"

	yaml "go.yaml.in/yaml/v4"

	"github.com/linshao/linshao/protocol/profiles"
	"github.com/linshao/linshao/simulators/estate"
	"github.com/linshao/linshao/simulators/truth"
)

// liftEveryMS is how often a recording looks at a lift, which is polled and
// reports nothing by itself.
const liftEveryMS = 1000

// Recorder writes samples as CSV: timestamp,device,metric,value (RFC 3339,
// UTC). Words become the numbers that the device's profile gives them; words
// without a number are left out.
type Recorder struct {
	csv   *csv.Writer
	kinds map[string]estate.Kind
	words map[estate.Kind]map[string]map[string]float64 // by metric and word
}

// Record starts a recording of the story's devices.
func Record(w io.Writer, s Story) (*Recorder, error) {
	r := &Recorder{csv: csv.NewWriter(w), kinds: map[string]estate.Kind{}, words: map[estate.Kind]map[string]map[string]float64{}}
	for _, d := range s.Devices {
		r.kinds[d.ID] = d.Kind
	}
	for kind, profile := range map[estate.Kind]string{
		estate.AccessGate: "access-gate", estate.Elevator: "lift-terminal", estate.Robot: "patrol-robot",
	} {
		words, err := enums(profile)
		if err != nil {
			return nil, err
		}
		r.words[kind] = words
	}
	return r, r.csv.Write([]string{"timestamp", "device", "metric", "value"})
}

// enums reads the words of a profile's points.
func enums(profile string) (map[string]map[string]float64, error) {
	text, err := profiles.Text(profile)
	if err != nil {
		return nil, err
	}
	var p struct {
		Points []struct {
			Name string
			Enum map[float64]string
		}
	}
	if err := yaml.Unmarshal(text, &p); err != nil {
		return nil, fmt.Errorf("read profile %s: %w", profile, err)
	}
	out := map[string]map[string]float64{}
	for _, point := range p.Points {
		out[point.Name] = map[string]float64{}
		for n, word := range point.Enum {
			out[point.Name][word] = n
		}
	}
	return out, nil
}

// Write records one set of values, metrics in alphabetical order.
func (r *Recorder) Write(device string, atMS int64, values map[string]any) error {
	at := time.UnixMilli(atMS).UTC().Format("2006-01-02T15:04:05.000Z07:00")
	for _, metric := range slices.Sorted(maps.Keys(values)) {
		n, ok := number(values[metric])
		if word, is := values[metric].(string); is {
			n, ok = r.words[r.kinds[device]][metric][word], hasWord(r.words[r.kinds[device]][metric], word)
		}
		if !ok {
			continue
		}
		if err := r.csv.Write([]string{at, device, metric, strconv.FormatFloat(n, 'g', -1, 64)}); err != nil {
			return fmt.Errorf("write recording: %w", err)
		}
	}
	return nil
}

func hasWord(words map[string]float64, word string) bool {
	_, ok := words[word]
	return ok
}

// Close writes what is left.
func (r *Recorder) Close() error {
	r.csv.Flush()
	return r.csv.Error()
}

// Outcome is what came of a story.
type Outcome struct {
	Truth []truth.Fault
	Unmet []Open
	// Tickets were wanted; whoever knows the product's tickets checks them.
	Tickets []Open
}

// Rehearse plays a story without any network, as fast as it goes. out may be
// nil.
func Rehearse(s Story, now time.Time, out *Recorder) (Outcome, error) {
	start := s.Begins(now).UnixMilli()
	e, err := estate.New(estate.Plan{Devices: s.Devices}, s.Seed, start)
	if err != nil {
		return Outcome{}, err
	}
	d := Direct(s, start)
	for at := start; !d.Over(at); {
		if err := d.Step(at, e); err != nil {
			return Outcome{}, err
		}
		at += estate.TickMS
		reports := e.Advance(at)
		if out != nil {
			if err := recordTick(out, s, e, reports, at); err != nil {
				return Outcome{}, err
			}
		}
	}
	if err := d.Step(e.NowMS(), e); err != nil {
		return Outcome{}, err
	}
	var o Outcome
	for _, p := range e.Episodes() {
		o.Truth = append(o.Truth, truth.Fault{Device: p.Device, Fault: string(p.Fault), FromMS: p.FromMS, ToMS: p.ToMS})
	}
	o.Unmet, o.Tickets = d.Unmet(), d.Tickets()
	return o, nil
}

func recordTick(out *Recorder, s Story, e *estate.Estate, reports []estate.Report, at int64) error {
	for _, r := range reports {
		if err := out.Write(r.Device, r.AtMS, r.Values); err != nil {
			return err
		}
	}
	if at%liftEveryMS != 0 {
		return nil
	}
	for _, d := range s.Devices {
		if d.Kind != estate.Elevator || e.Silent(d.ID) {
			continue
		}
		values, err := e.Values(d.ID)
		if err != nil {
			return err
		}
		if err := out.Write(d.ID, at, values); err != nil {
			return err
		}
	}
	return nil
}
