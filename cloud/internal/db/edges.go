package db

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/uptrace/bun"

	"github.com/linshao/linshao/cloud/internal/fleet"
	"github.com/linshao/linshao/protocol/envelope"
)

type edgeRow struct {
	bun.BaseModel `bun:"table:edges"`

	Estate      string `bun:"estate,pk"`
	ID          string `bun:"id,pk"`
	Version     string `bun:"version"`
	LastSeenMS  int64  `bun:"last_seen_ms"`
	Online      bool   `bun:"online"`
	SkewMS      int64  `bun:"skew_ms"`
	Session     string `bun:"session"`
	Predecessor string `bun:"predecessor"`
	Heads       string `bun:"heads_doc"`
}

func edgeOf(e fleet.Edge) (edgeRow, error) {
	heads, err := pack(e.Heads)
	return edgeRow{
		Estate: e.Estate, ID: clean(e.ID), Version: clean(e.Version), LastSeenMS: e.LastSeenMS, Online: e.Online,
		SkewMS: e.SkewMS, Session: clean(e.Session), Predecessor: clean(e.Predecessor), Heads: heads,
	}, err
}

func (r edgeRow) noun() (fleet.Edge, error) {
	e := fleet.Edge{
		ID: r.ID, Estate: r.Estate, Version: r.Version, LastSeenMS: r.LastSeenMS, Online: r.Online,
		SkewMS: r.SkewMS, Session: r.Session, Predecessor: r.Predecessor,
	}
	return e, unpack(r.Heads, &e.Heads)
}

// AddEdge makes sure that an edge exists; one that does is left as it is.
func (tx *Tx) AddEdge(ctx context.Context, estate, id string) error {
	r, err := edgeOf(fleet.Edge{Estate: estate, ID: id})
	if err != nil {
		return err
	}
	if _, err := tx.db.NewInsert().Model(&r).On("CONFLICT DO NOTHING").Returning("NULL").Exec(ctx); err != nil {
		return fmt.Errorf("add edge %s/%s: %w", estate, id, err)
	}
	return nil
}

// Edge returns one edge.
func (v *View) Edge(ctx context.Context, estate, id string) (fleet.Edge, bool, error) {
	var r edgeRow
	ok, err := found(v.db.NewSelect().Model(&r).Where("estate = ?", clean(estate)).Where("id = ?", clean(id)).Scan(ctx))
	if !ok || err != nil {
		return fleet.Edge{}, false, err
	}
	e, err := r.noun()
	return e, err == nil, err
}

// Edges lists edges; a contractor looks after none.
func (v *View) Edges(ctx context.Context, p Page) ([]fleet.Edge, string, error) {
	if p.Scope.Limited {
		return nil, "", nil
	}
	rows, next, err := listByID(ctx, p, p.within(v.db.NewSelect()), func(r edgeRow) cursor[string] { return cursor[string]{r.Estate, r.ID} })
	if err != nil {
		return nil, "", fmt.Errorf("list edges: %w", err)
	}
	out, err := nouns(rows, edgeRow.noun)
	return out, next, err
}

// TouchEdge notes that an edge was heard (or, with online false, that it went
// away) at atMS; only a change of online is an event for the console.
func (tx *Tx) TouchEdge(ctx context.Context, estate, id string, atMS int64, online bool) error {
	e, ok, err := tx.Edge(ctx, estate, id)
	if err != nil || !ok {
		return err
	}
	if online {
		e.LastSeenMS = max(e.LastSeenMS, atMS)
	}
	changed := e.Online != online
	e.Online = online
	return tx.saveEdge(ctx, e, changed)
}

func (tx *Tx) saveEdge(ctx context.Context, e fleet.Edge, changed bool) error {
	r, err := edgeOf(e)
	if err != nil {
		return err
	}
	if err := tx.upsert(ctx, &r, "estate, id"); err != nil {
		return fmt.Errorf("edge %s/%s: %w", e.Estate, e.ID, err)
	}
	if changed {
		tx.Change(Change{Estate: e.Estate, Kind: EdgeChange, Ref: e.ID})
	}
	return nil
}

type sessionOfEdge struct {
	bun.BaseModel `bun:"table:edge_sessions"`

	Estate   string `bun:"estate,pk"`
	Edge     string `bun:"edge,pk"`
	Session  string `bun:"session,pk"`
	Epoch    string `bun:"epoch"`
	Previous string `bun:"previous"`
	AtMS     int64  `bun:"at_ms"`
}

// SaveHello keeps what an edge says about itself and its devices. It reports
// clone, and changes nothing, if another session already grew from the same
// predecessor.
func (tx *Tx) SaveHello(ctx context.Context, h envelope.Hello) (clone bool, err error) {
	tx.concerns(helloConcern)
	if err := tx.lock(ctx, "edge:"+h.Estate+"/"+h.Edge); err != nil {
		return false, err
	}
	next := fleet.Session{Epoch: clean(h.Epoch), Session: clean(h.Session), Previous: clean(h.Previous)}
	var rows []sessionOfEdge
	err = tx.db.NewSelect().Model(&rows).Where("estate = ? AND edge = ?", h.Estate, h.Edge).
		Where("epoch = ? AND previous = ?", next.Epoch, next.Previous).Scan(ctx)
	if err != nil {
		return false, fmt.Errorf("read sessions of %s/%s: %w", h.Estate, h.Edge, err)
	}
	var before []fleet.Session
	for _, r := range rows {
		before = append(before, fleet.Session{Epoch: r.Epoch, Session: r.Session, Previous: r.Previous})
	}
	if fleet.Clone(before, next) {
		return true, nil
	}
	s := sessionOfEdge{
		Estate: h.Estate, Edge: h.Edge, Session: next.Session, Epoch: next.Epoch, Previous: next.Previous, AtMS: tx.nowMS,
	}
	if err := tx.upsert(ctx, &s, "estate, edge, session"); err != nil {
		return false, fmt.Errorf("session of %s/%s: %w", h.Estate, h.Edge, err)
	}
	e, _, err := tx.Edge(ctx, h.Estate, h.Edge)
	if err != nil {
		return false, fmt.Errorf("read edge %s/%s: %w", h.Estate, h.Edge, err)
	}
	if err := tx.saveEdge(ctx, e.Greet(h, tx.nowMS), true); err != nil {
		return false, err
	}
	return false, tx.describe(ctx, h)
}

// describe makes the edge's devices what the hello says, touching only those
// that differ.
func (tx *Tx) describe(ctx context.Context, h envelope.Hello) error {
	var rows []deviceRow
	err := tx.db.NewSelect().Model(&rows).Where("estate = ? AND edge = ?", h.Estate, h.Edge).Scan(ctx)
	if err != nil {
		return fmt.Errorf("read devices of %s/%s: %w", h.Estate, h.Edge, err)
	}
	gone := map[string]deviceRow{}
	for _, r := range rows {
		gone[r.ID] = r
	}
	for _, d := range fleet.DevicesOf(h) {
		r, err := deviceOf(d)
		if err != nil {
			return err
		}
		same := gone[r.ID] == r
		delete(gone, r.ID)
		if same {
			continue
		}
		if err := tx.SaveDevice(ctx, d); err != nil {
			return err
		}
	}
	for _, r := range slices.SortedFunc(maps.Values(gone), func(a, b deviceRow) int { return cmp.Compare(a.ID, b.ID) }) {
		if _, err := tx.db.NewDelete().Model(&r).WherePK().Exec(ctx); err != nil {
			return fmt.Errorf("remove device %s: %w", r.ID, err)
		}
		tx.Change(Change{Estate: r.Estate, Kind: DeviceChange, Ref: r.ID, Device: r.ID, DeviceKind: r.Kind})
	}
	return nil
}
