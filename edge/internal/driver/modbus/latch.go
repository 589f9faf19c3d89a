package modbus

import "time"

// latch holds bits that a device clears by itself. A bit that was seen set
// stays set until every look for hold has seen it clear; a look that failed
// starts that time again, because nobody knows what it would have shown.
type latch struct {
	hold time.Duration
	held uint64
	// clearSince is when a held bit was first seen clear; it means something
	// only for bits in clearing.
	clearSince [16]time.Duration
	clearing   uint64
}

// see takes what the device shows and returns what counts.
func (l *latch) see(now uint64, at time.Duration) uint64 {
	l.held |= now
	l.clearing &^= now
	for i := range l.clearSince {
		bit := uint64(1) << i
		if l.held&bit == 0 || now&bit != 0 {
			continue
		}
		if l.clearing&bit == 0 {
			l.clearing |= bit
			l.clearSince[i] = at
		}
		if at-l.clearSince[i] >= l.hold {
			l.held &^= bit
			l.clearing &^= bit
		}
	}
	return l.held
}

// lost says that a look failed.
func (l *latch) lost() { l.clearing = 0 }
