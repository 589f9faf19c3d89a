package console

import (
	"context"
	"time"

	"github.com/linshao/linshao/cloud/internal/fleet"
)

// ClockDayView sums up what was odd about the times of a device's samples that
// came on one day. One sample may count under several reasons.
type ClockDayView struct {
	Day         string     `json:"day" format:"date" doc:"When they came, a day of UTC"`
	Samples     int64      `json:"samples" doc:"With at least one of the reasons"`
	Corrected   int64      `json:"corrected" doc:"Moved by what is known of the gateway's clock"`
	Untrusted   int64      `json:"untrusted" doc:"Nobody vouched for the gateway's clock"`
	Disbelieved int64      `json:"disbelieved" doc:"The device said a time that cannot be; the gateway's counts"`
	Late        int64      `json:"late" doc:"Older than the newest that was there"`
	MostMS      int64      `json:"most_ms" doc:"Largest distance between the original time and the stored one"`
	FirstAt     *time.Time `json:"first_at" doc:"The earliest original time"`
	LastAt      *time.Time `json:"last_at" doc:"The latest original time"`
}

// mostClockDays bounds what one device tells.
const mostClockDays = 31

// oneDevice tells of a device what a list does not.
func (c *Console) oneDevice(ctx context.Context, in *DeviceInput) (*One[DeviceView], error) {
	d, err := c.device(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	v := deviceView(d)
	v.Clock, err = c.clock(ctx, d)
	return &One[DeviceView]{v}, err
}

func (c *Console) clock(ctx context.Context, d fleet.Device) ([]ClockDayView, error) {
	days, err := c.fleet.ClockDays(ctx, d.Estate, d.ID, mostClockDays)
	if err != nil {
		return nil, err
	}
	z := c.zoneOf(ctx, d.Estate)
	out := make([]ClockDayView, 0, len(days))
	for _, x := range days {
		out = append(out, ClockDayView{
			Day: time.UnixMilli(x.DayMS).UTC().Format(time.DateOnly), Samples: x.Samples, Corrected: x.Corrected, Untrusted: x.Untrusted,
			Disbelieved: x.Disbelieved, Late: x.Late, MostMS: x.MostMS, FirstAt: z.sayable(x.FirstMS), LastAt: z.sayable(x.LastMS),
		})
	}
	return out, nil
}

// sayable is an instant that somebody claimed: null where JSON has no date for
// it.
func (z zone) sayable(ms int64) *time.Time {
	const first, last = -62_135_510_400_000, 253_402_214_400_000 // 0001-01-02, 9999-12-31
	if ms < first || ms > last {
		return nil
	}
	return z.maybe(ms)
}
