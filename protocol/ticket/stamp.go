package ticket

import "strings"

// Stamp is a hybrid logical clock reading: it follows the wall clock where it
// can and never runs backwards, so that an effect is always after its cause.
type Stamp struct {
	WallMS  int64  `json:"wall_ms"`
	Counter uint32 `json:"counter"`
	// Origin names the writer: "estate/edge" or "cloud".
	Origin string `json:"origin"`
	// Number counts the writer's Transitions; it breaks the last tie.
	Number uint64 `json:"number"`
}

// Compare orders stamps by (WallMS, Counter, Origin, Number): negative if s
// comes before o, 0 if they are equal.
func (s Stamp) Compare(o Stamp) int {
	switch {
	case s.WallMS != o.WallMS:
		return sign(s.WallMS < o.WallMS)
	case s.Counter != o.Counter:
		return sign(s.Counter < o.Counter)
	case s.Origin != o.Origin:
		return strings.Compare(s.Origin, o.Origin)
	case s.Number != o.Number:
		return sign(s.Number < o.Number)
	}
	return 0
}

func sign(less bool) int {
	if less {
		return -1
	}
	return 1
}

// Next returns the stamp that follows s for an event of the same origin seen
// at nowMS. It is strictly greater than s.
func (s Stamp) Next(nowMS int64) Stamp {
	n := Stamp{WallMS: nowMS, Origin: s.Origin, Number: s.Number + 1}
	if nowMS <= s.WallMS {
		n.WallMS, n.Counter = s.WallMS, s.Counter+1
	}
	return n
}

// Observe returns s advanced past other, so that what s's writer does next is
// ordered after what it has seen. A remote clock more than maxAheadMS ahead
// of nowMS is not followed, so that one wrong clock cannot drag all others.
func (s Stamp) Observe(other Stamp, nowMS, maxAheadMS int64) Stamp {
	if other.WallMS > nowMS+maxAheadMS {
		return s
	}
	if other.WallMS > s.WallMS || other.WallMS == s.WallMS && other.Counter > s.Counter {
		s.WallMS, s.Counter = other.WallMS, other.Counter
	}
	return s
}
