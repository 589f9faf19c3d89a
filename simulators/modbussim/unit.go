package modbussim

import (
	"math"
	"sync"
)

// Unit is one device behind the server.
type Unit struct {
	mu       sync.Mutex // guards what follows
	holding  map[uint16]uint16
	input    map[uint16]uint16
	coils    map[uint16]bool
	discrete map[uint16]bool
	script   []step
	served   map[byte]int
}

// step is one entry of a unit's script: times < 0 means for ever.
type step struct {
	fault Fault
	times int
}

func newUnit() *Unit {
	return &Unit{
		holding: map[uint16]uint16{}, input: map[uint16]uint16{},
		coils: map[uint16]bool{}, discrete: map[uint16]bool{}, served: map[byte]int{},
	}
}

// SetHolding sets holding registers from address on.
func (u *Unit) SetHolding(address uint16, values ...uint16) { put(u, u.holding, address, values) }

// SetInput sets input registers from address on.
func (u *Unit) SetInput(address uint16, values ...uint16) { put(u, u.input, address, values) }

// SetCoil sets coils from address on.
func (u *Unit) SetCoil(address uint16, values ...bool) { put(u, u.coils, address, values) }

// SetDiscrete sets discrete inputs from address on.
func (u *Unit) SetDiscrete(address uint16, values ...bool) { put(u, u.discrete, address, values) }

func put[T any](u *Unit, space map[uint16]T, address uint16, values []T) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for i, v := range values {
		space[address+uint16(i)] = v
	}
}

// Float32 returns a number as two registers, high word first.
func Float32(v float64) []uint16 {
	b := math.Float32bits(float32(v))
	return []uint16{uint16(b >> 16), uint16(b)}
}

// Uint32 returns a number as two registers, high word first.
func Uint32(v uint32) []uint16 { return []uint16{uint16(v >> 16), uint16(v)} }

// Fault lets the next requests to this unit go wrong: times of them, or all
// of them until Heal where times is negative. Calls queue up.
func (u *Unit) Fault(f Fault, times int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.script = append(u.script, step{f, times})
}

// Heal forgets every fault that was scripted.
func (u *Unit) Heal() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.script = nil
}

// Served returns how many requests with that function code reached the unit,
// whether they were answered well or not.
func (u *Unit) Served(function byte) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.served[function]
}

// Requests returns how many requests reached the unit.
func (u *Unit) Requests() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	n := 0
	for _, k := range u.served {
		n += k
	}
	return n
}

// take counts a request and returns the fault that is its turn.
func (u *Unit) take(function byte) Fault {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.served[function]++
	for len(u.script) > 0 {
		s := &u.script[0]
		if s.times == 0 {
			u.script = u.script[1:]
			continue
		}
		if s.times > 0 {
			s.times--
		}
		return s.fault
	}
	return Fault{}
}

// Exception codes of the protocol.
const (
	illegalFunction  = 1
	illegalAddress   = 2
	illegalValue     = 3
	gatewayNoAnswer  = 11
	maxReadRegisters = 125
	maxReadBits      = 2000
)

// answer returns the data of a reading function's response, or an exception
// code.
func (u *Unit) answer(function byte, address, count uint16) (data []byte, exception byte) {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch function {
	case 1:
		return readBits(u.coils, address, count)
	case 2:
		return readBits(u.discrete, address, count)
	case 3:
		return readRegisters(u.holding, address, count)
	case 4:
		return readRegisters(u.input, address, count)
	}
	return nil, illegalFunction
}

func readRegisters(space map[uint16]uint16, address, count uint16) ([]byte, byte) {
	if count == 0 || count > maxReadRegisters {
		return nil, illegalValue
	}
	if int(address)+int(count) > 1<<16 {
		return nil, illegalAddress
	}
	data := make([]byte, 0, 2*count)
	for i := range count {
		v, ok := space[address+i]
		if !ok {
			return nil, illegalAddress
		}
		data = append(data, byte(v>>8), byte(v))
	}
	return data, 0
}

func readBits(space map[uint16]bool, address, count uint16) ([]byte, byte) {
	if count == 0 || count > maxReadBits {
		return nil, illegalValue
	}
	if int(address)+int(count) > 1<<16 {
		return nil, illegalAddress
	}
	data := make([]byte, (count+7)/8)
	for i := range count {
		v, ok := space[address+i]
		if !ok {
			return nil, illegalAddress
		}
		if v {
			data[i/8] |= 1 << (i % 8)
		}
	}
	return data, 0
}
