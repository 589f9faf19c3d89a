// Package victoria keeps time series in a VictoriaMetrics server, single node
// or cluster behind one address: written in line protocol through InfluxDB's
// client to /api/v2/write, read through the Prometheus API.
//
// How durable Append is, is the server's affair: it answers before it has
// written, and a node that is killed loses up to five seconds. Run it
// replicated where that matters.
//
// The server answers 204 even for lines that it cannot parse, so everything
// is checked here before it is sent. It keeps equal rewrites as duplicates
// unless -dedup.minScrapeInterval=1ms is set; Open asks for that flag.
//
// In line protocol the measurement is the kind, the field the metric, and the
// tags estate, edge and device; kind and metric are tags as well,
// so that all five labels are there to select by, whatever characters the
// server leaves in the series name. A Sample of bad quality, for which line
// protocol has no word, is a 1 in the field "{metric}_bad" with the tag
// quality=bad. The server keeps about 15 decimal digits of the largest value of
// some thousand neighbours in a series; what is smaller than that beside it
// reads as 0.
package victoria

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	influxdb2 "github.com/influxdata/influxdb-client-go/v2"
	influx "github.com/influxdata/influxdb-client-go/v2/api"
	"github.com/prometheus/client_golang/api"
	prometheus "github.com/prometheus/client_golang/api/prometheus/v1"

	"github.com/linshao/linshao/cloud/internal/series"
)

// Options of a Store.
type Options struct {
	// URL is the server's base: writes go to URL/api/v2/write, reads to
	// URL/api/v1/….
	URL string
	// HTTP is used for everything; it bounds each request's time.
	HTTP *http.Client
	// Now is the clock that times are checked against.
	Now func() time.Time
	Log *slog.Logger
}

// Store is a series.Store on a server.
type Store struct {
	client influxdb2.Client
	writes influx.WriteAPIBlocking
	reads  prometheus.API
	now    func() time.Time
	log    *slog.Logger
}

var _ series.Store = (*Store)(nil)

// Open checks that the server is there and set up to keep each sample once.
func Open(ctx context.Context, o Options) (*Store, error) {
	base := strings.TrimRight(o.URL, "/")
	if err := checkFlags(ctx, o, base); err != nil {
		return nil, fmt.Errorf("open victoriametrics at %s: %w", base, err)
	}
	uncached := *o.HTTP
	uncached.Transport = noCache{transport(o.HTTP)}
	reads, err := api.NewClient(api.Config{Address: base, Client: &uncached})
	if err != nil {
		return nil, fmt.Errorf("open victoriametrics: %w", err)
	}
	client := influxdb2.NewClientWithOptions(base, "", influxdb2.DefaultOptions().SetHTTPClient(o.HTTP).SetLogLevel(0))
	return &Store{
		client: client, writes: client.WriteAPIBlocking("", ""),
		reads: prometheus.NewAPI(reads), now: o.Now, log: o.Log,
	}, nil
}

// Close implements series.Store.
func (s *Store) Close() error {
	s.client.Close()
	return nil
}

// checkFlags reads the flags that were given to the server. Behind a cluster's
// proxy nobody answers; then it can only be noted.
func checkFlags(ctx context.Context, o Options, base string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/flags", nil)
	if err != nil {
		return err
	}
	resp, err := o.HTTP.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // read only
	if resp.StatusCode != http.StatusOK {
		o.Log.Warn("cannot see the flags of victoriametrics; it must run with -dedup.minScrapeInterval=1ms", "status", resp.StatusCode)
		return nil
	}
	for lines := bufio.NewScanner(io.LimitReader(resp.Body, 1<<20)); lines.Scan(); {
		if v, ok := strings.CutPrefix(lines.Text(), "-dedup.minScrapeInterval="); ok && strings.Trim(v, `"`) == "1ms" {
			return nil
		}
	}
	return errors.New("start it with -dedup.minScrapeInterval=1ms: without it a message that arrives twice counts twice")
}

// noCache keeps the server from answering out of its cache, which does not
// know late data, and from shifting the times of a query to suit it.
type noCache struct{ next http.RoundTripper }

func (n noCache) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	q := r.URL.Query()
	q.Set("nocache", "1")
	r.URL.RawQuery = q.Encode()
	return n.next.RoundTrip(r)
}

func transport(c *http.Client) http.RoundTripper {
	if c.Transport != nil {
		return c.Transport
	}
	return http.DefaultTransport
}
