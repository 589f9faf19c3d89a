package desk

import (
	"time"

	"github.com/linshao/linshao/protocol/ticket"
)

// Due says until when a ticket's next steps are expected, in Unix ms; 0 where
// nothing is promised. This is the resident's clock: it runs from the event,
// wherever the page was lost meanwhile.
type Due struct {
	AcceptBy   int64 `json:"accept_by,omitempty"`
	ArriveBy   int64 `json:"arrive_by,omitempty"`
	ResolveBy  int64 `json:"resolve_by,omitempty"`
	FeedbackBy int64 `json:"feedback_by,omitempty"`
}

// Targets are the promised times of one class of tickets; 0 promises nothing.
type Targets struct {
	Accept   time.Duration `yaml:"accept" json:"accept"`
	Arrive   time.Duration `yaml:"arrive" json:"arrive"`
	Resolve  time.Duration `yaml:"resolve" json:"resolve"`
	Feedback time.Duration `yaml:"feedback" json:"feedback"`
}

// Clocks holds the targets by severity, and those of life safety, which go
// before any severity.
type Clocks struct {
	BySeverity map[ticket.Severity]Targets `yaml:"by_severity" json:"by_severity"`
	LifeSafety Targets                     `yaml:"life_safety" json:"life_safety"`
}

// DefaultClocks are the trade's: a member answers within 30 min, the simple is
// solved within 1 h, the complex gets an answer within 24 h; a rescue starts
// within 3 min and somebody is there within 15.
func DefaultClocks() Clocks {
	usual := Targets{Accept: 30 * time.Minute, Resolve: time.Hour, Feedback: 24 * time.Hour}
	return Clocks{
		BySeverity: map[ticket.Severity]Targets{
			ticket.Critical: usual, ticket.Major: usual, ticket.Minor: usual, ticket.Warning: usual,
		},
		LifeSafety: Targets{Accept: 3 * time.Minute, Arrive: 15 * time.Minute, Resolve: time.Hour, Feedback: 24 * time.Hour},
	}
}

func (c Clocks) targets(s ticket.Severity, f ticket.Fault) Targets {
	if f.LifeSafety() {
		return c.LifeSafety
	}
	return c.BySeverity[s]
}

// Due returns the resident's clock of a ticket whose present round began at
// beganMS.
func (c Clocks) Due(s ticket.Severity, f ticket.Fault, beganMS int64) Due {
	t := c.targets(s, f)
	by := func(d time.Duration) int64 {
		if d <= 0 {
			return 0
		}
		return beganMS + d.Milliseconds()
	}
	return Due{AcceptBy: by(t.Accept), ArriveBy: by(t.Arrive), ResolveBy: by(t.Resolve), FeedbackBy: by(t.Feedback)}
}

// AnswerBy returns the person's clock: until when whoever was paged is
// expected to accept, counted from when the page was delivered (0: not yet, or
// nothing promised). Only this clock judges people.
func (c Clocks) AnswerBy(s ticket.Severity, f ticket.Fault, deliveredMS int64) int64 {
	if deliveredMS == 0 {
		return 0
	}
	return c.Due(s, f, deliveredMS).AcceptBy
}
