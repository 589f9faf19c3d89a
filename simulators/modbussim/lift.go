package modbussim

import "math"

// Lift is what an add-on lift terminal knows; it becomes the 19 holding
// registers and the probe's two input registers that the profile
// lift-terminal reads.
type Lift struct {
	// Faults are the terminal's fault bits, 0x001 trapped at level to 0x800
	// power cut.
	Faults uint16

	Up, Down, Level, DoorOpen    bool
	Person, Inspection, AlarmKey bool
	// SensorFaults are the terminal's own sensor fault bits.
	SensorFaults uint8

	// Floor is negative below ground.
	Floor int8
	// SpeedMS is in m/s, 0 to 25.5.
	SpeedMS                       float64
	DoorOpenings, FloorsTravelled uint32

	// The last run, in m/s², seconds and metres.
	Acceleration, Deceleration, MaxStart, MaxBrake float64
	RunSeconds, RunMetres                          uint8

	VibrationZ, VibrationY, VibrationX, NoiseDB uint8

	// FloorsAbove, FloorsBelow and StoreyM are the building's.
	FloorsAbove, FloorsBelow uint8
	StoreyM                  float64

	// MotorC is the probe's temperature in °C.
	MotorC float64
}

// The terminal's thresholds as it comes from the box: overspeed in m/s, the
// rest in seconds, minutes and door cycles.
const (
	overspeedMS      = 3.0
	trappedLevelS    = 90
	trappedOffLevelS = 15
	offZoneS         = 15
	runTimeoutMin    = 1
	doorHeldMin      = 1
	doorCycles       = 20
)

// Registers returns the 19 holding registers.
func (l Lift) Registers() []uint16 {
	status := uint8(0)
	for i, set := range []bool{l.Up, l.Down, l.Level, l.DoorOpen, l.Person, l.Inspection, l.AlarmKey} {
		if set {
			status |= 1 << i
		}
	}
	openings, floors := Uint32(l.DoorOpenings), Uint32(l.FloorsTravelled)
	return []uint16{
		l.Faults,
		pair(status, l.SensorFaults),
		pair(uint8(l.Floor), tenths8(l.SpeedMS)),
		openings[0], openings[1],
		floors[0], floors[1],
		pair(tenths8(l.Acceleration), tenths8(l.Deceleration)),
		uint16(tenths8(l.MaxStart)),
		uint16(tenths8(l.MaxBrake)),
		pair(l.RunSeconds, l.RunMetres),
		pair(l.VibrationZ, l.VibrationY),
		pair(l.VibrationX, l.NoiseDB),
		pair(l.FloorsAbove, l.FloorsBelow),
		pair(1, tenths8(l.StoreyM)),
		uint16(tenths8(overspeedMS)),
		pair(trappedLevelS, trappedOffLevelS),
		pair(offZoneS, runTimeoutMin),
		pair(doorHeldMin, doorCycles),
	}
}

// SetLift writes the terminal's whole image: holding registers 0 to 18, and
// the probe's temperature as float32 in input registers 100 and 101.
func (u *Unit) SetLift(l Lift) {
	u.SetHolding(0, l.Registers()...)
	u.SetInput(100, Float32(l.MotorC)...)
}

func pair(high, low uint8) uint16 { return uint16(high)<<8 | uint16(low) }

// tenths8 packs a number into a byte of tenths, keeping to what fits.
func tenths8(v float64) uint8 {
	return uint8(math.Round(max(0, min(v*10, 255))))
}
