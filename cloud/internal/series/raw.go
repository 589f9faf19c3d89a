package series

import (
	"cmp"
	"slices"
)

// SortPoints orders points by time, keeping the order of equal times.
func SortPoints(ps []Point) {
	slices.SortStableFunc(ps, func(a, b Point) int { return cmp.Compare(a.AtMS, b.AtMS) })
}

// MergeRaw orders raw samples of several series by time and keeps one of
// those that share a time: a value before a gap, else the first.
func MergeRaw(ps []Point) []Point {
	slices.SortStableFunc(ps, func(a, b Point) int {
		if c := cmp.Compare(a.AtMS, b.AtMS); c != 0 {
			return c
		}
		return cmp.Compare(bit(a.Gap), bit(b.Gap))
	})
	return slices.CompactFunc(ps, func(a, b Point) bool { return a.AtMS == b.AtMS })
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}
