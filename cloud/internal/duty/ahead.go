package duty

import "slices"

const weekMS = 7 * 24 * 3600 * 1000

// nextEdge returns the first instant after atMS, within a week, at which a
// shift or an Override begins or ends; 0 if there is none.
func (p Plan) nextEdge(atMS int64) int64 {
	edges := p.edges(atMS+1, atMS+weekMS)
	if len(edges) == 0 {
		return 0
	}
	return edges[0]
}

// edges returns, ascending and without repeats, every instant in [fromMS, toMS)
// at which a shift or an Override begins or ends.
func (p Plan) edges(fromMS, toMS int64) []int64 {
	var out []int64
	add := func(ms int64) {
		if ms >= fromMS && ms < toMS {
			out = append(out, ms)
		}
	}
	// One millisecond earlier, so that turns ending at fromMS are seen.
	for _, t := range turns(p, fromMS-1, toMS) {
		add(t.fromMS)
		add(t.toMS)
	}
	for _, o := range p.Overrides {
		add(o.FromMS)
		add(o.ToMS)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Next returns the answer after atMS that calls other people than the one at
// atMS does: the next shift. It reports false if nothing changes within a
// week. Sign-on is left out of it: nobody has signed on for tomorrow.
func Next(p Plan, atMS int64) (Answer, bool) {
	p = p.withoutSignOn()
	now := ids(At(p, atMS))
	for _, at := range p.edges(atMS+1, atMS+weekMS) {
		if a := At(p, at); !slices.Equal(ids(a), now) {
			return a, true
		}
	}
	return Answer{}, false
}

func ids(a Answer) []string {
	out := make([]string, 0, len(a.People))
	for _, p := range a.People {
		out = append(out, p.Staff.ID)
	}
	return out
}

// Gap is a stretch [FromMS, ToMS) in which nobody is on duty.
type Gap struct{ FromMS, ToMS int64 }

// Gaps returns the stretches of [fromMS, toMS) that the plan leaves without
// anybody, in order. Like Next it leaves sign-on out.
func Gaps(p Plan, fromMS, toMS int64) []Gap {
	p = p.withoutSignOn()
	var out []Gap
	points := append([]int64{fromMS}, p.edges(fromMS+1, toMS)...)
	for i, at := range points {
		end := toMS
		if i+1 < len(points) {
			end = points[i+1]
		}
		if at >= end || len(At(p, at).People) > 0 {
			continue
		}
		if n := len(out); n > 0 && out[n-1].ToMS == at {
			out[n-1].ToMS = end
			continue
		}
		out = append(out, Gap{at, end})
	}
	return out
}

func (p Plan) withoutSignOn() Plan {
	p.Rosters = slices.Clone(p.Rosters)
	for i := range p.Rosters {
		p.Rosters[i].SignOn = false
	}
	return p
}
