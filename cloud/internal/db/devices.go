package db

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"

	"github.com/linshao/linshao/cloud/internal/access"
	"github.com/linshao/linshao/cloud/internal/fleet"
)

type deviceRow struct {
	bun.BaseModel `bun:"table:devices"`

	Estate   string `bun:"estate,pk"`
	ID       string `bun:"id,pk"`
	Edge     string `bun:"edge"`
	Kind     string `bun:"kind"`
	Profile  string `bun:"profile"`
	Location string `bun:"location"`
	Points   string `bun:"points_doc"`
}

func deviceOf(d fleet.Device) (deviceRow, error) {
	points, err := pack(d.Points)
	return deviceRow{
		Estate: d.Estate, ID: clean(d.ID), Edge: d.Edge, Kind: clean(d.Kind), Profile: clean(d.Profile),
		Location: clean(d.Location), Points: points,
	}, err
}

func (r deviceRow) noun() (fleet.Device, error) {
	d := fleet.Device{ID: r.ID, Estate: r.Estate, Edge: r.Edge, Kind: r.Kind, Profile: r.Profile, Location: r.Location}
	return d, unpack(r.Points, &d.Points)
}

// SaveDevice inserts or overwrites by id.
func (tx *Tx) SaveDevice(ctx context.Context, d fleet.Device) error {
	r, err := deviceOf(d)
	if err != nil {
		return err
	}
	if err := tx.upsert(ctx, &r, "estate, id"); err != nil {
		return fmt.Errorf("device %s: %w", d.ID, err)
	}
	tx.Change(Change{Estate: r.Estate, Kind: DeviceChange, Ref: r.ID, Device: r.ID, DeviceKind: r.Kind})
	return nil
}

// Device returns one device.
func (v *View) Device(ctx context.Context, estate, id string) (fleet.Device, bool, error) {
	var r deviceRow
	ok, err := found(v.db.NewSelect().Model(&r).Where("estate = ?", clean(estate)).Where("id = ?", clean(id)).Scan(ctx))
	if !ok || err != nil {
		return fleet.Device{}, false, err
	}
	d, err := r.noun()
	return d, err == nil, err
}

// Devices lists the devices of the page's scope.
func (v *View) Devices(ctx context.Context, p Page) ([]fleet.Device, string, error) {
	q := p.looksAfter(p.within(v.db.NewSelect()), "id", "kind")
	rows, next, err := listByID(ctx, p, q, func(r deviceRow) cursor[string] { return cursor[string]{r.Estate, r.ID} })
	if err != nil {
		return nil, "", fmt.Errorf("list devices: %w", err)
	}
	out, err := nouns(rows, deviceRow.noun)
	return out, next, err
}

// DevicesNamed returns every device of the scope with this id: ids are unique
// within an estate only.
func (v *View) DevicesNamed(ctx context.Context, scope access.Scope, id string) ([]fleet.Device, error) {
	var rows []deviceRow
	p := Page{Scope: scope}
	q := p.looksAfter(p.within(v.db.NewSelect().Model(&rows)), "id", "kind").Where("id = ?", clean(id)).Order("estate")
	if err := q.Scan(ctx); err != nil {
		return nil, fmt.Errorf("find devices: %w", err)
	}
	return nouns(rows, deviceRow.noun)
}
