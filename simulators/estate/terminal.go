package estate

import "math"

// FaultBits are the add-on terminal's fault register. They are levels: each
// clears itself when its condition ends.
type FaultBits uint16

// The fault bits that these models can cause.
const (
	TrappedLevel    FaultBits = 0x001 // 平层困人
	TrappedOffLevel FaultBits = 0x002 // 非平层困人
	StoppedOutside  FaultBits = 0x020 // stopped outside the door zone
	DoorHeldOpen    FaultBits = 0x400
)

// What the terminal is set to, as its registers 16 to 18 say: its maker's
// defaults.
const (
	LevelSeconds    = 90
	OffLevelSeconds = 15
	OutsideSeconds  = 15
	HeldMinutes     = 1
)

// Terminal is all that the add-on terminal of a lift knows.
type Terminal struct {
	Faults                  FaultBits
	Up, Down, Level, Door   bool
	Person, Inspection      bool
	AlarmKey                bool
	Floor                   int
	SpeedMS                 float64
	DoorOpenings            uint32
	FloorsTravelled         uint32
	Floors                  int
	StoreyM                 float64
	MotorC                  float64
	VibrationZ, VibrationXY float64
}

// watch is the terminal's own judgement, which needs to remember since when.
type watch struct {
	trappedMS, outsideMS, openMS int64
	faults                       FaultBits
	shake                        float64
}

func (w *watch) step(l *lift, nowMS int64) {
	still := l.speed == 0
	w.trappedMS = since(w.trappedMS, still && !l.levelled() && len(l.aboard) > 0, nowMS)
	w.outsideMS = since(w.outsideMS, still && !l.levelled(), nowMS)
	w.openMS = since(w.openMS, l.doorOpen(), nowMS)
	w.faults = 0
	// A passenger who presses the alarm key needs no 15 s of proof.
	if lasting(w.trappedMS, nowMS, OffLevelSeconds) || w.trappedMS != 0 && l.alarm {
		w.faults |= TrappedOffLevel
	}
	if lasting(w.outsideMS, nowMS, OutsideSeconds) {
		w.faults |= StoppedOutside
	}
	if lasting(w.openMS, nowMS, 60*HeldMinutes) {
		w.faults |= DoorHeldOpen
	}
	w.shake = math.Abs(l.speed)*3 + 2*l.rng.Float64()
}

// since keeps the first instant at which holds became true, 0 while it is not.
func since(ms int64, holds bool, nowMS int64) int64 {
	switch {
	case !holds:
		return 0
	case ms == 0:
		return nowMS
	}
	return ms
}

func lasting(sinceMS, nowMS int64, seconds int64) bool {
	return sinceMS != 0 && nowMS-sinceMS >= seconds*1000
}

func (l *lift) terminal() Terminal {
	return Terminal{
		Faults: l.watch.faults,
		Up:     l.speed > 0, Down: l.speed < 0,
		Level: l.levelled(), Door: l.doorOpen(),
		Person: len(l.aboard) > 0, Inspection: l.phase == rescue, AlarmKey: l.alarm,
		Floor: l.nearest(), SpeedMS: math.Abs(l.speed),
		DoorOpenings: l.doors, FloorsTravelled: uint32(l.passed),
		Floors: l.floors, StoreyM: storeyM, MotorC: l.motor.temperature(),
		VibrationZ: l.watch.shake, VibrationXY: l.watch.shake / 2,
	}
}

func (l *lift) values() map[string]any {
	t := l.terminal()
	return map[string]any{
		"fault_bits": float64(t.Faults), "trapped": t.Faults&(TrappedLevel|TrappedOffLevel) != 0,
		"going_up": t.Up, "going_down": t.Down, "at_level": t.Level, "door": doorWord(t.Door),
		"person": t.Person, "inspection": t.Inspection, "alarm_key": t.AlarmKey,
		"floor": float64(t.Floor), "speed": rounded(t.SpeedMS, 10),
		"door_openings": float64(t.DoorOpenings), "floors_travelled": float64(t.FloorsTravelled),
		"motor_temp": rounded(t.MotorC, 10),
	}
}

func doorWord(open bool) string {
	if open {
		return "open"
	}
	return "closed"
}
