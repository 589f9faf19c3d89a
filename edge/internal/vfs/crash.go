package vfs

import (
	"maps"
	"math/rand/v2"
	"slices"
)

// sector is the unit that a disk writes whole or not at all.
const sector = 512

// Clone returns what another process finds when this one is killed now:
// everything written, but what was not synced may still be lost when the power
// goes. m is not changed and may go on.
func (m *Mem) Clone() *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := NewMem()
	c.capacity, c.dirs = m.capacity, maps.Clone(m.dirs)
	copies := map[*inode]*inode{nil: nil}
	of := func(i *inode) *inode {
		if copies[i] == nil && i != nil {
			copies[i] = &inode{now: slices.Clone(i.now), durable: slices.Clone(i.durable), writes: slices.Clone(i.writes)}
		}
		return copies[i]
	}
	for n, i := range m.names {
		c.names[n] = of(i)
	}
	for n, i := range m.durable {
		c.durable[n] = of(i)
	}
	for _, ch := range m.changes {
		ch.node = of(ch.node)
		c.changes = append(c.changes, ch)
	}
	return c
}

// Crash returns what is found after the power was cut now: everything synced,
// and of the rest what the seed decides, each sector and each change of names
// on its own. m is not changed and may go on.
func (m *Mem) Crash(seed uint64) *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := rand.New(rand.NewPCG(seed, 0x1155))
	names := maps.Clone(m.durable)
	keep := mood(r)
	for _, c := range m.changes {
		if keep(r) {
			c.apply(names)
		}
	}
	c := NewMem()
	c.capacity, c.dirs = m.capacity, maps.Clone(m.dirs)
	copies := map[*inode]*inode{}
	for _, n := range slices.Sorted(maps.Keys(names)) { // sorted, so that a seed means one crash
		i := names[n]
		if copies[i] == nil {
			b := i.afterCrash(r)
			copies[i] = &inode{now: b, durable: slices.Clone(b)}
		}
		c.names[n], c.durable[n] = copies[i], copies[i]
	}
	return c
}

// afterCrash applies a part of the writes that were not synced.
func (i *inode) afterCrash(r *rand.Rand) []byte {
	b := slices.Clone(i.durable)
	keep := mood(r)
	for _, w := range i.writes {
		if len(w.b) == 0 {
			if keep(r) {
				b = w.apply(b)
			}
			continue
		}
		for at := w.at; at < w.at+int64(len(w.b)); {
			end := min((at/sector+1)*sector, w.at+int64(len(w.b)))
			if keep(r) {
				b = write{at: at, b: w.b[at-w.at : end-w.at]}.apply(b)
			}
			at = end
		}
	}
	return b
}

// mood picks how a crash treats one file: all lost, all kept, or a coin for
// each piece. Pure coins would hardly ever lose or keep a long write whole.
func mood(r *rand.Rand) func(*rand.Rand) bool {
	switch r.IntN(4) {
	case 0:
		return func(*rand.Rand) bool { return false }
	case 1:
		return func(*rand.Rand) bool { return true }
	default:
		return func(r *rand.Rand) bool { return r.IntN(2) == 0 }
	}
}
