package series

import (
	"math"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/linshao/linshao/protocol/limit"
	"github.com/linshao/linshao/protocol/telemetry"
)

// Reason is a stable code that says why a Sample can never be stored; empty
// if it can.
type Reason string

// The reasons. They are metric labels: the set is closed.
const (
	NotANumber Reason = "nan"
	Infinite   Reason = "infinite"
	BadName    Reason = "bad_name"
	TooOld     Reason = "too_old"
	TooNew     Reason = "too_new"
	// ByServer: a backend's server refused it although we found no fault.
	ByServer Reason = "by_server"
)

// Check reports why s of an estate's edge can never be stored at nowMS, or "".
// Text passes; it is for the caller to leave it out.
func Check(estate, edge string, s *telemetry.Sample, nowMS int64) Reason {
	if why := CheckValue(s, nowMS); why != "" {
		return why
	}
	if !CleanKey(estate, edge, s.Key) {
		return BadName
	}
	return ""
}

// CheckValue is the part of Check that differs from Sample to Sample.
func CheckValue(s *telemetry.Sample, nowMS int64) Reason {
	if s.Numeric() {
		if math.IsNaN(s.Value) {
			return NotANumber
		}
		if math.IsInf(s.Value, 0) {
			return Infinite
		}
	}
	if s.AtMS < nowMS-OldestAgeMS {
		return TooOld
	}
	if s.AtMS > nowMS+NewestAheadMS {
		return TooNew
	}
	return ""
}

// CleanKey reports whether every label of a series is a CleanLabel.
func CleanKey(estate, edge string, k telemetry.SeriesKey) bool {
	return CleanLabel(estate) && CleanLabel(edge) && CleanLabel(k.Device) && CleanLabel(k.Kind) && CleanLabel(k.Metric)
}

// CleanLabel reports whether every backend can keep v as a label and give it
// back unchanged: 1 to limit.MaxNameBytes bytes of printable UTF-8 without
// backslash and double quote, which line protocol cannot carry in every place.
func CleanLabel(v string) bool {
	if v == "" || len(v) > limit.MaxNameBytes || !utf8.ValidString(v) {
		return false
	}
	for _, r := range v {
		if r == '\\' || r == '"' || !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

// Name is the series name, "{kind}_{metric}" with every character that a
// Prometheus metric name cannot have as "_".
func Name(kind, metric string) string {
	clean := strings.Map(func(r rune) rune {
		if r == '_' || r == ':' || r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r)) {
			return r
		}
		return '_'
	}, kind+"_"+metric)
	if clean[0] >= '0' && clean[0] <= '9' {
		return "_" + clean
	}
	return clean
}
