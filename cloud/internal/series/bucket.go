package series

import "math"

// Buckets folds good values, given in any order, into Points of stepMS.
type Buckets struct {
	stepMS int64
	points []Point
	counts []int64
	at     map[int64]int
}

// NewBuckets makes empty buckets of stepMS > 0.
func NewBuckets(stepMS int64) *Buckets {
	return &Buckets{stepMS: stepMS, at: map[int64]int{}}
}

// Add puts one finite value into its bucket.
func (b *Buckets) Add(atMS int64, v float64) {
	start := AlignDown(atMS, b.stepMS)
	i := len(b.points) - 1
	if i < 0 || b.points[i].AtMS != start {
		i = b.slot(start, v)
	}
	p := &b.points[i]
	b.counts[i]++
	n := float64(b.counts[i])
	p.Min, p.Max = min(p.Min, v), max(p.Max, v)
	p.Mean += v/n - p.Mean/n // never overflows, unlike a sum
}

func (b *Buckets) slot(start int64, v float64) int {
	if i, ok := b.at[start]; ok {
		return i
	}
	b.points = append(b.points, Point{AtMS: start, Min: v, Max: v})
	b.counts = append(b.counts, 0)
	b.at[start] = len(b.points) - 1
	return len(b.points) - 1
}

// Len is the number of buckets that hold something.
func (b *Buckets) Len() int { return len(b.points) }

// Points returns the buckets, ascending.
func (b *Buckets) Points() []Point {
	SortPoints(b.points)
	return b.points
}

// AlignDown returns the greatest multiple of stepMS that is not after atMS.
func AlignDown(atMS, stepMS int64) int64 {
	r := atMS % stepMS
	if r < 0 {
		r += stepMS
	}
	return atMS - r
}

// CheckRange reports ErrTooManyPoints where the buckets that Range may
// return are more than MaxBuckets.
func CheckRange(fromMS, toMS, stepMS int64) error {
	if stepMS > 0 && toMS > fromMS && uint64(toMS-fromMS)/uint64(stepMS) >= MaxBuckets {
		return ErrTooManyPoints
	}
	return nil
}

// Finite replaces a mean that overflowed by one that lies between.
func Finite(p Point) Point {
	if math.IsInf(p.Mean, 0) || math.IsNaN(p.Mean) {
		p.Mean = p.Min/2 + p.Max/2
	}
	return p
}
