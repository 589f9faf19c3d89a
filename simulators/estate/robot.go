package estate

import (
	"math"
	"math/rand/v2"
)

const (
	robotReportMS = 5_000
	robotSpeed    = 0.8 // m/s
	// Battery: about five hours of driving, one and a half of charging.
	drainPerSecond  = 80.0 / (5 * 3600)
	chargePerSecond = 80.0 / (1.5 * 3600)
)

// spot is a place on the estate's ground, in metres.
type spot struct{ x, y float64 }

// robot walks a closed round, goes home to charge, and waits at the lift lobby
// while people are trapped.
type robot struct {
	id  string
	rng *rand.Rand

	at      spot
	theta   float64
	speed   float64
	battery float64
	round   []spot
	next    int
	task    string // patrol, dock, charge, attend
	calls   bool   // somebody is trapped
	stuck   bool
	tilt    float64 // degrees
	warmth  float64 // of the drive, degrees
	saidMS  int64
	pending []Report
}

// dock is where robots charge, lobby where they wait for rescuers.
func dock() spot  { return spot{0, 0} }
func lobby() spot { return spot{30, 12} }

func newRobot(d Device, rng *rand.Rand, startMS int64) *robot {
	b := &robot{id: d.ID, rng: rng, task: "patrol", warmth: 30, battery: 60 + 35*rng.Float64()}
	b.saidMS = startMS - robotReportMS + rng.Int64N(robotReportMS/TickMS)*TickMS
	for _, corner := range []spot{{10, 0}, {60, 2}, {62, 40}, {30, 44}, {4, 38}} {
		b.round = append(b.round, spot{corner.x + 4*rng.Float64(), corner.y + 4*rng.Float64()})
	}
	b.at = b.round[0]
	return b
}

func (b *robot) step(nowMS int64) []Report {
	if b.choose() {
		b.pending = append(b.pending, Report{
			Device: b.id, AtMS: nowMS, Event: "checkpoint_passed", Data: map[string]any{"checkpoint": b.next},
		})
	}
	b.drive()
	b.spend()
	if nowMS-b.saidMS >= robotReportMS {
		b.saidMS = nowMS
		b.pending = append(b.pending, Report{Device: b.id, AtMS: nowMS, Values: b.values()})
	}
	out := b.pending
	b.pending = nil
	return out
}

// choose picks the task: charging ends full, an empty battery goes home, a
// trapped lift comes before the round. It reports whether the robot has just
// passed a checkpoint.
func (b *robot) choose() (passed bool) {
	switch {
	case b.stuck: // it keeps trying to do what it was doing
	case b.task == "charge" && b.battery < 95:
	case b.task == "dock" || b.battery < 20:
		b.task = "dock"
		if b.near(dock()) {
			b.task = "charge"
		}
	case b.calls:
		b.task = "attend"
	default:
		b.task = "patrol"
		if b.near(b.round[b.next]) {
			b.next = (b.next + 1) % len(b.round)
			return true
		}
	}
	return false
}

func (b *robot) goal() (spot, bool) {
	switch b.task {
	case "dock":
		return dock(), true
	case "attend":
		return lobby(), !b.near(lobby())
	case "patrol":
		return b.round[b.next], true
	}
	return spot{}, false
}

func (b *robot) driving() bool {
	_, moving := b.goal()
	return moving
}

func (b *robot) drive() {
	b.tilt = 1 + b.rng.Float64()
	goal, moving := b.goal()
	if !moving || b.stuck {
		b.speed = 0
		return
	}
	want := robotSpeed * (0.9 + 0.2*b.rng.Float64())
	b.speed += (want - b.speed) * 0.3
	dx, dy := goal.x-b.at.x, goal.y-b.at.y
	left := math.Hypot(dx, dy)
	b.theta = math.Atan2(dy, dx)
	way := math.Min(b.speed*tick.Seconds(), left)
	if left > 0 {
		b.at.x += dx / left * way
		b.at.y += dy / left * way
	}
}

func (b *robot) spend() {
	if b.task == "charge" {
		b.battery = math.Min(100, b.battery+chargePerSecond*tick.Seconds())
		return
	}
	effort := 0.2
	if b.driving() {
		effort = 1
	}
	b.warmth += (24 + 18*effort - b.warmth) * tick.Seconds() / 300
	b.battery = math.Max(1, b.battery-effort*drainPerSecond*tick.Seconds())
}

func (b *robot) near(s spot) bool { return math.Hypot(s.x-b.at.x, s.y-b.at.y) < 0.3 }

// attend tells the robot whether somebody is trapped in a lift.
func (b *robot) attend(trapped bool) { b.calls = trapped }

// words are the robot's state as its profile spells it.
func (b *robot) words() (state string, commanded float64) {
	switch {
	case b.task == "charge":
		return "charging", 0
	case !b.driving():
		return "paused", 0
	}
	return "patrolling", robotSpeed
}

func (b *robot) values() map[string]any {
	state, commanded := b.words()
	return map[string]any{
		"x": rounded(b.at.x, 100), "y": rounded(b.at.y, 100), "theta": rounded(b.theta, 1000),
		"speed": rounded(b.speed, 100), "commanded_speed": commanded, "tilt": rounded(b.tilt, 10),
		"battery": rounded(b.battery, 10), "charging": b.task == "charge", "estop": false,
		"mode": "auto", "state": state, "motor_temp": rounded(b.warmth, 10),
	}
}

func (b *robot) begin(f Fault, _ int64) {
	if f != RobotStuck {
		return
	}
	b.stuck = true
	if !b.driving() {
		// A robot that stands cannot get stuck: it was just leaving.
		b.task, b.battery = "patrol", math.Max(b.battery, 30)
	}
}

func (b *robot) end(f Fault, _ int64) {
	if f == RobotStuck {
		b.stuck = false
	}
}

// rounded keeps 1/steps, as a device's own resolution would.
func rounded(v, steps float64) float64 { return math.Round(v*steps) / steps }
