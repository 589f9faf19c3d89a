package estate

import (
	"math"
	"math/rand/v2"
	"slices"
)

const (
	storeyM    = 2.9  // height of a storey
	liftSpeed  = 1.75 // m/s
	liftAccel  = 0.8  // m/s²
	creepSpeed = 0.3  // m/s, when rescuers level the car
	carHolds   = 10   // people

	doorMovesMS = 2000
	doorWaitsMS = 4000
)

// phase is what the car is doing.
type phase int

const (
	idle phase = iota
	moving
	opening
	waiting // doors open
	closing
	blocked // stopped with people inside
	rescue  // being levelled by hand
)

// ride is one person's way.
type ride struct{ from, to int }

// lift is one car with its doors, its passengers and the add-on terminal that
// watches it. The car moves like a car: it speeds up, brakes, levels, opens.
type lift struct {
	id     string
	rng    *rand.Rand
	floors int

	phase   phase
	sinceMS int64 // when phase began
	metres  float64
	speed   float64 // signed, m/s
	target  int
	aboard  []ride
	queue   []ride
	watch   watch
	motor   motor
	alarm   bool
	fault   bool // entrapment is coming or there
	freed   bool // the doors about to open are the rescuers'
	doors   uint32
	passed  float64 // floors travelled
}

func newLift(d Device, rng *rand.Rand) *lift {
	l := &lift{id: d.ID, rng: rng, floors: d.Floors}
	if l.floors == 0 {
		l.floors = 18
	}
	l.target = 1 + rng.IntN(l.floors)
	l.metres = float64(l.target-1) * storeyM
	l.doors = 100_000 + rng.Uint32N(50_000)
	l.passed = float64(900_000 + rng.IntN(400_000))
	l.motor = newMotor(rng)
	return l
}

// callFromHall is somebody at the ground floor who came through the gate.
func (l *lift) callFromHall() { l.call(ride{1, 2 + l.rng.IntN(l.floors-1)}) }

func (l *lift) call(r ride) { l.queue = append(l.queue, r) }

func (l *lift) step(nowMS int64) []Report {
	// Most people who go down were not announced by a gate.
	if l.rng.Float64() < passageChance(nowMS)/4 {
		l.call(ride{2 + l.rng.IntN(l.floors-1), 1})
	}
	before := l.metres
	l.live(nowMS)
	l.passed += math.Abs(l.metres-before) / storeyM
	l.motor.step(math.Abs(l.speed)/liftSpeed, l.rng)
	l.watch.step(l, nowMS)
	return nil
}

// live advances the car by one tick of its present phase.
func (l *lift) live(nowMS int64) {
	elapsed := nowMS - l.sinceMS
	switch l.phase {
	case idle:
		l.leave(nowMS)
	case moving:
		l.run(nowMS)
	case opening:
		if elapsed >= doorMovesMS {
			l.exchange()
			l.enter(waiting, nowMS)
		}
	case waiting:
		if elapsed >= doorWaitsMS || l.fault {
			l.enter(closing, nowMS)
		}
	case closing:
		if elapsed >= doorMovesMS || l.fault {
			l.enter(idle, nowMS)
		}
	case rescue:
		l.level(nowMS)
	}
}

// leave starts the next journey if somebody wants one.
func (l *lift) leave(nowMS int64) {
	floor := l.nearest()
	if l.fault {
		l.hurryIn(floor, nowMS)
		return
	}
	want, ok := l.wanted(floor)
	if !ok {
		return
	}
	if want == floor {
		l.open(nowMS)
		return
	}
	l.target = want
	l.enter(moving, nowMS)
}

// hurryIn makes sure that somebody is in the car before it gets stuck: nobody
// can appear inside closed doors, so an empty car opens them first.
func (l *lift) hurryIn(floor int, nowMS int64) {
	if len(l.aboard) == 0 {
		to := floor + 3
		if to > l.floors {
			to = max(1, floor-3)
		}
		l.aboard = append(l.aboard, ride{floor, to})
		l.open(nowMS)
		l.enter(waiting, nowMS)
		return
	}
	l.target = l.aboard[0].to
	if l.target == floor {
		l.target = floor - 1
		if floor == 1 {
			l.target = 2
		}
	}
	l.enter(moving, nowMS)
}

// wanted is the next floor: passengers before people waiting, near before far.
func (l *lift) wanted(floor int) (int, bool) {
	best, found := 0, false
	for _, r := range l.aboard {
		if !found || abs(r.to-floor) < abs(best-floor) {
			best, found = r.to, true
		}
	}
	if !found && len(l.queue) > 0 {
		return l.queue[0].from, true
	}
	return best, found
}

// run moves the car one tick towards its target, braking in time.
func (l *lift) run(nowMS int64) {
	if l.fault && len(l.aboard) == 0 {
		l.target = l.stopAhead() // nobody to trap: fetch somebody
	} else if l.fault && math.Abs(l.speed) > 0.3 && !l.levelled() {
		l.speed, l.alarm = 0, true
		l.enter(blocked, nowMS)
		return
	}
	dt := tick.Seconds()
	goal := float64(l.target-1) * storeyM
	left := goal - l.metres
	top := math.Min(liftSpeed, math.Sqrt(2*liftAccel*math.Abs(left))+0.05)
	l.speed = math.Copysign(math.Min(top, math.Abs(l.speed)+liftAccel*dt), left)
	if math.Abs(left) <= math.Abs(l.speed)*dt {
		l.metres, l.speed = goal, 0
		l.open(nowMS)
		return
	}
	l.metres += l.speed * dt
}

// stopAhead is the nearest floor before the target at which the car can halt.
func (l *lift) stopAhead() int {
	brake := l.speed * math.Abs(l.speed) / (2 * liftAccel)
	at := (l.metres+brake)/storeyM + 1
	if l.speed < 0 {
		return max(int(math.Floor(at)), l.target)
	}
	return min(int(math.Ceil(at)), l.target)
}

// level is the rescue: the car creeps to the nearest floor and opens.
func (l *lift) level(nowMS int64) {
	goal := float64(l.nearest()-1) * storeyM
	left := goal - l.metres
	way := creepSpeed * tick.Seconds()
	if math.Abs(left) > way {
		l.speed = math.Copysign(creepSpeed, left)
		l.metres += l.speed * tick.Seconds()
		return
	}
	l.metres, l.speed, l.freed = goal, 0, true
	l.open(nowMS)
}

func (l *lift) open(nowMS int64) {
	l.doors++
	l.enter(opening, nowMS)
}

// exchange lets people out and in at the present floor.
func (l *lift) exchange() {
	if l.freed { // everybody wants out, and nobody in
		l.aboard, l.freed = nil, false
		return
	}
	floor := l.nearest()
	l.aboard = slices.DeleteFunc(l.aboard, func(r ride) bool { return r.to == floor })
	l.queue = slices.DeleteFunc(l.queue, func(r ride) bool {
		if r.from != floor || len(l.aboard) == carHolds {
			return false
		}
		l.aboard = append(l.aboard, r)
		return true
	})
}

func (l *lift) enter(p phase, nowMS int64) { l.phase, l.sinceMS = p, nowMS }

func (l *lift) nearest() int { return 1 + int(math.Round(l.metres/storeyM)) }

// levelled reports whether the car stands in a door zone.
func (l *lift) levelled() bool {
	return math.Abs(l.metres-float64(l.nearest()-1)*storeyM) < 0.2
}

func (l *lift) doorOpen() bool { return l.phase == opening || l.phase == waiting }

func (l *lift) trapped() bool { return l.phase == blocked && len(l.aboard) > 0 }

func (l *lift) begin(f Fault, _ int64) {
	switch f {
	case Entrapment:
		l.fault = true
	case OverheatDrift:
		l.motor.drifting = true
	}
}

func (l *lift) end(f Fault, nowMS int64) {
	switch f {
	case Entrapment:
		l.fault, l.alarm = false, false
		if l.phase == blocked {
			l.enter(rescue, nowMS)
		}
	case OverheatDrift:
		l.motor.drifting = false
	}
}

func abs(n int) int { return max(n, -n) }
