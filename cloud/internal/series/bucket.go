package series

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
	b.Merge(Point{AtMS: atMS, Min: v, Mean: v, Max: v}, 1)
}

// Merge puts what is known of count values, all of the bucket that p.AtMS lies
// in, into that bucket.
func (b *Buckets) Merge(p Point, count int64) {
	if count <= 0 {
		return
	}
	start := AlignDown(p.AtMS, b.stepMS)
	i := len(b.points) - 1
	if i < 0 || b.points[i].AtMS != start {
		i = b.slot(start, p)
	}
	to := &b.points[i]
	b.counts[i] += count
	share := float64(count) / float64(b.counts[i])
	to.Min, to.Max = min(to.Min, p.Min), max(to.Max, p.Max)
	to.Mean += p.Mean*share - to.Mean*share // never overflows, unlike a sum
}

func (b *Buckets) slot(start int64, p Point) int {
	if i, ok := b.at[start]; ok {
		return i
	}
	b.points = append(b.points, Point{AtMS: start, Min: p.Min, Max: p.Max})
	b.counts = append(b.counts, 0)
	b.at[start] = len(b.points) - 1
	return len(b.points) - 1
}

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
