package vfs

import (
	"maps"
	"math/rand/v2"
	"slices"
)

// sector is the unit that a disk writes whole or not at all.
const sector = 512

// Clone returns what another process would find if this one were killed now:
// everything written, synced or not. m is not changed.
func (m *Mem) Clone() *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.cloneLocked(func(i *inode) []byte { return slices.Clone(i.now) }, m.names)
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
	return m.cloneLocked(func(i *inode) []byte { return i.afterCrash(r) }, names)
}

// cloneLocked builds a Mem in which all is durable. Order of the map must not
// matter to a seed, so names are visited sorted.
func (m *Mem) cloneLocked(content func(*inode) []byte, names map[string]*inode) *Mem {
	c := NewMem()
	c.capacity = m.capacity
	c.dirs = maps.Clone(m.dirs)
	copies := map[*inode]*inode{}
	for _, n := range slices.Sorted(maps.Keys(names)) {
		i := names[n]
		if copies[i] == nil {
			b := content(i)
			copies[i] = &inode{now: b, durable: slices.Clone(b)}
		}
		c.names[n] = copies[i]
		c.durable[n] = copies[i]
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
