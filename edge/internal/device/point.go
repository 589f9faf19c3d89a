package device

import (
	"time"
)

// Register names one of Modbus' four address spaces.
type Register string

// The four address spaces. Holding and input hold 16-bit registers, coil and
// discrete single bits.
const (
	Holding  Register = "holding"
	Input    Register = "input"
	Coil     Register = "coil"
	Discrete Register = "discrete"
)

// Bits reports whether the space holds single bits.
func (r Register) Bits() bool { return r == Coil || r == Discrete }

// Type says how a point's registers become a number.
type Type string

// The types. Bits is an unsigned word whose bits mean something each; it is
// never scaled. Bool is 1 if any of the chosen bits is set.
const (
	Bool    Type = "bool"
	Uint16  Type = "uint16"
	Int16   Type = "int16"
	Uint32  Type = "uint32"
	Int32   Type = "int32"
	Uint64  Type = "uint64"
	Int64   Type = "int64"
	Float32 Type = "float32"
	Float64 Type = "float64"
	Bits    Type = "bits"
)

// Registers returns how many 16-bit registers a value takes, 0 for an unknown
// type.
func (t Type) Registers() int {
	switch t {
	case Bool, Uint16, Int16, Bits:
		return 1
	case Uint32, Int32, Float32:
		return 2
	case Uint64, Int64, Float64:
		return 4
	}
	return 0
}

// Order says in which order a value's bytes stand in its registers, A being
// the most significant. For 64-bit values the same pattern holds over the
// whole: CDAB is "low word first", BADC "bytes swapped in each word", DCBA
// "all reversed".
type Order string

// The four byte orders.
const (
	ABCD Order = "ABCD"
	CDAB Order = "CDAB"
	BADC Order = "BADC"
	DCBA Order = "DCBA"
)

// Enum names the values of a point, such as {0: closed, 1: open}.
type Enum map[float64]string

// Number returns the value that word stands for.
func (e Enum) Number(word string) (float64, bool) {
	for v, w := range e {
		if w == word {
			return v, true
		}
	}
	return 0, false
}

// Point is one quantity on a device. Its Name is the metric of its series.
type Point struct {
	Name string `yaml:"name"`
	// Title is what people read, such as 电机温度.
	Title string `yaml:"title"`
	// Unit is the unit of the value after Scale and Offset, such as °C.
	Unit string `yaml:"unit"`
	// Enum turns a device's words into numbers and numbers into words.
	Enum Enum `yaml:"enum"`
	// Scale and Offset turn what the device says into the unit:
	// value = raw*Scale + Offset. Scale is 1 where the file has none.
	Scale  float64 `yaml:"scale"`
	Offset float64 `yaml:"offset"`

	// JSON is the name in an MQTT device's payload; Name where the file has
	// none. It is unused for Modbus.
	JSON string `yaml:"json"`

	// Register, Address (zero-based), Type and Order say where and how a
	// Modbus device keeps the value. They are unused for MQTT.
	Register Register `yaml:"register"`
	Address  uint16   `yaml:"address"`
	Type     Type     `yaml:"type"`
	Order    Order    `yaml:"order"`
	// Mask, where not 0, picks a field out of an integer, shifted down to bit
	// 0. A signed type takes the field's top bit as its sign. Of a bool it
	// names the bits that count. `bit: n` in the file is `mask: 1<<n`.
	Mask uint64 `yaml:"mask"`
	// Bit is the file's short form of Mask; Compile folds it into Mask.
	Bit *uint8 `yaml:"bit"`

	// Every is the polling period.
	Every time.Duration `yaml:"every"`
	// Deadband: a polled value that differs from the last reported one by no
	// more than this is not reported. Equal values are never reported twice
	// within a Heartbeat.
	Deadband float64 `yaml:"deadband"`
	// Heartbeat is the longest time between two reports of a polled value
	// that does not change.
	Heartbeat time.Duration `yaml:"heartbeat"`
	// Latch: the device clears the bits by itself. A bit that was seen set is
	// reported set until every poll for LatchHold has seen it clear; a failed
	// poll starts that time again. So no rising edge that a poll saw is lost
	// on a slower reader, and a flickering bit is one episode.
	Latch     bool          `yaml:"latch"`
	LatchHold time.Duration `yaml:"latch_hold"`
	// Writable points may be written where the estate's file allows it too.
	Writable bool `yaml:"writable"`
}
