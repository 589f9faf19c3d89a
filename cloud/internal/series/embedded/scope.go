package embedded

import (
	"context"
	"regexp"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"

	"github.com/linshao/linshao/cloud/internal/series"
)

func scopeMatchers(scope series.Scope) []*labels.Matcher {
	if scope.All {
		return nil
	}
	quoted := make([]string, len(scope.Estates))
	for i, e := range scope.Estates {
		quoted[i] = regexp.QuoteMeta(e)
	}
	ms := []*labels.Matcher{labels.MustNewMatcher(labels.MatchRegexp, labelEstate, strings.Join(quoted, "|"))}
	// No estates would make an empty pattern, which matches a missing label.
	return append(ms, labels.MustNewMatcher(labels.MatchNotEqual, labelEstate, ""))
}

// scoped adds matchers to everything that is read from a Queryable.
type scoped struct {
	storage.Queryable
	matchers []*labels.Matcher
}

func (q scoped) Querier(mint, maxt int64) (storage.Querier, error) {
	inner, err := q.Queryable.Querier(mint, maxt)
	if err != nil {
		return nil, err
	}
	return scopedQuerier{inner, q.matchers}, nil
}

type scopedQuerier struct {
	storage.Querier
	matchers []*labels.Matcher
}

func (q scopedQuerier) bound(ms []*labels.Matcher) []*labels.Matcher {
	return append(append(make([]*labels.Matcher, 0, len(ms)+len(q.matchers)), ms...), q.matchers...)
}

func (q scopedQuerier) Select(ctx context.Context, sorted bool, h *storage.SelectHints, ms ...*labels.Matcher) storage.SeriesSet {
	return q.Querier.Select(ctx, sorted, h, q.bound(ms)...)
}

func (q scopedQuerier) LabelValues(ctx context.Context, name string, h *storage.LabelHints, ms ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return q.Querier.LabelValues(ctx, name, h, q.bound(ms)...)
}

func (q scopedQuerier) LabelNames(ctx context.Context, h *storage.LabelHints, ms ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return q.Querier.LabelNames(ctx, h, q.bound(ms)...)
}
