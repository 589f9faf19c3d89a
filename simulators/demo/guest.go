package demo

import (
	"context"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/linshao/linshao/simulators/mqttsim"
)

// guestEvery keeps the guest's device from counting as silent while nobody
// plays with it.
const guestEvery = 20 * time.Second

// guest is the device whose password is on the READY line. It only says that
// it has power, so that it never talks over the person who plays with it.
type guest struct{ device *mqttsim.Device }

func (s *site) guest(log *slog.Logger) guest {
	return guest{mqttsim.New(mqttsim.Options{
		URL: "tcp://" + s.estates[0].mqtt, Device: guestDevice, Password: s.keys.Devices[guestDevice], Log: log,
	})}
}

func (b guest) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return b.device.Run(ctx) })
	g.Go(func() error {
		again := time.NewTicker(guestEvery)
		defer again.Stop()
		for now := time.Now(); ; {
			b.device.Offer(mqttsim.Message{AtMS: now.UnixMilli(), Values: map[string]any{"supply_voltage": 12.1}})
			select {
			case <-ctx.Done():
				return nil
			case now = <-again.C:
			}
		}
	})
	return g.Wait()
}
