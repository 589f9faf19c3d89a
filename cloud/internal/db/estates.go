package db

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"

	"github.com/linshao/linshao/cloud/internal/fleet"
)

type estateRow struct {
	bun.BaseModel `bun:"table:estates"`

	ID       string `bun:"id,pk"`
	Name     string `bun:"name"`
	Timezone string `bun:"timezone"`
	Hotline  string `bun:"hotline"`
}

func (r estateRow) noun() (fleet.Estate, error) {
	return fleet.Estate{ID: r.ID, Name: r.Name, Timezone: r.Timezone, Hotline: r.Hotline}, nil
}

// SaveEstate inserts or overwrites by id.
func (tx *Tx) SaveEstate(ctx context.Context, e fleet.Estate) error {
	return tx.upsert(ctx, &estateRow{ID: e.ID, Name: clean(e.Name), Timezone: e.Timezone, Hotline: clean(e.Hotline)}, "id")
}

// Estate returns one estate.
func (v *View) Estate(ctx context.Context, id string) (fleet.Estate, bool, error) {
	var r estateRow
	ok, err := found(v.db.NewSelect().Model(&r).Where("id = ?", clean(id)).Scan(ctx))
	if !ok || err != nil {
		return fleet.Estate{}, false, err
	}
	e, err := r.noun()
	return e, true, err
}

// Estates lists the estates of the page's scope.
func (v *View) Estates(ctx context.Context, p Page) ([]fleet.Estate, string, error) {
	var rows []estateRow
	q := v.db.NewSelect().Model(&rows)
	if !p.Scope.AllEstates {
		q = q.Where("id IN (?)", bun.List(p.Scope.Estates))
	}
	if p.Estate != "" {
		q = q.Where("id = ?", clean(p.Estate))
	}
	if p.Cursor != "" {
		at, err := parseCursor[string](p.Cursor)
		if err != nil {
			return nil, "", err
		}
		q = q.Where("id > ?", clean(at.First))
	}
	if err := q.Order("id").Limit(int64(p.limit() + 1)).Scan(ctx); err != nil {
		return nil, "", fmt.Errorf("list estates: %w", err)
	}
	rows, next, err := cut(p, rows, func(r estateRow) cursor[string] { return cursor[string]{First: r.ID} })
	if err != nil {
		return nil, "", err
	}
	out, err := nouns(rows, estateRow.noun)
	return out, next, err
}

type orgRow struct {
	bun.BaseModel `bun:"table:orgs"`

	Estate  string `bun:"estate,pk"`
	ID      string `bun:"id,pk"`
	Name    string `bun:"name"`
	Kind    string `bun:"kind"`
	Phone   string `bun:"phone"`
	Devices string `bun:"devices_doc"`
}

func (r orgRow) noun() (fleet.Org, error) {
	o := fleet.Org{ID: r.ID, Name: r.Name, Estate: r.Estate, Kind: r.Kind, Phone: r.Phone}
	return o, unpack(r.Devices, &o.Devices)
}

// SaveOrg inserts or overwrites by id.
func (tx *Tx) SaveOrg(ctx context.Context, o fleet.Org) error {
	devices, err := pack(o.Devices)
	if err != nil {
		return err
	}
	return tx.upsert(ctx, &orgRow{
		Estate: o.Estate, ID: o.ID, Name: clean(o.Name), Kind: o.Kind, Phone: clean(o.Phone), Devices: devices,
	}, "estate, id")
}

// Orgs lists organisations.
func (v *View) Orgs(ctx context.Context, p Page) ([]fleet.Org, string, error) {
	rows, next, err := listByID(ctx, p, p.within(v.db.NewSelect()), func(r orgRow) cursor[string] { return cursor[string]{r.Estate, r.ID} })
	if err != nil {
		return nil, "", fmt.Errorf("list orgs: %w", err)
	}
	out, err := nouns(rows, orgRow.noun)
	return out, next, err
}
