package planfile

import (
	"fmt"
	"strings"

	"github.com/linshao/linshao/cloud/internal/duty"
	"github.com/linshao/linshao/protocol/kit/config"
	"github.com/linshao/linshao/protocol/topic"
)

// check walks a document and reports what is wrong with its values.
type check struct {
	d     *config.Document
	w     *document
	known Known
	seen  map[string]bool
}

func (c *check) all() {
	c.estates()
	c.orgs()
	c.devices()
	for i, s := range c.w.Staff {
		at := c.entry("staff", i, s.Estate, s.ID)
		c.attach(at, s.Validate())
		if s.Org != "" && !c.org(s.Estate, s.Org) {
			c.d.At(at+".org", fmt.Sprintf("no organisation %q in this estate", s.Org), "add it under orgs, or correct the id")
		}
	}
	for i, r := range c.w.Rosters {
		at := c.entry("rosters", i, r.Estate, r.ID)
		c.attach(at, r.Validate(c.staffOf(r.Estate)))
		ids := map[string]bool{}
		for j, s := range r.Shifts {
			if ids[s.ID] {
				c.d.At(fmt.Sprintf("%s.shifts[%d].id", at, j), fmt.Sprintf("%q is given twice", s.ID), "choose another id")
			}
			ids[s.ID] = true
		}
	}
	for i, o := range c.w.Overrides {
		at := c.entry("overrides", i, o.Estate, o.ID)
		c.attach(at, o.noun().Validate(c.staffOf(o.Estate), func(id string) bool { return c.roster(o.Estate, id) }))
	}
	for i, p := range c.w.Policies {
		c.attach(c.entry("policies", i, p.Estate, p.ID), p.noun().Validate(c.staffOf(p.Estate)))
	}
	for i, m := range c.w.Mutes {
		c.attach(c.entry("mutes", i, m.Estate, m.ID), m.noun().Validate())
	}
}

func (c *check) attach(at string, ps []duty.Problem) {
	for _, p := range ps {
		c.d.At(at+"."+p.Path, p.Message, p.Mend)
	}
}

// entry checks what all entries of estates have in common and returns the
// entry's path.
func (c *check) entry(section string, i int, estate, id string) string {
	at := fmt.Sprintf("%s[%d]", section, i)
	switch {
	case estate == "":
		c.d.At(at+".estate", "no estate is given", "say which estate this belongs to, as in estate: sunrise-garden")
	case !c.estate(estate):
		c.d.At(at+".estate", fmt.Sprintf("no estate %q", estate), "add it under estates, or correct the id")
	}
	c.once(section, at, estate, id)
	return at
}

// once reports an id that is missing or used before.
func (c *check) once(section, at, estate, id string) {
	key := section + "\x00" + estate + "\x00" + id
	switch {
	case id == "":
		c.d.At(at+".id", "no id is given", "give a short name that stays, such as default")
	case c.seen[key]:
		c.d.At(at+".id", fmt.Sprintf("%q is given twice", id), "keep one of them, or choose another id")
	}
	c.seen[key] = true
}

// name checks an id that stands in MQTT topics.
func (c *check) name(at, id string) {
	if id != "" && !topic.Valid(id) {
		c.d.At(at+".id", fmt.Sprintf("%q can't be an id", id), "use lower-case letters, digits, '.', '_' and '-', at most 64, starting with a letter or digit")
	}
}

func (c *check) estates() {
	for i, e := range c.w.Estates {
		at := fmt.Sprintf("estates[%d]", i)
		c.once("estates", at, "", e.ID)
		c.name(at, e.ID)
		if duty.ValidateTimezone(e.Timezone) != nil {
			c.d.At(at+".timezone", fmt.Sprintf("%q is not an IANA timezone", e.Timezone), "write one such as Asia/Shanghai")
		}
		for j, g := range e.Edges {
			edgeAt := fmt.Sprintf("%s.edges[%d]", at, j)
			c.once("edges", edgeAt, e.ID, g.ID)
			c.name(edgeAt, g.ID)
		}
	}
}

func (c *check) orgs() {
	for i, o := range c.w.Orgs {
		at := c.entry("orgs", i, o.Estate, o.ID)
		if o.Kind != "property" && o.Kind != "contractor" {
			c.d.At(at+".kind", fmt.Sprintf("unknown kind %q", o.Kind), "use property or contractor")
		}
		for j, id := range o.Devices {
			if id, _ = strings.CutPrefix(id, "kind:"); !topic.Valid(id) {
				c.d.At(fmt.Sprintf("%s.devices[%d]", at, j), fmt.Sprintf("%q can't be a device", o.Devices[j]), `write a device id, or "kind:elevator"`)
			}
		}
	}
}

func (c *check) devices() {
	for i, d := range c.w.Devices {
		at := c.entry("devices", i, d.Estate, d.ID)
		c.name(at, d.ID)
		if d.Kind == "" {
			c.d.At(at+".kind", "no kind is given", "say what it is, such as elevator, access-gate or patrol-robot")
		}
		if d.Edge != "" && !c.edge(d.Estate, d.Edge) {
			c.d.At(at+".edge", fmt.Sprintf("no edge %q in this estate", d.Edge), "add it under the estate's edges, or correct the id")
		}
	}
}

func (c *check) estate(id string) bool {
	for _, e := range c.w.Estates {
		if e.ID == id {
			return true
		}
	}
	return c.known.Estate != nil && c.known.Estate(id)
}

func (c *check) edge(estate, id string) bool {
	for _, e := range c.w.Estates {
		for _, g := range e.Edges {
			if e.ID == estate && g.ID == id {
				return true
			}
		}
	}
	return c.known.Edge != nil && c.known.Edge(estate, id)
}

func (c *check) org(estate, id string) bool {
	for _, o := range c.w.Orgs {
		if o.Estate == estate && o.ID == id {
			return true
		}
	}
	return c.known.Org != nil && c.known.Org(estate, id)
}

func (c *check) staffOf(estate string) func(id string) bool {
	return func(id string) bool {
		for _, s := range c.w.Staff {
			if s.Estate == estate && s.ID == id {
				return true
			}
		}
		return c.known.Staff != nil && c.known.Staff(estate, id)
	}
}

func (c *check) roster(estate, id string) bool {
	for _, r := range c.w.Rosters {
		if r.Estate == estate && r.ID == id {
			return true
		}
	}
	return c.known.Roster != nil && c.known.Roster(estate, id)
}
