package db

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"
)

// ClockMove says that what an edge's clock read about EdgeMS during one boot
// is put MovedMS earlier.
type ClockMove struct{ EdgeMS, MovedMS int64 }

type clockMoveRow struct {
	bun.BaseModel `bun:"table:clock_moves"`

	Estate  string `bun:"estate,pk"`
	Edge    string `bun:"edge,pk"`
	Boot    string `bun:"boot,pk"`
	N       int64  `bun:"n,pk"`
	EdgeMS  int64  `bun:"edge_ms"`
	MovedMS int64  `bun:"moved_ms"`
	AtMS    int64  `bun:"at_ms"`
}

// ClockMoves returns what is decided about a boot's clock, oldest first, and
// keeps other collectors from deciding it until the end.
func (tx *Tx) ClockMoves(ctx context.Context, estate, edge, boot string) ([]ClockMove, error) {
	if err := tx.lock(ctx, "clock:"+estate+"/"+edge+"/"+clean(boot)); err != nil {
		return nil, err
	}
	var rows []clockMoveRow
	err := tx.db.NewSelect().Model(&rows).Where("estate = ? AND edge = ? AND boot = ?", estate, edge, clean(boot)).
		Order("n").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("read clock of %s/%s: %w", estate, edge, err)
	}
	return nouns(rows, func(r clockMoveRow) (ClockMove, error) { return ClockMove{r.EdgeMS, r.MovedMS}, nil })
}

// SaveClockMove keeps the n-th decision about a boot's clock, from 0. It is made
// once: an n that is there already stays.
func (tx *Tx) SaveClockMove(ctx context.Context, estate, edge, boot string, n int, m ClockMove) error {
	r := clockMoveRow{Estate: estate, Edge: edge, Boot: clean(boot), N: int64(n), EdgeMS: m.EdgeMS, MovedMS: m.MovedMS, AtMS: tx.nowMS}
	if _, err := tx.db.NewInsert().Model(&r).On("CONFLICT DO NOTHING").Returning("NULL").Exec(ctx); err != nil {
		return fmt.Errorf("save clock of %s/%s: %w", estate, edge, err)
	}
	return nil
}

// ClockDay sums up what was odd about the times of a device's samples that came
// on one day (UTC). One Sample may count under several reasons.
type ClockDay struct {
	Estate, Device string
	DayMS          int64
	// Samples had at least one of: Corrected (moved by what is known of the
	// edge's clock), Untrusted (nobody vouched for that clock), Disbelieved
	// (the device's own time was impossible), Late (older than the newest).
	Samples, Corrected, Untrusted, Disbelieved, Late int64
	// MostMS is the largest distance between the original time and the one
	// that is stored; FirstMS and LastMS bound the original times.
	MostMS, FirstMS, LastMS int64
}

type clockDayRow struct {
	bun.BaseModel `bun:"table:clock_days,alias:d"`

	Estate      string `bun:"estate,pk"`
	Device      string `bun:"device,pk"`
	DayMS       int64  `bun:"day_ms,pk"`
	Samples     int64  `bun:"samples"`
	Corrected   int64  `bun:"corrected"`
	Untrusted   int64  `bun:"untrusted"`
	Disbelieved int64  `bun:"disbelieved"`
	Late        int64  `bun:"late"`
	MostMS      int64  `bun:"most_ms"`
	FirstMS     int64  `bun:"first_ms"`
	LastMS      int64  `bun:"last_ms"`
}

// AddClockDays adds to what is known of devices' days; no two of days may be
// of one device and day.
func (tx *Tx) AddClockDays(ctx context.Context, days []ClockDay) error {
	if len(days) == 0 {
		return nil
	}
	rows := make([]clockDayRow, len(days))
	for i, d := range days {
		rows[i] = clockDayRow{
			Estate: d.Estate, Device: clean(d.Device), DayMS: d.DayMS, Samples: d.Samples, Corrected: d.Corrected, Untrusted: d.Untrusted,
			Disbelieved: d.Disbelieved, Late: d.Late, MostMS: d.MostMS, FirstMS: d.FirstMS, LastMS: d.LastMS,
		}
	}
	q := tx.db.NewInsert().Model(&rows).On("CONFLICT (estate, device, day_ms) DO UPDATE").Returning("NULL")
	for _, sum := range []string{"samples", "corrected", "untrusted", "disbelieved", "late"} {
		q = q.Set("? = d.? + excluded.?", bun.Ident(sum), bun.Ident(sum), bun.Ident(sum))
	}
	for column, wins := range map[string]string{"most_ms": ">", "first_ms": "<", "last_ms": ">"} {
		c := bun.Ident(column)
		q = q.Set("? = CASE WHEN excluded.? "+wins+" d.? THEN excluded.? ELSE d.? END", c, c, c, c, c)
	}
	if _, err := q.Exec(ctx); err != nil {
		return fmt.Errorf("add to clock days: %w", err)
	}
	return nil
}

// ClockDays lists the days of a device on which something was odd, newest
// first, at most limit of them.
func (v *View) ClockDays(ctx context.Context, estate, device string, limit int) ([]ClockDay, error) {
	var rows []clockDayRow
	err := v.db.NewSelect().Model(&rows).Where("estate = ? AND device = ?", clean(estate), clean(device)).
		Order("day_ms DESC").Limit(int64(limit)).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("list clock days: %w", err)
	}
	return nouns(rows, func(r clockDayRow) (ClockDay, error) {
		return ClockDay{
			Estate: r.Estate, Device: r.Device, DayMS: r.DayMS, Samples: r.Samples, Corrected: r.Corrected, Untrusted: r.Untrusted,
			Disbelieved: r.Disbelieved, Late: r.Late, MostMS: r.MostMS, FirstMS: r.FirstMS, LastMS: r.LastMS,
		}, nil
	})
}
