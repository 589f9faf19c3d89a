package modbus

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/linshao/linshao/edge/internal/device"
)

var usual = Limits{MaxRegisters: 125, MaxCoils: 2000, MaxHole: 16}

func holding(address uint16, count int) Block { return Block{device.Holding, address, count} }

func TestPlanBlocks(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		regs []Block
		lim  Limits
		want []Block
	}{
		"neighbours share a block": {[]Block{holding(2, 1), holding(0, 2)}, usual, []Block{holding(0, 3)}},
		"a hole is read along":     {[]Block{holding(0, 1), holding(17, 1)}, usual, []Block{holding(0, 18)}},
		"a wider hole is not":      {[]Block{holding(0, 1), holding(18, 1)}, usual, []Block{holding(0, 1), holding(18, 1)}},
		"spaces stay apart": {
			[]Block{{device.Input, 1, 1}, {device.Coil, 1, 1}, holding(1, 1), {device.Discrete, 1, 1}},
			usual,
			[]Block{{device.Coil, 1, 1}, {device.Discrete, 1, 1}, holding(1, 1), {device.Input, 1, 1}},
		},
		"a block ends at 125":        {[]Block{holding(0, 123), holding(123, 4)}, usual, []Block{holding(0, 123), holding(123, 4)}},
		"bits bear 16 times as much": {[]Block{{device.Coil, 0, 1}, {device.Coil, 257, 1}}, usual, []Block{{device.Coil, 0, 258}}},
		"the last address":           {[]Block{holding(65535, 1)}, usual, []Block{holding(65535, 1)}},
		"never read, not even as a hole": {
			[]Block{holding(0, 1), holding(5, 1)},
			Limits{MaxRegisters: 125, MaxHole: 16, NeverRead: []device.Range{{Register: device.Holding, From: 3, To: 3}}},
			[]Block{holding(0, 1), holding(5, 1)},
		},
		"what another space forbids does not count": {
			[]Block{holding(0, 1), holding(5, 1)},
			Limits{MaxRegisters: 125, MaxHole: 16, NeverRead: []device.Range{{Register: device.Input, From: 3, To: 3}}},
			[]Block{holding(0, 6)},
		},
		"a model that bears less": {[]Block{holding(0, 2), holding(2, 2)}, Limits{MaxRegisters: 3}, []Block{holding(0, 2), holding(2, 2)}},
	} {
		got, err := PlanBlocks(c.regs, c.lim)
		if d := cmp.Diff(c.want, got); d != "" || err != nil {
			t.Errorf("%s: %v\n%s", name, err, d)
		}
	}
}

func TestPlanBlocksRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		regs []Block
		want error
	}{
		"nothing":       {nil, ErrEmpty},
		"the same":      {[]Block{holding(1, 1), holding(1, 1)}, ErrOverlap},
		"a shared half": {[]Block{holding(1, 4), holding(4, 2)}, ErrOverlap},
		"too wide":      {[]Block{holding(1, 126)}, ErrTooWide},
		"no width":      {[]Block{holding(1, 0)}, ErrTooWide},
	} {
		if _, err := PlanBlocks(c.regs, usual); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAThousandFloatsTake17Requests(t *testing.T) {
	t.Parallel()
	var regs []Block
	for i := range 1000 {
		regs = append(regs, holding(uint16(2*i), 2))
	}
	blocks, err := PlanBlocks(regs, usual)
	if err != nil || len(blocks) > 17 {
		t.Errorf("%d blocks, %v", len(blocks), err)
	}
}

// Whatever is wanted: each entry is covered once and whole, in order, within
// the bounds, and nothing forbidden is touched.
func TestPlanBlocksKeepsItsPromises(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		lim := Limits{
			MaxRegisters: rapid.IntRange(4, 125).Draw(rt, "registers"),
			MaxCoils:     rapid.IntRange(1, 2000).Draw(rt, "coils"),
			MaxHole:      rapid.IntRange(0, 40).Draw(rt, "hole"),
		}
		regs := entries(rt, &lim)
		before := slices.Clone(regs)
		blocks, err := PlanBlocks(regs, lim)
		if err != nil {
			rt.Fatal(err)
		}
		if d := cmp.Diff(before, regs); d != "" {
			rt.Fatal("the input was changed")
		}
		for i, b := range blocks {
			if i > 0 && blocks[i-1].Register == b.Register && blocks[i-1].end() > int(b.Address) {
				rt.Fatalf("%v and %v share an address", blocks[i-1], b)
			}
			if b.Count > lim.widest(b.Register) || b.end() > 1<<16 {
				rt.Fatalf("%v is too wide", b)
			}
			for _, n := range lim.NeverRead {
				if n.Register == b.Register && int(n.From) < b.end() && n.To >= b.Address {
					rt.Fatalf("%v touches %v", b, n)
				}
			}
		}
		for _, r := range regs {
			covered := 0
			for _, b := range blocks {
				if b.Register == r.Register && b.Address <= r.Address && r.end() <= b.end() {
					covered++
				}
			}
			if covered != 1 {
				rt.Fatalf("%v is covered %d times", r, covered)
			}
		}
	})
}

// entries draws places that do not overlap, with forbidden ranges between.
func entries(rt *rapid.T, lim *Limits) []Block {
	var regs []Block
	for _, space := range []device.Register{device.Coil, device.Input} {
		at := 0
		for range rapid.IntRange(1, 30).Draw(rt, "entries") {
			at += rapid.IntRange(0, 50).Draw(rt, "gap")
			if rapid.IntRange(0, 9).Draw(rt, "forbid") == 0 {
				lim.NeverRead = append(lim.NeverRead, device.Range{Register: space, From: uint16(at), To: uint16(at)})
				at++
			}
			width := 1
			if !space.Bits() {
				width = rapid.SampledFrom([]int{1, 2, 4}).Draw(rt, "width")
			}
			regs = append(regs, Block{space, uint16(at), width})
			at += width
		}
	}
	return rapid.Permutation(regs).Draw(rt, "order")
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	lines, err := Describe(profile(t, `
  - {name: faults, register: holding, address: 0, type: bits, every: 100ms}
  - {name: trapped, register: holding, address: 0, type: bool, mask: 3, every: 100ms}
  - {name: floor, register: holding, address: 2, type: int16}
  - {name: count, register: holding, address: 3, type: uint32}
  - {name: temp, register: input, address: 100, type: float32}`))
	want := []string{
		"every 100ms: holding 0: faults, trapped", "every 1s: holding 2-4: floor, count", "every 1s: input 100-101: temp",
	}
	if d := cmp.Diff(want, lines); d != "" || err != nil {
		t.Error(d, err)
	}
}

// profile compiles a profile of the given points.
func profile(t testing.TB, points string) *device.Profile {
	t.Helper()
	p, err := device.Compile("test.yaml", []byte("profile: test\nkind: test\nprotocol: modbus\npoints:"+points+"\n"))
	if err != nil {
		t.Fatal(err)
	}
	return p
}
