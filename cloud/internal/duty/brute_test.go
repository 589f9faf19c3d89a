package duty_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/linshao/linshao/cloud/internal/duty"
)

// zones change their clocks at 02:00, at midnight, by half an hour, by a whole
// day, and never.
var zones = []struct{ name, around string }{
	{"Asia/Shanghai", "2026-11-20"},
	{"Asia/Shanghai", "1991-09-13"},
	{"Europe/Berlin", "2026-03-27"},
	{"Europe/Berlin", "2026-10-23"},
	{"America/New_York", "2026-10-30"},
	{"America/Sao_Paulo", "2018-11-02"}, // midnight does not exist
	{"Asia/Beirut", "2026-03-27"},
	{"Australia/Lord_Howe", "2026-04-03"}, // half an hour
	{"Pacific/Apia", "2011-12-28"},        // the 30th does not exist
	{"Asia/Kathmandu", "2026-01-01"},
}

// TestAtAgreesWithAMinuteScan walks four days minute by minute with a clock on
// the wall that is never turned back (at a change back it stands still), and
// judges each minute by what that clock shows.
func TestAtAgreesWithAMinuteScan(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		zone := rapid.SampledFrom(zones).Draw(rt, "zone")
		loc, err := time.LoadLocation(zone.name)
		if err != nil {
			rt.Fatal(err)
		}
		first, err := time.ParseInLocation("2006-01-02", zone.around, loc)
		if err != nil {
			rt.Fatal(err)
		}
		p := randomPlan(rt, zone.name)
		// The wall clock needs a day's head start to know how far it has been.
		at := first.Add(-26 * time.Hour).Truncate(time.Minute)
		wall := wallOf(at)
		for end := first.Add(4 * 24 * time.Hour); at.Before(end); at = at.Add(time.Minute) {
			if w := wallOf(at); w.After(wall) {
				wall = w
			}
			if at.Before(first) || at.Minute()%30 != 0 && at.Minute() != 59 {
				continue
			}
			got, want := names(duty.At(p, at.UnixMilli()).People), scan(p, wall)
			slices.Sort(got)
			if !slices.Equal(got, want) {
				rt.Fatalf("%s (%s): got %v, the scan says %v", at, at.UTC().Format(time.RFC3339), got, want)
			}
		}
	})
}

// wallOf is what the clock shows, as if it were UTC.
func wallOf(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), 0, 0, time.UTC)
}

// scan judges by the paper alone: is the wall clock between the two times, on
// a day of the shift.
func scan(p duty.Plan, wall time.Time) []string {
	out := []string{}
	for _, s := range p.Rosters[0].Shifts {
		for back := range 3 {
			day := wall.AddDate(0, 0, -back)
			from, to := onDate(day, s.From), onDate(day, s.To)
			if !to.After(from) {
				to = to.AddDate(0, 0, 1)
			}
			if slices.Contains(s.Days, []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}[day.Weekday()]) &&
				!wall.Before(from) && wall.Before(to) {
				out = append(out, s.Staff...)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func onDate(day time.Time, hhmm string) time.Time {
	var h, m int
	_, _ = fmt.Sscanf(hhmm, "%d:%d", &h, &m)
	return time.Date(day.Year(), day.Month(), day.Day(), h, m, 0, 0, time.UTC)
}

func randomPlan(rt *rapid.T, zone string) duty.Plan {
	p := duty.Plan{Timezone: zone, Staff: []duty.Staff{{ID: "a"}, {ID: "b", Vanguard: true}, {ID: "c"}}}
	p.Rosters = []duty.Roster{{ID: "r"}}
	for range rapid.IntRange(1, 4).Draw(rt, "shifts") {
		p.Rosters[0].Shifts = append(p.Rosters[0].Shifts, duty.Shift{
			From:  rapid.SampledFrom([]string{"00:00", "00:30", "01:15", "02:30", "03:00", "08:00", "20:00", "23:30"}).Draw(rt, "from"),
			To:    rapid.SampledFrom([]string{"00:00", "00:45", "02:15", "02:30", "03:00", "12:00", "20:00", "24:00"}).Draw(rt, "to"),
			Days:  rapid.SliceOfNDistinct(rapid.SampledFrom(everyDay()), 1, 7, rapid.ID).Draw(rt, "days"),
			Staff: rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c"}), 1, 2, rapid.ID).Draw(rt, "staff"),
		})
	}
	return p
}

// The edges are complete: between an answer and its NextMS nothing changes.
func TestNothingChangesBeforeNext(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		p := randomPlan(rt, rapid.SampledFrom(zones).Draw(rt, "zone").name)
		const day = 24 * 3600_000
		base := time.Date(2026, 10, 20, 0, 0, 0, 0, time.UTC).UnixMilli()
		for i := range rapid.IntRange(0, 3).Draw(rt, "overrides") {
			from := base + rapid.Int64Range(0, 10*day).Draw(rt, "from")
			p.Overrides = append(p.Overrides, duty.Override{
				ID: string(rune('a' + i)), FromMS: from, ToMS: from + rapid.Int64Range(1, 3*day).Draw(rt, "long"),
				Out: rapid.SampledFrom([]string{"", "a", "b", "c"}).Draw(rt, "out"),
				In:  rapid.SampledFrom([]string{"", "a", "b", "c"}).Draw(rt, "in"),
			})
		}
		at := base + rapid.Int64Range(0, 10*day).Draw(rt, "at")
		a := duty.At(p, at)
		end := a.NextMS
		if end == 0 {
			end = at + 6*day
		}
		between := at + rapid.Int64Range(0, end-at-1).Draw(rt, "between")
		if got := names(duty.At(p, between).People); !slices.Equal(got, names(a.People)) {
			rt.Fatalf("at %d %v, at %d %v, though the next change is at %d", at, names(a.People), between, got, end)
		}
		for _, g := range duty.Gaps(p, at, at+3*day) {
			if g.FromMS >= g.ToMS || len(duty.At(p, g.FromMS).People)+len(duty.At(p, g.ToMS-1).People) > 0 {
				rt.Fatalf("%v is no gap", g)
			}
		}
	})
}

func BenchmarkAt(b *testing.B) {
	p := gardenPlan()
	at := time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC).UnixMilli()
	for b.Loop() {
		duty.At(p, at)
	}
}
