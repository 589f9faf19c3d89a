package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"

	"github.com/linshao/linshao/cloud/internal/series"
)

// Bounds of one query. They keep a careless dashboard from taking the memory
// or the processor that alarms need.
const (
	queryTimeout   = 30 * time.Second
	querySamples   = 5_000_000
	queryPoints    = 11_000 // per series, as Prometheus itself
	answerLimit    = 10_000 // series or label values of one answer
	queryMaxLength = 16 << 10
)

func newEngine(log *slog.Logger) *promql.Engine {
	return promql.NewEngine(promql.EngineOpts{
		Logger: log, MaxSamples: querySamples, Timeout: queryTimeout,
		EnableAtModifier: true, EnableNegativeOffset: true,
	})
}

// Prometheus implements series.Prometheus. The scope is enforced where the
// engine reads: whatever it selects, and however the query spells it, the
// estate matcher is among the matchers.
func (s *Store) Prometheus(scope series.Scope) http.Handler {
	a := api{store: s, data: scoped{s.db, scopeMatchers(scope)}}
	mux := http.NewServeMux()
	for _, method := range []string{"GET ", "POST "} {
		mux.Handle(method+"/api/v1/query", answer(a.query))
		mux.Handle(method+"/api/v1/query_range", answer(a.queryRange))
		mux.Handle(method+"/api/v1/series", answer(a.series))
		mux.Handle(method+"/api/v1/labels", answer(a.labels))
	}
	mux.Handle("GET /api/v1/label/{name}/values", answer(a.labelValues))
	return mux
}

// badQuery is the caller's fault.
type badQuery struct{ error }

// answer turns a result into Prometheus' JSON.
type answer func(r *http.Request) (any, error)

func (f answer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, queryMaxLength)
	ctx, cancel := context.WithTimeout(r.Context(), queryTimeout)
	defer cancel()
	data, err := f(r.WithContext(ctx))
	body, status := map[string]any{"status": "success", "data": data}, http.StatusOK
	if err != nil {
		kind := ""
		kind, status = classify(err)
		body = map[string]any{"status": "error", "errorType": kind, "error": err.Error()}
	}
	raw, err := json.Marshal(body)
	if err != nil {
		http.Error(w, "encode answer", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(raw) // the caller has gone; there is nobody to tell
}

func classify(err error) (kind string, status int) {
	var bad badQuery
	var timeout promql.ErrQueryTimeout
	var canceled promql.ErrQueryCanceled
	switch {
	case errors.As(err, &bad):
		return "bad_data", http.StatusBadRequest
	case errors.As(err, &timeout), errors.Is(err, context.DeadlineExceeded):
		return "timeout", http.StatusServiceUnavailable
	case errors.As(err, &canceled):
		return "canceled", 499 // the caller closed the connection
	}
	return "execution", http.StatusUnprocessableEntity
}

type api struct {
	store *Store
	data  scoped
}

type queryAnswer struct {
	ResultType parser.ValueType `json:"resultType"`
	Result     parser.Value     `json:"result"`
}

func (a api) query(r *http.Request) (any, error) {
	at, err := timeParam(r, "time", a.store.now())
	if err != nil {
		return nil, err
	}
	q, err := a.store.engine.NewInstantQuery(r.Context(), a.data, nil, r.FormValue("query"), at)
	return run(r.Context(), q, err)
}

func (a api) queryRange(r *http.Request) (any, error) {
	start, errStart := timeParam(r, "start", time.Time{})
	end, errEnd := timeParam(r, "end", time.Time{})
	step, errStep := stepParam(r)
	if err := errors.Join(errStart, errEnd, errStep); err != nil {
		return nil, err
	}
	if end.Before(start) {
		return nil, badQuery{errors.New("end is before start")}
	}
	if end.Sub(start)/step > queryPoints {
		return nil, badQuery{fmt.Errorf("more than %d points for each series: ask for a longer step", queryPoints)}
	}
	q, err := a.store.engine.NewRangeQuery(r.Context(), a.data, nil, r.FormValue("query"), start, end, step)
	return run(r.Context(), q, err)
}

func run(ctx context.Context, q promql.Query, err error) (any, error) {
	if err != nil {
		return nil, badQuery{err}
	}
	defer q.Close()
	res := q.Exec(ctx)
	if res.Err != nil {
		return nil, res.Err
	}
	// Marshalled here: Close gives the result's memory back to a pool.
	raw, err := json.Marshal(queryAnswer{res.Value.Type(), res.Value})
	return json.RawMessage(raw), err
}

func (a api) series(r *http.Request) (any, error) {
	q, sets, err := a.open(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = q.Close() }() // read only
	if len(sets) == 0 {
		return nil, badQuery{errors.New("no match[] parameter")}
	}
	found := []labels.Labels{}
	seen := map[string]bool{}
	for _, ms := range sets {
		set := q.Select(r.Context(), true, nil, ms...)
		for set.Next() && len(found) < answerLimit {
			if l := set.At().Labels(); !seen[l.String()] {
				seen[l.String()] = true
				found = append(found, l)
			}
		}
		if err := set.Err(); err != nil {
			return nil, err
		}
	}
	return found, nil
}

func (a api) labels(r *http.Request) (any, error) {
	return a.union(r, func(ctx context.Context, q storage.Querier, ms []*labels.Matcher) ([]string, error) {
		names, _, err := q.LabelNames(ctx, &storage.LabelHints{Limit: answerLimit}, ms...)
		return names, err
	})
}

func (a api) labelValues(r *http.Request) (any, error) {
	name := r.PathValue("name")
	return a.union(r, func(ctx context.Context, q storage.Querier, ms []*labels.Matcher) ([]string, error) {
		values, _, err := q.LabelValues(ctx, name, &storage.LabelHints{Limit: answerLimit}, ms...)
		return values, err
	})
}

// open parses start, end and match[] and opens a querier for them.
func (a api) open(r *http.Request) (storage.Querier, [][]*labels.Matcher, error) {
	start, errStart := timeParam(r, "start", time.UnixMilli(0))
	end, errEnd := timeParam(r, "end", a.store.now().Add(time.Hour))
	if err := errors.Join(errStart, errEnd); err != nil {
		return nil, nil, err
	}
	sets, err := parser.NewParser(parser.Options{}).ParseMetricSelectors(r.Form["match[]"])
	if err != nil {
		return nil, nil, badQuery{err}
	}
	q, err := a.data.Querier(start.UnixMilli(), end.UnixMilli())
	return q, sets, err
}

// union asks once for each match[], or once for all, and merges the answers.
func (a api) union(r *http.Request, ask func(context.Context, storage.Querier, []*labels.Matcher) ([]string, error)) (any, error) {
	q, sets, err := a.open(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = q.Close() }() // read only
	if len(sets) == 0 {
		sets = [][]*labels.Matcher{nil}
	}
	all := []string{}
	for _, ms := range sets {
		some, err := ask(r.Context(), q, ms)
		if err != nil {
			return nil, err
		}
		for _, v := range some { // the strings live no longer than the querier
			all = append(all, strings.Clone(v))
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}
