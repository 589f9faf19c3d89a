package device

import (
	"bytes"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/linshao/linshao/protocol/ticket"
)

// Defaults of what a profile may leave out.
const (
	DefaultEvery     = time.Second
	DefaultHeartbeat = 5 * time.Minute
	DefaultTimeout   = time.Second
	DefaultLatchHold = 5 * time.Second
	DefaultMaxHole   = 16
	// MaxRegisters and MaxCoils are the protocol's bounds of one read
	// (MODBUS Application Protocol V1.1b3, 6.1 to 6.4).
	MaxRegisters = 125
	MaxCoils     = 2000
)

// Compile reads a profile's YAML, fills in the defaults and checks it. file is
// only named in errors. The error is Problems, everything that is wrong at
// once.
func Compile(file string, text []byte) (*Profile, error) {
	var p Profile
	if err := yaml.Load(text, &p, yaml.WithKnownFields()); err != nil {
		return nil, loadProblems(file, err)
	}
	var root yaml.Node
	if err := yaml.Load(bytes.TrimSpace(text), &root); err != nil {
		return nil, loadProblems(file, err)
	}
	ms := p.normalise()
	ms = append(ms, p.mistakes()...)
	if len(ms) > 0 {
		return nil, problems(file, &root, ms)
	}
	return &p, nil
}

// normalise fills in defaults and folds short forms.
func (p *Profile) normalise() []Mistake {
	m := &p.Modbus
	setDefault(&m.Every, DefaultEvery)
	setDefault(&m.Heartbeat, DefaultHeartbeat)
	setDefault(&m.Timeout, DefaultTimeout)
	setDefault(&m.MaxRegisters, MaxRegisters)
	setDefault(&m.MaxCoils, MaxCoils)
	if m.MaxHole == nil {
		hole := DefaultMaxHole
		m.MaxHole = &hole
	}
	var ms []Mistake
	for i := range p.Points {
		for _, x := range p.Points[i].normalise(p) {
			ms = append(ms, x.under("points", i))
		}
	}
	for i := range p.Rules {
		r := &p.Rules[i]
		setDefault(&r.Kind, p.Kind)
		bound, more := r.bind(p)
		*r = bound
		for _, x := range more {
			ms = append(ms, x.under("rules", i))
		}
	}
	return ms
}

func (q *Point) normalise(p *Profile) []Mistake {
	setDefault(&q.Scale, 1)
	setDefault(&q.JSON, q.Name)
	if p.Protocol != Modbus {
		return nil
	}
	setDefault(&q.Order, ABCD)
	setDefault(&q.Every, p.Modbus.Every)
	setDefault(&q.Heartbeat, max(p.Modbus.Heartbeat, q.Every))
	if q.Register.Bits() {
		setDefault(&q.Type, Bool)
	}
	if q.Latch {
		setDefault(&q.LatchHold, DefaultLatchHold)
	}
	if q.Bit == nil {
		return nil
	}
	if q.Mask != 0 {
		return []Mistake{{[]any{"bit"}, "both bit and mask are given", "keep one; bit: 3 is mask: 0x8"}}
	}
	if *q.Bit > 63 {
		return []Mistake{{[]any{"bit"}, "there is no such bit", "count from 0, the lowest, to 15 in one register"}}
	}
	q.Mask = 1 << *q.Bit
	return nil
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// bind fills in a rule's defaults and turns the words of its conditions into
// numbers of p's enums.
func (r Rule) bind(p *Profile) (Rule, []Mistake) {
	setDefault(&r.Fault, ticket.Fault(r.ID))
	setDefault(&r.Title, string(r.Fault))
	var ms []Mistake
	all := make([]Condition, len(r.All))
	for i, c := range r.All {
		bound, more := c.bind(p)
		all[i] = bound
		for _, x := range more {
			ms = append(ms, x.under("all", i))
		}
	}
	if len(all) > 0 {
		r.All = all
	}
	return r, ms
}

func (c Condition) bind(p *Profile) (Condition, []Mistake) {
	if c.Equals == nil || c.Equals.Word == "" {
		return c, nil
	}
	q, ok := p.Point(c.Metric)
	if !ok {
		return c, nil // the unknown metric is a mistake of its own
	}
	v, ok := q.Enum.Number(c.Equals.Word)
	if !ok {
		return c, []Mistake{{
			[]any{"equals"},
			c.Metric + " has no value named " + c.Equals.Word,
			"use a number or one of " + words(q.Enum),
		}}
	}
	c.Equals = &Scalar{Number: v}
	return c, nil
}
