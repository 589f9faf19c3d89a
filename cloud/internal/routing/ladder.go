package routing

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/linshao/linshao/protocol/ticket"
)

// Numbers of the steps that no policy lists, far from those that count a
// policy's steps from 0. A person is paged once per (ticket, round, step,
// channel).
const (
	StepTransfer    = 800 // whoever was handed the ticket
	StepFallback    = 900 // every manager and desk, when nobody else was found
	StepEverybody   = 901 // everybody who can be reached at all
	StepEscalated   = 950 // a person pressed 升级 at the end of the ladder; counts up
	StepOverdue     = 1000
	stepMember      = 100 // entrapment
	stepDesk        = 101
	stepMaintainer  = 102
	stepDeskAgain   = 103
	stepManager     = 104
	entrapmentAgain = 3 * time.Minute
)

// restAfter is when the rest of a shift follows its vanguard members, at the
// latest: half-way to the next step if that is sooner.
const restAfter = 30 * time.Second

// transferLead is the head start of a person the ticket was handed to.
const transferLead = 60 * time.Second

// Words of Step.To; StaffPrefix is followed by a staff id.
const (
	ToDuty       = "duty"
	ToLeader     = "leader"
	ToManager    = "manager"
	ToDesk       = "desk"
	ToMaintainer = "maintainer"
	StaffPrefix  = "staff:"
)

// Words that only built-in rungs use.
const (
	toDutyRest      = "duty rest"
	toDeskOrManager = "desk or manager"
	toSuperiors     = "superiors"
	toFallback      = "fallback"
	toEverybody     = "everybody"
)

// ladder is one track; rung is one thing to do in it.
type ladder struct {
	track string
	rungs []rung
}

type rung struct {
	key   string
	step  int
	to    string
	after time.Duration
	// optional rungs may be empty without anything being wrong.
	optional bool
}

// laddersFor returns the common ladder first. None means that the ticket is
// only listed; the string then says why.
func laddersFor(policies []Policy, t ticket.Ticket, l leg) ([]ladder, string) {
	steps, matched := stepsFor(policies, t)
	if t.Condition == ticket.Cleared && (t.Severity == ticket.Minor || t.Severity == ticket.Warning) && !t.Fault.LifeSafety() {
		return nil, "cleared_by_itself"
	}
	if len(steps) == 0 && l.to == "" && !mustPage(t) {
		if matched {
			return nil, "policy_pages_nobody"
		}
		return nil, "listed_only"
	}
	out := byTrack(steps)
	if l.to != "" {
		out[0] = handedOver(out[0], l.to)
	}
	if t.Fault == ticket.Entrapment {
		out = append(out, entrapmentLadders()...)
	}
	return out, ""
}

// mustPage: for these, silence is never an answer.
func mustPage(t ticket.Ticket) bool {
	return t.Severity == ticket.Critical || t.Severity == ticket.Major || t.Fault.LifeSafety()
}

func stepsFor(policies []Policy, t ticket.Ticket) (steps []Step, matched bool) {
	if p, ok := Choose(policies, t); ok {
		return p.Steps, true
	}
	return DefaultSteps(t.Severity), false
}

// DefaultSteps is the ladder of tickets that no policy matches. A warning has
// none: it is listed, and pages only where a policy says so.
func DefaultSteps(s ticket.Severity) []Step {
	at := func(leader, manager, desk time.Duration) []Step {
		return []Step{{To: ToDuty}, {To: ToLeader, After: leader}, {To: ToManager, After: manager}, {To: ToDesk, After: desk}}
	}
	switch s {
	case ticket.Critical:
		return at(time.Minute, 3*time.Minute, 5*time.Minute)
	case ticket.Major:
		return at(2*time.Minute, 10*time.Minute, 15*time.Minute)
	case ticket.Minor:
		return []Step{{To: ToDuty}, {To: ToLeader, After: 15 * time.Minute}}
	}
	return nil
}

// byTrack makes one ladder per track, the common one first (perhaps empty).
func byTrack(steps []Step) []ladder {
	out := []ladder{{}}
	for i, s := range steps {
		at := slices.IndexFunc(out, func(l ladder) bool { return l.track == s.Track })
		if at < 0 {
			at = len(out)
			out = append(out, ladder{track: s.Track})
		}
		out[at].rungs = append(out[at].rungs, rung{key: strconv.Itoa(i), step: i, to: s.To, after: s.After})
	}
	for i := range out {
		out[i].rungs = withRest(out[i].rungs)
	}
	return out
}

// withRest sorts the rungs by time and lets the rest of the shift follow its
// vanguard members.
func withRest(rungs []rung) []rung {
	byAfter := func(a, b rung) int { return int(min(max(a.after-b.after, -1), 1)) }
	slices.SortStableFunc(rungs, byAfter)
	var rests []rung
	for i, r := range rungs {
		if r.to != ToDuty {
			continue
		}
		wait := restAfter
		for _, next := range rungs[i+1:] {
			if next.after > r.after {
				wait = min(wait, (next.after-r.after)/2)
				break
			}
		}
		rests = append(rests, rung{key: r.key + " rest", step: r.step, to: toDutyRest, after: r.after + wait, optional: true})
	}
	rungs = append(rungs, rests...)
	slices.SortStableFunc(rungs, byAfter)
	return rungs
}

// handedOver puts the new assignee in front of the ladder.
func handedOver(l ladder, to string) ladder {
	rungs := []rung{{key: "transfer", step: StepTransfer, to: StaffPrefix + to}}
	for _, r := range l.rungs {
		r.after += transferLead
		rungs = append(rungs, r)
	}
	return ladder{track: l.track, rungs: rungs}
}

// entrapmentLadders are there whatever the policy says: desk, maintainer and
// the member on duty in parallel, manager and desk at 3 min.
func entrapmentLadders() []ladder {
	one := func(track string, rungs ...rung) ladder {
		for i := range rungs {
			rungs[i].key = strconv.Itoa(rungs[i].step)
		}
		return ladder{track: entrapmentTrack + track, rungs: rungs}
	}
	return []ladder{
		one("desk", rung{step: stepDesk, to: toDeskOrManager}, rung{step: stepDeskAgain, to: ToDesk, after: entrapmentAgain}),
		one("maintainer", rung{step: stepMaintainer, to: ToMaintainer}),
		one("member", rung{step: stepMember, to: ToDuty}),
		one("manager", rung{step: stepManager, to: ToManager, after: entrapmentAgain}),
	}
}

const entrapmentTrack = "entrapment/"

func (r rung) String() string { return fmt.Sprintf("%s after %s", r.to, r.after) }
