package duty

import (
	"cmp"
	"fmt"
	"time"
)

const minutesPerDay = 24 * 60

// clockTime parses "HH:MM" to minutes since midnight; "24:00" is 1440.
func clockTime(s string) (int, error) {
	digit := func(i int) bool { return s[i] >= '0' && s[i] <= '9' }
	if len(s) != 5 || s[2] != ':' || !digit(0) || !digit(1) || !digit(3) || !digit(4) {
		return 0, fmt.Errorf("%q is not a time of day", s)
	}
	h, m := int(s[0]-'0')*10+int(s[1]-'0'), int(s[3]-'0')*10+int(s[4]-'0')
	if m > 59 || h > 24 || h == 24 && m != 0 {
		return 0, fmt.Errorf("%q is not a time of day", s)
	}
	return h*60 + m, nil
}

// instant returns the first instant at which a clock on the wall in loc shows
// the given time of the given day, or later. Where a spring change skips that
// time it is the change itself; where an autumn change repeats it, the first
// of the two. It therefore never decreases as the time of day grows, so that
// shifts which meet on paper meet in fact, in every timezone.
func instant(loc *time.Location, day time.Time, minutes int) time.Time {
	y, m, d := day.Date()
	wall := time.Date(y, m, d, 0, minutes, 0, 0, time.UTC).Unix()
	// No timezone was ever more than 16 h ahead of UTC: the wall shows less.
	at := wall - 16*3600
	for {
		t := time.Unix(at, 0).In(loc)
		_, offset := t.Zone()
		if hit := wall - int64(offset); hit <= at {
			return t // the clock jumped over it
		} else if _, end := t.ZoneBounds(); end.IsZero() || hit < end.Unix() {
			return time.Unix(hit, 0).In(loc)
		} else {
			at = end.Unix()
		}
	}
}

// dayNames are the words of Shift.Days, by time.Weekday.
func dayNames() [7]string { return [7]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"} }

// onDay reports whether the shift begins on that weekday.
func (s Shift) onDay(w time.Weekday) bool {
	for _, d := range s.Days {
		if d == dayNames()[w] {
			return true
		}
	}
	return false
}

// turn is one concrete occurrence of a Shift: [fromMS, toMS).
type turn struct {
	roster       Roster
	shift        Shift
	fromMS, toMS int64
}

// turns returns every occurrence that overlaps [fromMS, toMS), rosters and
// shifts in their order, then by day. A shift whose times can't be read has
// none: Validate reports it.
func turns(p Plan, fromMS, toMS int64) []turn {
	loc := p.location()
	var out []turn
	for _, r := range p.Rosters {
		for _, s := range r.Shifts {
			from, errFrom := clockTime(s.From)
			to, errTo := clockTime(s.To)
			if errFrom != nil || errTo != nil {
				continue
			}
			if to <= from {
				to += minutesPerDay
			}
			// Two days back: a shift lasts a day at most, and the day may
			// have been turned back over midnight.
			for day := noon(time.UnixMilli(fromMS).In(loc)).AddDate(0, 0, -2); ; day = day.AddDate(0, 0, 1) {
				a := instant(loc, day, from).UnixMilli()
				if a >= toMS {
					break
				}
				b := instant(loc, day, to).UnixMilli()
				if b > fromMS && a < b && s.onDay(day.Weekday()) {
					out = append(out, turn{r, s, a, b})
				}
			}
		}
	}
	return out
}

// noon returns the day of t as a date in UTC: days are counted where no clock
// ever changes.
func noon(t time.Time) time.Time {
	y, m, d := t.Date()
	return time.Date(y, m, d, 12, 0, 0, 0, time.UTC)
}

// location falls back to the default timezone, which has no summer time, so
// that a typing mistake can't leave an estate without anybody on duty.
func (p Plan) location() *time.Location {
	if loc, err := time.LoadLocation(cmp.Or(p.Timezone, DefaultTimezone)); err == nil {
		return loc
	}
	return time.FixedZone(DefaultTimezone, 8*3600)
}
