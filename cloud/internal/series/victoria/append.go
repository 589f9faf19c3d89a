package victoria

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	influxhttp "github.com/influxdata/influxdb-client-go/v2/api/http"
	"github.com/influxdata/influxdb-client-go/v2/api/write"

	"github.com/linshao/linshao/cloud/internal/series"
	"github.com/linshao/linshao/protocol/telemetry"
)

const (
	// pointsPerRequest keeps a request near a megabyte.
	pointsPerRequest = 10_000
	// mostRefused of one group may be the points' fault. More is the
	// server's, and then nothing may be given up.
	mostRefused = 100
)

// Append implements series.Appender.
func (s *Store) Append(ctx context.Context, batches []series.Batch) (series.Tally, error) {
	var t series.Tally
	var points []*write.Point
	nowMS := s.now().UnixMilli()
	for _, b := range batches {
		for i := range b.Samples {
			sample := &b.Samples[i]
			if sample.Text != "" {
				t.Texts++
			} else if why := series.Check(b.Estate, b.Edge, sample, nowMS); why != "" {
				t.Refuse(why, 1)
			} else {
				points = append(points, pointOf(b.Estate, b.Edge, sample))
			}
		}
	}
	refused := 0
	for len(points) > 0 {
		n := min(len(points), pointsPerRequest)
		bad, err := s.send(ctx, points[:n], mostRefused-refused)
		if err != nil {
			return t, fmt.Errorf("write to victoriametrics: %w", err)
		}
		refused += bad
		t.Stored += n - bad
		points = points[n:]
	}
	if refused > 0 {
		t.Refuse(series.ByServer, refused)
	}
	return t, nil
}

func pointOf(estate, edge string, s *telemetry.Sample) *write.Point {
	p := write.NewPointWithMeasurement(s.Key.Kind).SetTime(time.UnixMilli(s.AtMS)).
		AddTag("device", s.Key.Device).AddTag("edge", edge).AddTag("estate", estate).
		AddTag("kind", s.Key.Kind).AddTag("metric", s.Key.Metric)
	if s.Quality == telemetry.Bad {
		return p.AddTag("quality", "bad").AddField(s.Key.Metric+"_bad", 1.0)
	}
	return p.AddField(s.Key.Metric, s.Value)
}

// send writes points. Those that the server refuses by themselves are found by
// halving, and counted; at most mayRefuse of them, else it is an error.
func (s *Store) send(ctx context.Context, points []*write.Point, mayRefuse int) (refused int, err error) {
	err = s.writes.WritePoint(ctx, points...)
	if err == nil || !blamesPoints(err) {
		return 0, err
	}
	if len(points) == 1 {
		if mayRefuse < 1 {
			return 0, fmt.Errorf("too many points refused: %w", err)
		}
		s.log.Warn("victoriametrics refuses a sample", "kind", points[0].Name(), "at", points[0].Time(), "err", err)
		return 1, nil
	}
	left, err := s.send(ctx, points[:len(points)/2], mayRefuse)
	if err != nil {
		return 0, err
	}
	right, err := s.send(ctx, points[len(points)/2:], mayRefuse-left)
	return left + right, err
}

// blamesPoints tells answers about what we sent from all other failures.
func blamesPoints(err error) bool {
	var e *influxhttp.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.StatusCode {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return true
	}
	return false
}
