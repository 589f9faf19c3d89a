// Package title turns title codes and the product's vocabulary into words, in
// Chinese and in English, where somebody reads them: on the edge's page, in
// the API, in a page to a phone. It is pure; what it does not know it shows
// as the code, never as nothing.
package title

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/linshao/linshao/protocol/ticket"
)

// Languages are those that every entry has, the first being the fallback.
func Languages() []string { return []string{"zh", "en"} }

// word is one entry of the catalogue.
type word struct{ zh, en string }

func (w word) in(lang string) string {
	if lang == "en" {
		return w.en
	}
	return w.zh
}

// Text says what is wrong, in lang ("zh" or "en"): the fault's word, and why
// the rule fired (parameter reason, a code of its own with the parameters
// metric, value, limit, … beside it). The parameter maintenance marks a device
// that somebody works on; neutral hides what is wrong from whoever may stand
// behind the reader.
func Text(t ticket.Title, lang string) string {
	if _, neutral := t.Params["neutral"]; neutral {
		return notice().in(lang)
	}
	var b strings.Builder
	b.WriteString(Fault(ticket.Fault(t.Code), lang))
	if t.Params["maintenance"] != "" {
		b.WriteString(maintenance().in(lang))
	}
	if why := reason(t.Params, lang); why != "" {
		b.WriteString(sep(lang) + why)
	}
	return b.String()
}

func sep(lang string) string {
	if lang == "en" {
		return ": "
	}
	return ":"
}

// reason says why a rule fired, from the parameter reason and those beside it.
func reason(p map[string]string, lang string) string {
	w, ok := reasons()[p["reason"]]
	if !ok {
		return ""
	}
	var pairs []string
	for k, v := range p {
		switch k {
		case "metric":
			v = Metric(v, lang)
		case "value", "limit":
			v = rounded(v)
		}
		pairs = append(pairs, "{"+k+"}", v)
	}
	// A replacement is not looked at again: a value that reads {limit} stays.
	return strings.NewReplacer(pairs...).Replace(w.in(lang))
}

// Metric returns a quantity's word; an unknown one is shown as it is written,
// with spaces.
func Metric(m, lang string) string {
	if w, ok := metrics()[m]; ok {
		return w.in(lang)
	}
	return strings.ReplaceAll(m, "_", " ")
}

// rounded shows a number with at most two decimal places, as people read it;
// what is no number stays.
func rounded(s string) string {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return s
	}
	return strconv.FormatFloat(math.Round(v*100)/100, 'f', -1, 64)
}

// Fault returns a fault's word; an unknown one is shown as it is written,
// with spaces.
func Fault(f ticket.Fault, lang string) string {
	if w, ok := faults()[f]; ok {
		return w.in(lang)
	}
	return strings.ReplaceAll(string(f), "_", " ")
}

// Severity returns a severity's word.
func Severity(s ticket.Severity, lang string) string {
	return cmp.Or(severities()[s].in(lang), string(s))
}

// State returns a state's word.
func State(s ticket.State, lang string) string {
	return cmp.Or(states()[s].in(lang), string(s))
}

// Kind returns what is done by a Transition of this kind.
func Kind(k ticket.Kind, lang string) string {
	return cmp.Or(kinds()[k].in(lang), string(k))
}

// Paging says why somebody is paged, or why nobody is; code is the reason of a
// delivery or of the plan.
func Paging(code, lang string) string {
	return cmp.Or(paging()[code].in(lang), code)
}

// PagingCodes lists every code that Paging knows, sorted.
func PagingCodes() []string { return slices.Sorted(maps.Keys(paging())) }

// Faults lists every fault that the catalogue knows, sorted.
func Faults() []ticket.Fault {
	return slices.Sorted(maps.Keys(faults()))
}
