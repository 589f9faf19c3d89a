package mqttsim

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"sync"
)

// Journal remembers acknowledged messages: what a gateway has promised to
// have on its disk. Journal.Add fits Options.Acked.
type Journal struct {
	mu      sync.Mutex // guards all below
	entries []Entry
	changed chan struct{} // closed and replaced at every entry
	out     io.Writer
	err     error
}

// NewJournal makes a journal; with out set, each entry is also written there
// as one line of JSON, so that it outlives the process.
func NewJournal(out io.Writer) *Journal {
	return &Journal{changed: make(chan struct{}), out: out}
}

// Add appends an entry.
func (j *Journal) Add(e Entry) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = append(j.entries, e)
	close(j.changed)
	j.changed = make(chan struct{})
	if j.out == nil || j.err != nil {
		return
	}
	line, err := json.Marshal(e)
	if err == nil {
		_, err = j.out.Write(append(line, '\n'))
	}
	if err != nil {
		j.err = fmt.Errorf("write journal: %w", err)
	}
}

// Entries returns a copy, in the order of the acknowledgements.
func (j *Journal) Entries() []Entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.entries)
}

// Err is the first failure to write an entry out.
func (j *Journal) Err() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.err
}

// Wait blocks until at least n entries are there.
func (j *Journal) Wait(ctx context.Context, n int) error {
	for {
		j.mu.Lock()
		have, changed := len(j.entries), j.changed
		j.mu.Unlock()
		if have >= n {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%d of %d messages acknowledged: %w", have, n, ctx.Err())
		}
	}
}
