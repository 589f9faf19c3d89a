package routing

import (
	"slices"
	"strings"

	"github.com/linshao/linshao/cloud/internal/duty"
)

// whom returns the people a rung means now, each once, and why them.
func (c *climb) whom(to string, paged func(staff string) bool) ([]duty.Staff, string) {
	switch to {
	case ToDuty:
		shift := c.shift()
		if vanguard := filter(shift, func(s duty.Staff) bool { return s.Vanguard }); len(vanguard) > 0 {
			return vanguard, "on_duty_vanguard"
		}
		return shift, "on_duty"
	case toDutyRest:
		return filter(c.shift(), func(s duty.Staff) bool { return !paged(s.ID) }), "on_duty"
	case ToLeader:
		return c.byID(c.answer.Leaders...), "shift_leader"
	case ToManager:
		return c.post(duty.Manager), "manager"
	case ToDesk:
		return c.post(duty.Desk), "desk"
	case ToMaintainer:
		return c.post(duty.Maintainer), "maintainer"
	case toDeskOrManager:
		if desk := c.post(duty.Desk); len(desk) > 0 {
			return desk, "desk"
		}
		return c.post(duty.Manager), "manager"
	case toSuperiors:
		if up := union(c.byID(c.answer.Leaders...), c.post(duty.Manager)); len(up) > 0 {
			return up, "superior"
		}
		return c.whom(toFallback, paged)
	case toFallback:
		if some := union(c.post(duty.Manager), c.post(duty.Desk)); len(some) > 0 {
			return some, "nobody_else"
		}
		return c.whom(toEverybody, paged)
	case toEverybody:
		return filter(c.in.Plan.Staff, func(s duty.Staff) bool { return len(s.Channels) > 0 }), "nobody_else"
	}
	if id, ok := strings.CutPrefix(to, StaffPrefix); ok {
		return c.byID(id), "named"
	}
	return nil, "unknown_word"
}

// shift is everybody on duty but the desk and the maintainers, who are reached
// by their own words; if only those are on duty, it is them.
func (c *climb) shift() []duty.Staff {
	all := make([]duty.Staff, 0, len(c.answer.People))
	for _, p := range c.answer.People {
		all = append(all, p.Staff)
	}
	walking := filter(all, func(s duty.Staff) bool { return s.Post != duty.Desk && s.Post != duty.Maintainer })
	if len(walking) > 0 {
		return walking
	}
	return all
}

// post returns the holders of a post who are on duty; if none is, all of them.
func (c *climb) post(p duty.Post) []duty.Staff {
	all := filter(c.in.Plan.Staff, func(s duty.Staff) bool { return s.Post == p })
	if on := filter(all, func(s duty.Staff) bool { return c.answer.On(s.ID) }); len(on) > 0 {
		return on
	}
	return all
}

func (c *climb) byID(ids ...string) []duty.Staff {
	return filter(c.in.Plan.Staff, func(s duty.Staff) bool { return slices.Contains(ids, s.ID) })
}

func filter(list []duty.Staff, keep func(duty.Staff) bool) []duty.Staff {
	var out []duty.Staff
	for _, s := range list {
		if keep(s) {
			out = append(out, s)
		}
	}
	return out
}

func union(a, b []duty.Staff) []duty.Staff {
	out := slices.Clone(a)
	for _, s := range b {
		if !slices.ContainsFunc(out, func(o duty.Staff) bool { return o.ID == s.ID }) {
			out = append(out, s)
		}
	}
	return out
}

// channelsOf returns the ways to reach a person; the page they may have open
// is always one.
func channelsOf(s duty.Staff) []duty.Channel {
	if len(s.Channels) == 0 {
		return []duty.Channel{{Kind: "stream"}}
	}
	return s.Channels
}

// Channel returns the channel a Delivery is for, false if the person lost it
// since: then there is nothing to send to.
func Channel(s duty.Staff, d Delivery) (duty.Channel, bool) {
	cs := channelsOf(s)
	if d.ChannelIndex >= len(cs) || cs[d.ChannelIndex].Kind != d.Channel {
		return duty.Channel{}, false
	}
	return cs[d.ChannelIndex], true
}
