package triage

import (
	"bytes"
	"compress/flate"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/linshao/linshao/protocol/ticket"
)

// snapshotVersion is the first byte of a snapshot; what follows is this
// version's JSON, deflated.
const snapshotVersion = 1

// maxSnapshot bounds what a snapshot may inflate to.
const maxSnapshot = 64 << 20

type snapshot struct {
	Stamp      ticket.Stamp      `json:"stamp"`
	Episodes   []episodeSnapshot `json:"episodes"`
	Taken      []instant         `json:"taken"`
	Maintained []string          `json:"maintained,omitempty"`
}

type episodeSnapshot struct {
	Log     []ticket.Transition `json:"log"`
	Trimmed int                 `json:"trimmed,omitempty"`
	Active  bool                `json:"active,omitempty"`
	Names   []ticket.ID         `json:"names,omitempty"`
}

// Snapshot returns the state as bytes for Restore.
func (t *Triage) Snapshot() ([]byte, error) {
	s := snapshot{Stamp: t.stamp, Taken: t.taken.list()}
	for _, e := range t.sorted() {
		es := episodeSnapshot{Log: e.log, Trimmed: e.trimmed, Active: e.active}
		for id, other := range t.names {
			if other == e {
				es.Names = append(es.Names, id)
			}
		}
		slices.Sort(es.Names)
		s.Episodes = append(s.Episodes, es)
	}
	for dev := range t.maintained {
		s.Maintained = append(s.Maintained, dev)
	}
	slices.Sort(s.Maintained)
	b := bytes.NewBuffer([]byte{snapshotVersion})
	w, err := flate.NewWriter(b, flate.BestSpeed)
	if err != nil {
		return nil, fmt.Errorf("deflate tickets: %w", err)
	}
	if err := json.NewEncoder(w).Encode(s); err != nil {
		return nil, fmt.Errorf("encode tickets: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("deflate tickets: %w", err)
	}
	return b.Bytes(), nil
}

// Restore replaces the state by that of a snapshot. On an error the state is
// as it was.
func (t *Triage) Restore(b []byte) error {
	if len(b) == 0 || b[0] != snapshotVersion {
		return fmt.Errorf("restore tickets: this version reads snapshots of version %d only", snapshotVersion)
	}
	var s snapshot
	r := io.LimitReader(flate.NewReader(bytes.NewReader(b[1:])), maxSnapshot)
	if err := json.NewDecoder(r).Decode(&s); err != nil {
		return fmt.Errorf("restore tickets: %w", err)
	}
	fresh := New(t.cfg)
	for _, es := range s.Episodes {
		fresh.adopt(es)
	}
	for _, i := range s.Taken {
		fresh.taken.add(i.Key, i.AtMS)
	}
	for _, dev := range s.Maintained {
		fresh.maintained[dev] = true
	}
	if s.Stamp.Origin == fresh.stamp.Origin {
		fresh.stamp = s.Stamp
	} else {
		// The box was renamed: its clock goes on, its numbers start anew.
		fresh.stamp = fresh.stamp.Observe(s.Stamp, s.Stamp.WallMS, 0)
	}
	*t = *fresh
	return nil
}

func (t *Triage) adopt(es episodeSnapshot) {
	e := &episode{log: es.Log, trimmed: es.Trimmed, active: es.Active}
	if e.fold(); e.ticket.ID == "" {
		return
	}
	e.key = e.ticket.Key()
	for _, x := range e.log {
		if x.Ticket == e.ticket.ID && x.Kind == ticket.Raise {
			e.raised = x.Stamp
			break
		}
	}
	t.episodes[e.key] = e
	for _, id := range es.Names {
		t.names[id] = e
	}
}
