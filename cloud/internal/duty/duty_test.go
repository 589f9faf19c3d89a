package duty_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/linshao/linshao/cloud/internal/duty"
)

func shanghai(t *testing.T, s string) int64 {
	t.Helper()
	return local(t, "Asia/Shanghai", s)
}

func local(t *testing.T, zone, s string) int64 {
	t.Helper()
	loc, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	at, err := time.ParseInLocation("2006-01-02 15:04:05", s, loc)
	if err != nil {
		t.Fatal(err)
	}
	return at.UnixMilli()
}

func everyDay() []string { return []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"} }

// gardenPlan is a day shift (two people, one of them vanguard) and a night
// shift over midnight.
func gardenPlan() duty.Plan {
	return duty.Plan{
		Timezone: "Asia/Shanghai",
		Staff: []duty.Staff{
			{ID: "chen", Name: "陈强"},
			{ID: "li", Name: "李伟", Vanguard: true, PartyMember: true},
			{ID: "wang", Name: "王芳"},
			{ID: "zhao", Name: "赵敏"},
		},
		Rosters: []duty.Roster{{ID: "gate", Shifts: []duty.Shift{
			{ID: "day", From: "08:00", To: "20:00", Days: everyDay(), Staff: []string{"chen", "li"}, Leader: "li"},
			{ID: "night", From: "20:00", To: "08:00", Days: everyDay(), Staff: []string{"wang"}, Leader: "zhao"},
		}}},
	}
}

func names(ps []duty.Person) []string {
	out := []string{}
	for _, p := range ps {
		out = append(out, p.Staff.ID)
	}
	return out
}

func want(t *testing.T, p duty.Plan, atMS int64, people ...string) {
	t.Helper()
	if people == nil {
		people = []string{}
	}
	if d := cmp.Diff(people, names(duty.At(p, atMS).People)); d != "" {
		t.Errorf("at %s: %s", time.UnixMilli(atMS).UTC(), d)
	}
}

func TestTheDayAndTheNightShift(t *testing.T) {
	t.Parallel()
	p := gardenPlan()
	want(t, p, shanghai(t, "2026-11-23 07:59:59"), "wang")
	want(t, p, shanghai(t, "2026-11-23 08:00:00"), "li", "chen") // vanguard first
	want(t, p, shanghai(t, "2026-11-23 19:59:59"), "li", "chen")
	want(t, p, shanghai(t, "2026-11-23 20:00:00"), "wang")
	want(t, p, shanghai(t, "2026-11-24 00:00:00"), "wang")

	a := duty.At(p, shanghai(t, "2026-11-23 22:00:00"))
	if d := cmp.Diff([]string{"zhao"}, a.Leaders); d != "" {
		t.Errorf("the leader of the night: %s", d)
	}
	if a.On("zhao") {
		t.Error("a leader who is not on the shift was put on duty")
	}
	if got, want := a.People[0].UntilMS, shanghai(t, "2026-11-24 08:00:00"); got != want {
		t.Errorf("until %d, want %d", got, want)
	}
	next, ok := duty.Next(p, a.AtMS)
	if !ok || next.AtMS != shanghai(t, "2026-11-24 08:00:00") || names(next.People)[0] != "li" {
		t.Errorf("next %+v", next)
	}
}

func TestANightThatBeganYesterdayCountsByTheDayItBegan(t *testing.T) {
	t.Parallel()
	p := gardenPlan()
	p.Rosters[0].Shifts = []duty.Shift{{From: "22:00", To: "06:00", Days: []string{"fri"}, Staff: []string{"wang"}}}
	want(t, p, shanghai(t, "2026-11-27 05:00:00")) // Friday morning
	want(t, p, shanghai(t, "2026-11-27 23:00:00"), "wang")
	want(t, p, shanghai(t, "2026-11-28 05:59:59"), "wang") // Saturday morning
	want(t, p, shanghai(t, "2026-11-28 06:00:00"))
}

func TestRoundTheClock(t *testing.T) {
	t.Parallel()
	p := gardenPlan()
	for _, to := range []string{"24:00", "00:00"} {
		p.Rosters[0].Shifts = []duty.Shift{{From: "00:00", To: to, Days: everyDay(), Staff: []string{"li"}, Leader: "li"}}
		from := shanghai(t, "2026-11-23 00:00:00")
		if gaps := duty.Gaps(p, from, from+14*24*3600_000); len(gaps) != 0 {
			t.Errorf("to %s: gaps %v", to, gaps)
		}
		if _, changes := duty.Next(p, from); changes {
			t.Errorf("to %s: something changes", to)
		}
	}
}

func TestWhoMustSignOnCountsOnlyAfterPressing(t *testing.T) {
	t.Parallel()
	p := gardenPlan()
	p.Rosters[0].SignOn = true
	noon, pressed := shanghai(t, "2026-11-23 12:00:00"), shanghai(t, "2026-11-23 07:50:00")
	want(t, p, noon)
	if d := cmp.Diff([]string{"li", "chen"}, names(duty.At(p, noon).Absent)); d != "" {
		t.Errorf("absent: %s", d)
	}
	p.SignOns = []duty.SignOn{{Staff: "chen", AtMS: pressed, On: true}, {Staff: "zhao", AtMS: pressed, On: true}}
	want(t, p, noon, "chen")
	want(t, p, pressed) // on his way, but the shift is the night's
	p.SignOns[0] = duty.SignOn{Staff: "chen", AtMS: noon - 1, On: false}
	want(t, p, noon)
	if d := cmp.Diff([]string{"li"}, duty.At(p, noon).Leaders); d != "" {
		t.Errorf("the leader is reachable whether signed on or not: %s", d)
	}
	if gaps := duty.Gaps(p, noon, noon+3600_000); len(gaps) != 0 {
		t.Errorf("what nobody can have signed on for yet was called a gap: %v", gaps)
	}
}

func TestOverrides(t *testing.T) {
	t.Parallel()
	noon, night := shanghai(t, "2026-11-23 12:00:00"), shanghai(t, "2026-11-23 23:00:00")
	day := func(o duty.Override) duty.Override {
		o.FromMS, o.ToMS = shanghai(t, "2026-11-23 00:00:00"), shanghai(t, "2026-11-24 00:00:00")
		return o
	}
	for _, c := range []struct {
		name        string
		overrides   []duty.Override
		noon, night []string
	}{
		{"a stand-in", []duty.Override{day(duty.Override{Out: "li", In: "zhao"})}, []string{"chen", "zhao"}, []string{"wang"}},
		{"another roster's", []duty.Override{day(duty.Override{Out: "li", In: "zhao", Roster: "pool"})}, []string{"li", "chen"}, []string{"wang"}},
		{"one less", []duty.Override{day(duty.Override{Out: "li"})}, []string{"chen"}, []string{"wang"}},
		{"one more", []duty.Override{day(duty.Override{In: "zhao"})}, []string{"li", "chen", "zhao"}, []string{"wang", "zhao"}},
		{
			"two swap",
			[]duty.Override{day(duty.Override{Out: "chen", In: "wang"}), day(duty.Override{Out: "wang", In: "chen"})},
			[]string{"li", "wang"},
			[]string{"chen"},
		},
		{
			"the stand-in falls ill",
			[]duty.Override{day(duty.Override{Out: "chen", In: "wang"}), day(duty.Override{Out: "wang", In: "zhao"})},
			[]string{"li", "zhao"},
			[]string{"zhao"},
		},
		{
			"the stand-in is off",
			[]duty.Override{day(duty.Override{Out: "chen", In: "wang"}), day(duty.Override{Out: "wang"})},
			[]string{"li"},
			[]string{},
		},
		{
			"two for one",
			[]duty.Override{day(duty.Override{Out: "chen", In: "wang"}), day(duty.Override{Out: "chen", In: "zhao"})},
			[]string{"li", "wang", "zhao"},
			[]string{"wang"},
		},
		{"somebody unknown", []duty.Override{day(duty.Override{Out: "chen", In: "ghost"})}, []string{"li"}, []string{"wang"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := gardenPlan()
			p.Overrides = c.overrides
			want(t, p, noon, c.noon...)
			want(t, p, night, c.night...)
			want(t, p, noon+24*3600_000, "li", "chen")
		})
	}
}

func TestAStandInLeadsToo(t *testing.T) {
	t.Parallel()
	p := gardenPlan()
	noon := shanghai(t, "2026-11-23 12:00:00")
	p.Overrides = []duty.Override{{Out: "li", In: "zhao", FromMS: noon - 1, ToMS: noon + 60_000}}
	a := duty.At(p, noon)
	if d := cmp.Diff([]string{"zhao"}, a.Leaders); d != "" {
		t.Error(d)
	}
	if got := a.People[1]; got.Covers != "li" || got.UntilMS != noon+60_000 || !got.Leader {
		t.Errorf("got %+v", got)
	}
	if a.NextMS != noon+60_000 {
		t.Errorf("next look at %d", a.NextMS)
	}
}

func TestGaps(t *testing.T) {
	t.Parallel()
	p := gardenPlan()
	p.Rosters[0].Shifts = p.Rosters[0].Shifts[:1]
	from := shanghai(t, "2026-11-23 00:00:00")
	got := duty.Gaps(p, from, from+2*24*3600_000)
	want := []duty.Gap{
		{from, shanghai(t, "2026-11-23 08:00:00")},
		{shanghai(t, "2026-11-23 20:00:00"), shanghai(t, "2026-11-24 08:00:00")},
		{shanghai(t, "2026-11-24 20:00:00"), shanghai(t, "2026-11-25 00:00:00")},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]duty.Gap{{from, from + 1000}}, duty.Gaps(duty.Plan{}, from, from+1000)); d != "" {
		t.Errorf("an empty plan: %s", d)
	}
}

// A wrong timezone must not leave the estate without anybody.
func TestAnUnknownTimezoneIsReadAsTheDefault(t *testing.T) {
	t.Parallel()
	p := gardenPlan()
	p.Timezone = "Asia/Shangai"
	want(t, p, shanghai(t, "2026-11-23 12:00:00"), "li", "chen")
}

func TestValidate(t *testing.T) {
	t.Parallel()
	known := func(id string) bool { return id == "li" }
	var got []string
	add := func(ps []duty.Problem) {
		for _, p := range ps {
			if p.Mend == "" {
				t.Errorf("%s has no mend", p.Path)
			}
			got = append(got, p.Path+": "+p.Message)
		}
	}
	add(duty.Roster{Shifts: []duty.Shift{
		{From: "00:00", To: "24:00", Days: everyDay(), Staff: []string{"li"}, Leader: "li"},
		{From: "24:00", To: "8:00", Days: []string{"mon", "Tue", "mon"}, Staff: []string{"li", "ghost", "li"}, Leader: "boss"},
		{From: "08:61", To: "20:00"},
	}}.Validate(known))
	add(duty.Override{Roster: "pool", Out: "ghost", FromMS: 5, ToMS: 5}.Validate(known, known))
	add(duty.Override{Out: "li", In: "li", ToMS: 1}.Validate(known, known))
	add(duty.Override{ToMS: 1}.Validate(known, known))
	add(duty.Staff{ID: "a b", Post: "boss", Channels: []duty.Channel{{Kind: "pigeon"}, {Kind: "webhook", URL: "ftp://x"}}}.Validate())
	want := []string{
		`shifts[1].from: "24:00" is not a time of day`,
		`shifts[1].to: "8:00" is not a time of day`,
		`shifts[1].days[1]: "Tue" is not a day`,
		`shifts[1].days[2]: mon is given twice`,
		`shifts[1].staff[1]: no staff "ghost" in this estate`,
		`shifts[1].staff[2]: li is given twice`,
		`shifts[1].leader: no staff "boss" in this estate`,
		`shifts[2].from: "08:61" is not a time of day`,
		`shifts[2].days: no day is given`,
		`shifts[2].staff: nobody is on this shift`,
		`out: no staff "ghost" in this estate`,
		`roster: no roster "pool" in this estate`,
		`to: it ends before it begins`,
		`in: li can't stand in for himself`,
		`in: neither in nor out is given`,
		`id: "a b" can't be a staff id`,
		`post: unknown post "boss"`,
		`channels[0].kind: unknown channel "pigeon"`,
		`channels[1].url: "ftp://x" is not a web address`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for zone, ok := range map[string]bool{"": true, "Asia/Shanghai": true, "Europe/Berlin": true, "Local": false, "Mars/Olympus": false} {
		if err := duty.ValidateTimezone(zone); (err == nil) != ok {
			t.Errorf("%q: %v", zone, err)
		}
	}
}
