package console

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/linshao/linshao/cloud/internal/access"
	"github.com/linshao/linshao/cloud/internal/series"
)

// SeriesInput selects one metric of one device and a time, half-open.
type SeriesInput struct {
	Device string `query:"device" required:"true" maxLength:"129"`
	Metric string `query:"metric" required:"true" maxLength:"64"`
	From   string `query:"from" required:"true" doc:"RFC 3339 or Unix ms, included"`
	To     string `query:"to" doc:"RFC 3339 or Unix ms, excluded; default now"`
	Step   string `query:"step" doc:"Bucket length: seconds, or 30s, 5m, 1h; without it the raw samples"`
}

// SeriesView is the answer: buckets [ms, min, mean, max], or raw samples
// [ms, value] where a bad one has a null value.
type SeriesView struct {
	Points [][]*float64 `json:"points"`
	Unit   string       `json:"unit"`
}

func (c *Console) registerSeries() {
	register(c, huma.Operation{OperationID: "get-series", Method: http.MethodGet, Path: "/api/v1/series", Summary: "Values over time", Tags: []string{"Series"}}, c.rangeOf)
}

func (c *Console) rangeOf(ctx context.Context, in *SeriesInput) (*One[SeriesView], error) {
	from, err := instant("from", in.From, 0)
	if err != nil {
		return nil, err
	}
	to, err := instant("to", in.To, c.nowMS())
	if err != nil {
		return nil, err
	}
	step, err := stepMS(in.Step)
	if err != nil {
		return nil, err
	}
	if to < from {
		return nil, problem(http.StatusUnprocessableEntity, "invalid", "to is before from")
	}
	if step > 0 && (to-from)/step > series.MaxBuckets {
		return nil, problem(http.StatusUnprocessableEntity, "too_many_points", series.ErrTooManyPoints.Error())
	}
	d, err := c.device(ctx, in.Device)
	if err != nil {
		return nil, err
	}
	points, err := c.series.Range(ctx, series.Selector{Estate: d.Estate, Device: d.ID, Metric: in.Metric}, from, to, step)
	switch {
	case errors.Is(err, series.ErrTooManyPoints):
		return nil, problem(http.StatusUnprocessableEntity, "too_many_points", err.Error())
	case errors.Is(err, series.ErrNotReady):
		return nil, problem(http.StatusServiceUnavailable, "not_ready", err.Error())
	case err != nil:
		return nil, err
	}
	v := SeriesView{Points: make([][]*float64, 0, len(points))}
	for _, p := range d.Points {
		if p.Metric == in.Metric {
			v.Unit = p.Unit
		}
	}
	for _, p := range points {
		v.Points = append(v.Points, pointView(p, step > 0))
	}
	return &One[SeriesView]{v}, nil
}

func pointView(p series.Point, bucket bool) []*float64 {
	at := float64(p.AtMS)
	switch {
	case p.Gap:
		return []*float64{&at, nil}
	case bucket:
		return []*float64{&at, &p.Min, &p.Mean, &p.Max}
	}
	return []*float64{&at, &p.Mean}
}

// instant reads RFC 3339 or Unix milliseconds; empty gives fallback.
func instant(field, s string, fallback int64) (int64, error) {
	if s == "" {
		return fallback, nil
	}
	if ms, err := strconv.ParseInt(s, 10, 64); err == nil {
		return ms, nil
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return 0, problem(http.StatusUnprocessableEntity, "invalid", field+" is neither RFC 3339 nor Unix milliseconds: "+strconv.Quote(s))
	}
	return t.UnixMilli(), nil
}

func stepMS(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(s)
	if sec, errInt := strconv.ParseInt(s, 10, 32); errInt == nil {
		d, err = time.Duration(sec)*time.Second, nil
	}
	if err != nil || d < time.Second || d > 366*24*time.Hour {
		return 0, problem(http.StatusUnprocessableEntity, "invalid", "step is a number of seconds or a length such as 5m, at least 1s: "+strconv.Quote(s))
	}
	return d.Milliseconds(), nil
}

// prometheus serves Prometheus' read API for what the caller may see.
func (c *Console) prometheus(w http.ResponseWriter, r *http.Request) {
	p, err := c.authenticate(r)
	if err != nil {
		c.plainError(w, r, err)
		return
	}
	if c.prom == nil || p.Scope.Limited || !access.May(p, access.See, access.Target{Estate: firstEstate(p)}) {
		c.plainError(w, r, errNotFound)
		return
	}
	http.StripPrefix("/prometheus", c.prom(p.Scope)).ServeHTTP(w, r)
}

func firstEstate(p access.Principal) string {
	if len(p.Scope.Estates) > 0 {
		return p.Scope.Estates[0]
	}
	return ""
}
