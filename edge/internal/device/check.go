package device

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/linshao/linshao/protocol/limit"
	"github.com/linshao/linshao/protocol/topic"
)

// fastest bounds polling: below this a serial terminal cannot answer at all.
const fastest = 20 * time.Millisecond

// online is the metric that drivers report reachability under; no point may
// take its name.
const online = "online"

// list collects mistakes.
type list []Mistake

func (l *list) add(path []any, mend, what string, args ...any) {
	*l = append(*l, Mistake{Path: path, What: fmt.Sprintf(what, args...), Mend: mend})
}

func at(path ...any) []any { return path }

func (p *Profile) mistakes() []Mistake {
	var l list
	if !topic.Valid(p.Name) {
		l.add(at("profile"), "write a name of a-z, 0-9, . _ -", "profile has no valid name")
	}
	if !topic.Valid(p.Kind) {
		l.add(at("kind"), "write what it is, such as elevator", "kind is missing or not of a-z, 0-9, . _ -")
	}
	if p.Protocol != MQTT && p.Protocol != Modbus {
		l.add(at("protocol"), "write mqtt or modbus", "protocol %q is unknown", p.Protocol)
	}
	if len(p.Points) == 0 && len(p.Events) == 0 {
		l.add(at("points"), "name at least one point or event", "the profile says nothing")
	}
	if p.Protocol == Modbus {
		p.Modbus.check(&l)
	}
	p.checkPoints(&l)
	p.checkEvents(&l)
	p.checkRules(&l)
	return l
}

func (m *Polling) check(l *list) {
	for _, d := range []struct {
		key    string
		value  time.Duration
		lowest time.Duration
	}{{"every", m.Every, fastest}, {"heartbeat", m.Heartbeat, fastest}, {"timeout", m.Timeout, fastest}, {"connect_pause", m.ConnectPause, 0}} {
		if d.value < d.lowest || d.value > 24*time.Hour {
			l.add(at("modbus", d.key), fmt.Sprintf("write %v to 24h", d.lowest), "%s %v is out of range", d.key, d.value)
		}
	}
	for _, d := range []struct {
		key              string
		value, low, high int
	}{{"max_registers", m.MaxRegisters, 4, MaxRegisters}, {"max_coils", m.MaxCoils, 1, MaxCoils}, {"max_hole", *m.MaxHole, 0, MaxRegisters}} {
		if d.value < d.low || d.value > d.high {
			l.add(at("modbus", d.key), fmt.Sprintf("write %d to %d", d.low, d.high), "%s %d is out of range", d.key, d.value)
		}
	}
	for i, r := range m.NeverRead {
		if !r.Register.known() || r.From > r.To {
			l.add(at("modbus", "never_read", i), "write {register: holding, from: 13, to: 18}", "not a range of registers")
		}
	}
}

func (r Register) known() bool {
	return r == Holding || r == Input || r == Coil || r == Discrete
}

func (o Order) known() bool { return o == ABCD || o == CDAB || o == BADC || o == DCBA }

func (p *Profile) checkPoints(l *list) {
	seen := map[string]bool{online: true}
	for i, q := range p.Points {
		path := at("points", i)
		switch {
		case !metricName(q.Name):
			l.add(append(path, "name"), "write a name of a-z, 0-9 and _, such as motor_temp", "point name %q is not valid", q.Name)
		case seen[q.Name]:
			l.add(append(path, "name"), "give it a name of its own ("+online+" is the driver's)", "point name %q is taken", q.Name)
		}
		seen[q.Name] = true
		var inner list
		q.checkValue(&inner)
		if p.Protocol == Modbus {
			q.checkModbus(p.Modbus, &inner)
		} else {
			q.checkUnpolled(&inner)
		}
		for _, m := range inner {
			*l = append(*l, m.under(path...))
		}
	}
	if p.Protocol == Modbus {
		p.checkOverlaps(l)
	}
}

func metricName(s string) bool {
	return len(s) > 0 && len(s) <= limit.MaxNameBytes && s[0] >= 'a' && s[0] <= 'z' &&
		strings.IndexFunc(s, func(c rune) bool {
			return (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_'
		}) < 0
}

func (q Point) checkValue(l *list) {
	if !finite(q.Scale) || !finite(q.Offset) {
		l.add(at("scale"), "write ordinary numbers", "scale or offset is not a number")
	}
	if !finite(q.Deadband) || q.Deadband < 0 {
		l.add(at("deadband"), "write 0 or more", "deadband %v is out of range", q.Deadband)
	}
	byWord := map[string]bool{}
	for _, v := range slices.Sorted(maps.Keys(q.Enum)) {
		if w := q.Enum[v]; byWord[w] || w == "" {
			l.add(at("enum"), "give each value a word of its own", "the word %q stands twice", w)
		}
		byWord[q.Enum[v]] = true
	}
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// checkUnpolled refuses what has no meaning for devices that publish by
// themselves.
func (q Point) checkUnpolled(l *list) {
	for key, given := range map[string]bool{
		"register": q.Register != "", "type": q.Type != "", "order": q.Order != "", "address": q.Address != 0,
		"mask": q.Mask != 0 || q.Bit != nil, "every": q.Every != 0, "heartbeat": q.Heartbeat != 0,
		"latch": q.Latch || q.LatchHold != 0, "deadband": q.Deadband != 0,
	} {
		if given {
			l.add(at(key), "remove it: an mqtt device publishes by itself", "%s is only for modbus", key)
		}
	}
}

func (q Point) checkModbus(m Polling, l *list) {
	if !q.Register.known() {
		l.add(at("register"), "write holding, input, coil or discrete", "register %q is unknown", q.Register)
		return
	}
	width := q.Type.Registers()
	if width == 0 {
		l.add(at("type"), "write bool, uint16, int16, uint32, int32, uint64, int64, float32, float64 or bits", "type %q is unknown", q.Type)
		return
	}
	if q.Register.Bits() && (q.Type != Bool || q.Mask != 0) {
		l.add(at("type"), "write type: bool, without mask or bit", "a %s is one bit", q.Register)
	}
	if !q.Order.known() {
		l.add(at("order"), "write ABCD, CDAB, BADC or DCBA", "order %q is unknown", q.Order)
	}
	if int(q.Address)+width > 1<<16 {
		l.add(at("address"), "count from zero, up to 65535", "the value reaches past the last register")
	}
	q.checkMask(width, l)
	if q.Every < fastest || q.Every > 24*time.Hour {
		l.add(at("every"), fmt.Sprintf("write %v to 24h", fastest), "every %v is out of range", q.Every)
	}
	if q.Heartbeat < q.Every {
		l.add(at("heartbeat"), "make it at least every", "heartbeat %v is shorter than every %v", q.Heartbeat, q.Every)
	}
	if q.Latch && q.Type != Bool && q.Type != Bits {
		l.add(at("latch"), "latch a bool or bits", "a %s cannot be latched", q.Type)
	}
	if !q.Latch && q.LatchHold != 0 || q.LatchHold < 0 {
		l.add(at("latch_hold"), "add latch: true or remove it", "latch_hold has nothing to hold")
	}
	for _, r := range m.NeverRead {
		if r.Register == q.Register && int(q.Address) <= int(r.To) && int(q.Address)+width > int(r.From) {
			l.add(at("address"), "remove the point or narrow never_read", "the point lies in a never_read range")
		}
	}
}

func (q Point) checkMask(width int, l *list) {
	if q.Mask == 0 {
		return
	}
	if q.Type == Float32 || q.Type == Float64 {
		l.add(at("mask"), "remove it or use an integer type", "a %s has no fields", q.Type)
	}
	if q.Mask>>(16*width-1)>>1 != 0 {
		l.add(at("mask"), fmt.Sprintf("stay below bit %d", 16*width), "the mask reaches past the value")
	}
}

// checkOverlaps refuses points that share registers without being the same
// registers: one of the two addresses is a mistake.
func (p *Profile) checkOverlaps(l *list) {
	type span struct {
		register Register
		index    int
		from, to int
	}
	var spans []span
	for i, q := range p.Points {
		if w := q.Type.Registers(); w > 0 && q.Register.known() {
			spans = append(spans, span{q.Register, i, int(q.Address), int(q.Address) + w})
		}
	}
	for i, a := range spans {
		for _, b := range spans[:i] {
			same := a.from == b.from && a.to == b.to
			if a.register == b.register && !same && a.from < b.to && b.from < a.to {
				l.add(at("points", a.index, "address"), "correct one address or type",
					"%s overlaps %s", p.Points[a.index].Name, p.Points[b.index].Name)
			}
		}
	}
}

func (p *Profile) checkEvents(l *list) {
	seen := map[string]bool{}
	for i, e := range p.Events {
		if !metricName(e.Name) || seen[e.Name] {
			l.add(at("events", i, "name"), "write a name of a-z, 0-9 and _, once", "event name %q is not valid", e.Name)
		}
		seen[e.Name] = true
	}
}

func (p *Profile) checkRules(l *list) {
	seen := map[string]bool{}
	for i, r := range p.Rules {
		if seen[r.ID] {
			l.add(at("rules", i, "id"), "give each rule an id of its own", "rule id %q stands twice", r.ID)
		}
		seen[r.ID] = true
		for _, m := range r.Mistakes(p) {
			*l = append(*l, m.under("rules", i))
		}
	}
}

func words(e Enum) string {
	if len(e) == 0 {
		return "(the metric has no enum)"
	}
	return strings.Join(slices.Sorted(maps.Values(e)), ", ")
}
