package embedded

import (
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"github.com/linshao/linshao/cloud/internal/series"
	"github.com/linshao/linshao/protocol/telemetry"
)

// refCache remembers each series' reference and labels, which halves the cost
// of an append. References grow stale when the library forgets a series; it
// then falls back to the labels and hands out a new one.
type refCache struct {
	entries map[refKey]*refEntry
}

type refKey struct {
	estate, edge string
	telemetry.SeriesKey
}

type refEntry struct {
	ref    storage.SeriesRef
	labels labels.Labels
}

// maxRefs bounds the cache to some hundred megabytes; beyond it starts over.
const maxRefs = 1 << 20

func newRefCache() refCache { return refCache{entries: map[refKey]*refEntry{}} }

// entry returns what is known of a series, nil if its names are not clean.
func (c *refCache) entry(estate, edge string, k telemetry.SeriesKey) *refEntry {
	key := refKey{estate, edge, k}
	if e, ok := c.entries[key]; ok {
		return e
	}
	if !series.CleanKey(estate, edge, k) {
		return nil
	}
	if len(c.entries) >= maxRefs {
		clear(c.entries)
	}
	e := &refEntry{labels: labelsOf(estate, edge, k)}
	c.entries[key] = e
	return e
}
