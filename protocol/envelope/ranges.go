package envelope

import "slices"

// RangeSet is a set of Sequences as ascending Ranges that neither overlap nor
// touch. The zero value is the empty set; methods return a new set.
type RangeSet []Range

// Add returns s with r in it.
func (s RangeSet) Add(r Range) RangeSet {
	// i is the first range that r overlaps or touches, j the first behind it.
	i := 0
	for i < len(s) && s[i].Last < r.First && s[i].Last+1 != r.First {
		i++
	}
	j := i
	for j < len(s) && (r.Last == ^Sequence(0) || s[j].First <= r.Last+1) {
		r.First, r.Last = min(r.First, s[j].First), max(r.Last, s[j].Last)
		j++
	}
	out := make(RangeSet, 0, len(s)+1)
	out = append(out, s[:i]...)
	out = append(out, r)
	return append(out, s[j:]...)
}

// AddAll returns s with all of rs in it.
func (s RangeSet) AddAll(rs []Range) RangeSet {
	for _, r := range rs {
		s = s.Add(r)
	}
	return s
}

// Contains reports whether every Sequence of r is in s.
func (s RangeSet) Contains(r Range) bool {
	i, _ := slices.BinarySearchFunc(s, r.First, func(x Range, first Sequence) int {
		if x.Last < first {
			return -1
		}
		return 1
	})
	return i < len(s) && s[i].First <= r.First && r.Last <= s[i].Last
}

// ContainsAll reports whether every Sequence of rs is in s.
func (s RangeSet) ContainsAll(rs []Range) bool {
	return !slices.ContainsFunc(rs, func(r Range) bool { return !s.Contains(r) })
}

// Missing returns the parts of r that are not in s, ascending.
func (s RangeSet) Missing(r Range) []Range {
	var out []Range
	next := r.First
	for _, x := range s {
		if x.Last < next {
			continue
		}
		if x.First > r.Last {
			break
		}
		if x.First > next {
			out = append(out, Range{next, x.First - 1})
		}
		if x.Last >= r.Last {
			return out
		}
		next = x.Last + 1
	}
	return append(out, Range{next, r.Last})
}
