package embedded

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/common/model"
)

func timeParam(r *http.Request, name string, otherwise time.Time) (time.Time, error) {
	s := r.FormValue(name)
	if s == "" && !otherwise.IsZero() {
		return otherwise, nil
	}
	if secs, err := strconv.ParseFloat(s, 64); err == nil && math.Abs(secs) < 1e11 {
		return time.UnixMilli(int64(math.Round(secs * 1000))), nil
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t, nil
	}
	return time.Time{}, badQuery{fmt.Errorf("%s: %q is neither Unix seconds nor RFC 3339", name, s)}
}

func stepParam(r *http.Request) (time.Duration, error) {
	s := r.FormValue("step")
	if secs, err := strconv.ParseFloat(s, 64); err == nil && secs >= 0.001 && secs < 1e9 {
		return time.Duration(secs * float64(time.Second)), nil
	}
	if d, err := model.ParseDuration(s); err == nil && d > 0 {
		return time.Duration(d), nil
	}
	return 0, badQuery{fmt.Errorf("step: %q is no duration above zero", s)}
}
