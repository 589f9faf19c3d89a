package scenario

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/linshao/linshao/simulators/estate"
)

// Stage is what a story is played on: *estate.Estate without a network,
// *live.Estate with one.
type Stage interface {
	Begin(f estate.Fault, device string, lasts time.Duration) error
	Mend(f estate.Fault, device string) error
	Values(device string) (map[string]any, error)
}

// Director plays a story's lines in virtual time and watches for what they
// want. It is not safe for concurrent use.
type Director struct {
	lines   []Line
	startMS int64
	endMS   int64
	next    int
	open    []Open
	unmet   []Open
	tickets []Open
}

// Open is a want that is being watched for, between two virtual times.
type Open struct {
	Want
	FromMS, ToMS int64
}

// Direct begins a story at startMS of virtual time.
func Direct(s Story, startMS int64) *Director {
	return &Director{lines: s.Lines, startMS: startMS, endMS: startMS + time.Duration(s.Duration).Milliseconds()}
}

// Step plays what is due at nowMS and looks for what is wanted.
func (d *Director) Step(nowMS int64, stage Stage) error {
	var errs []error
	for d.next < len(d.lines) && d.startMS+time.Duration(d.lines[d.next].At).Milliseconds() <= nowMS {
		errs = append(errs, d.play(d.lines[d.next], stage))
		d.next++
	}
	var still []Open
	for _, w := range d.open {
		met, err := w.seen(stage)
		errs = append(errs, err)
		switch {
		case met || err != nil:
		case nowMS >= w.ToMS:
			d.unmet = append(d.unmet, w)
		default:
			still = append(still, w)
		}
	}
	d.open = still
	return errors.Join(errs...)
}

func (d *Director) play(l Line, stage Stage) error {
	at := d.startMS + time.Duration(l.At).Milliseconds()
	switch {
	case l.Push != "":
		return stage.Begin(l.Push, l.Device, time.Duration(l.For))
	case l.Mend != "":
		return stage.Mend(l.Mend, l.Device)
	}
	w := Open{*l.Want, at, at + time.Duration(l.Want.Within).Milliseconds()}
	if w.Ticket != "" {
		d.tickets = append(d.tickets, w)
	} else {
		d.open = append(d.open, w)
	}
	return nil
}

// Over reports whether the story has come to its end.
func (d *Director) Over(nowMS int64) bool { return nowMS >= d.endMS }

// Unmet are the wanted metrics that were not seen, those still open included.
func (d *Director) Unmet() []Open { return slices.Concat(d.unmet, d.open) }

// Tickets are the tickets wanted so far; only the product can show them.
func (d *Director) Tickets() []Open { return slices.Clone(d.tickets) }

func (w Want) seen(stage Stage) (bool, error) {
	values, err := stage.Values(w.Device)
	if err != nil {
		return false, err
	}
	v, ok := values[w.Metric]
	if !ok {
		return false, fmt.Errorf("want of %s: it does not measure %q", w.Device, w.Metric)
	}
	switch {
	case w.Above != nil:
		n, ok := number(v)
		return ok && n > *w.Above, nil
	case w.Below != nil:
		n, ok := number(v)
		return ok && n < *w.Below, nil
	}
	if n, ok := number(v); ok {
		want, alike := number(w.Is)
		return alike && n == want, nil
	}
	return v == w.Is, nil
}

// number takes what YAML and the models write for numbers and booleans.
func number(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case int:
		return float64(v), true
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	}
	return 0, false
}
