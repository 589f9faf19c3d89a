package estate

import "math/rand/v2"

const (
	machineRoomC   = 26.0
	loadC          = 24.0  // above the room when it never rests
	warmSeconds    = 600.0 // thermal time constant
	driftCPerS     = 0.3   // a failing fan: from 40 to 85 degrees in some minutes
	hottestDriftC  = 62.0
	coolingSeconds = 60.0
)

// motor is the hoist motor's temperature: a slow answer to load, a random walk
// on top, and the drift of a failing fan.
type motor struct {
	celsius  float64
	wander   float64
	drift    float64
	drifting bool
}

func newMotor(rng *rand.Rand) motor {
	return motor{celsius: machineRoomC + 8 + 6*rng.Float64()}
}

func (m *motor) step(load float64, rng *rand.Rand) {
	dt := tick.Seconds()
	m.celsius += (machineRoomC + 4 + loadC*load - m.celsius) * dt / warmSeconds
	m.wander += -m.wander*dt/30 + (rng.Float64()-0.5)*0.12
	if m.drifting {
		m.drift = min(hottestDriftC, m.drift+driftCPerS*dt)
		return
	}
	m.drift -= m.drift * dt / coolingSeconds
}

func (m *motor) temperature() float64 { return m.celsius + m.wander + m.drift }
