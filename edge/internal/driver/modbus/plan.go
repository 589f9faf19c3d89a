package modbus

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/linshao/linshao/edge/internal/device"
)

// Block is a stretch of registers (or of bits, for coils and discrete inputs)
// that one request reads.
type Block struct {
	Register device.Register
	Address  uint16
	Count    int
}

// end is the first address after the block.
func (b Block) end() int { return int(b.Address) + b.Count }

// String returns "holding 3-6".
func (b Block) String() string {
	if b.Count == 1 {
		return fmt.Sprintf("%s %d", b.Register, b.Address)
	}
	return fmt.Sprintf("%s %d-%d", b.Register, b.Address, b.end()-1)
}

// Limits is what a model of device bears.
type Limits struct {
	// MaxRegisters and MaxCoils bound one block.
	MaxRegisters, MaxCoils int
	// MaxHole is how many registers between two wanted ones may be read along;
	// of bits it is 16 times as many.
	MaxHole int
	// NeverRead must not be touched, not even as part of a hole.
	NeverRead []device.Range
}

// The planner's errors.
var (
	ErrOverlap = errors.New("two entries share an address")
	ErrEmpty   = errors.New("there is nothing to read")
	ErrTooWide = errors.New("an entry is wider than one read may be")
)

// PlanBlocks groups regs, each the place of one value, into reads of at most
// 125 16-bit registers or 2,000 bits each, or fewer where lim says so (MODBUS
// Application Protocol V1.1b3, 6.1 to 6.4). A value is never torn between two
// blocks. Holes are read along up to lim.MaxHole, but never an address of
// lim.NeverRead. Blocks come back in the order of space and address,
// 1 <= len(blocks) <= len(regs), and cover each entry once. It returns
// ErrOverlap if two entries share an address, ErrEmpty if regs has none and
// ErrTooWide for an entry that no block can hold. regs is not changed.
func PlanBlocks(regs []Block, lim Limits) ([]Block, error) {
	if len(regs) == 0 {
		return nil, ErrEmpty
	}
	sorted := slices.Clone(regs)
	slices.SortFunc(sorted, func(a, b Block) int {
		return cmp.Or(cmp.Compare(space(a.Register), space(b.Register)), cmp.Compare(a.Address, b.Address))
	})
	var blocks []Block
	for i, r := range sorted {
		if r.Count < 1 || r.Count > lim.widest(r.Register) {
			return nil, fmt.Errorf("%v: %w", r, ErrTooWide)
		}
		if i > 0 && sorted[i-1].Register == r.Register && sorted[i-1].end() > int(r.Address) {
			return nil, fmt.Errorf("%v and %v: %w", sorted[i-1], r, ErrOverlap)
		}
		if n := len(blocks); n > 0 && lim.joins(blocks[n-1], r) {
			blocks[n-1].Count = r.end() - int(blocks[n-1].Address)
			continue
		}
		blocks = append(blocks, r)
	}
	return blocks, nil
}

func space(r device.Register) int {
	return slices.Index([]device.Register{device.Coil, device.Discrete, device.Holding, device.Input}, r)
}

func (l Limits) widest(r device.Register) int {
	if r.Bits() {
		return min(l.MaxCoils, device.MaxCoils)
	}
	return min(l.MaxRegisters, device.MaxRegisters)
}

// joins reports whether the next entry may become part of the block.
func (l Limits) joins(b, next Block) bool {
	hole := int(next.Address) - b.end()
	most := l.MaxHole
	if b.Register.Bits() {
		most *= 16
	}
	if b.Register != next.Register || hole > most || next.end()-int(b.Address) > l.widest(b.Register) {
		return false
	}
	return !slices.ContainsFunc(l.NeverRead, func(r device.Range) bool {
		return r.Register == b.Register && int(r.From) < int(next.Address) && int(r.To) >= b.end()
	})
}
