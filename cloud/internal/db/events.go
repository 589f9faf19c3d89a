package db

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"

	"github.com/linshao/linshao/protocol/telemetry"
)

type eventRow struct {
	bun.BaseModel `bun:"table:device_events"`

	Estate   string `bun:"estate,pk"`
	Device   string `bun:"device,pk"`
	Name     string `bun:"name,pk"`
	AtMS     int64  `bun:"at_ms,pk"`
	Kind     string `bun:"kind"`
	Edge     string `bun:"edge"`
	DeviceMS int64  `bun:"device_ms"`
	EdgeMS   int64  `bun:"edge_ms"`
	Marks    int64  `bun:"marks"`
	Data     string `bun:"data_doc"`
}

// SaveEvents keeps what devices reported as having happened, once per (device,
// name, AtMS): a message sent again after a crash is taken once.
func (tx *Tx) SaveEvents(ctx context.Context, estate, edge string, es []telemetry.Event) error {
	if len(es) == 0 {
		return nil
	}
	rows := make([]eventRow, 0, len(es))
	for _, e := range es {
		rows = append(rows, eventRow{
			Estate: estate, Edge: edge, Device: clean(e.Device), Name: clean(e.Name), Kind: clean(e.Kind),
			AtMS: e.AtMS, DeviceMS: e.DeviceMS, EdgeMS: e.EdgeMS, Marks: int64(e.Marks), Data: clean(string(e.Data)),
		})
	}
	if _, err := tx.db.NewInsert().Model(&rows).On("CONFLICT DO NOTHING").Returning("NULL").Exec(ctx); err != nil {
		return fmt.Errorf("save device events: %w", err)
	}
	return nil
}

// Events lists a device's events in [fromMS, toMS), newest first, at most
// limit of them.
func (v *View) Events(ctx context.Context, estate, device string, fromMS, toMS int64, limit int) ([]telemetry.Event, error) {
	var rows []eventRow
	err := v.db.NewSelect().Model(&rows).Where("estate = ? AND device = ?", clean(estate), clean(device)).
		Where("at_ms >= ? AND at_ms < ?", fromMS, toMS).Order("at_ms DESC", "name").Limit(int64(limit)).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("list device events: %w", err)
	}
	return nouns(rows, func(r eventRow) (telemetry.Event, error) {
		e := telemetry.Event{
			Device: r.Device, Kind: r.Kind, Name: r.Name, AtMS: r.AtMS, DeviceMS: r.DeviceMS, EdgeMS: r.EdgeMS,
			Marks: telemetry.Marks(r.Marks),
		}
		if r.Data != "" {
			e.Data = []byte(r.Data)
		}
		return e, nil
	})
}
