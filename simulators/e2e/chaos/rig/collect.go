package rig

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/linshao/linshao/simulators/e2e/api"
)

type heldSample struct {
	Estate string   `json:"estate"`
	Device string   `json:"device"`
	Metric string   `json:"metric"`
	TS     int64    `json:"ts"`
	Value  *float64 `json:"value"`
}

type heldTicket struct {
	Ticket      string   `json:"ticket"`
	Estate      string   `json:"estate"`
	Device      string   `json:"device"`
	Fault       string   `json:"fault"`
	RaisedAt    int64    `json:"raised_at"`
	Occurrences int      `json:"occurrences"`
	Aliases     []string `json:"aliases"`
}

type heldDelivery struct {
	Delivery string `json:"delivery"`
	Ticket   string `json:"ticket"`
	Track    string `json:"track"`
	Step     int    `json:"step"`
	Round    int    `json:"round"`
	Staff    string `json:"staff"`
	Channel  string `json:"channel"`
	State    string `json:"state"`
}

// collect asks the cloud's public API for everything it holds and writes
// held.ndjson anew.
func (w *Town) collect(ctx context.Context) error {
	j, err := openJournal(filepath.Join(w.Journals, "held.ndjson"))
	if err != nil {
		return err
	}
	defer j.close()
	if err := w.collectSamples(ctx, j); err != nil {
		return err
	}
	if err := w.collectTickets(ctx, j); err != nil {
		return err
	}
	return j.flush()
}

// collectSamples reads every metric of every device that the cloud knows,
// whoever sent it.
func (w *Town) collectSamples(ctx context.Context, j *journal) error {
	type device struct {
		Estate string `json:"estate"`
		Device string `json:"device"`
	}
	devices, err := api.List[device](ctx, w.API, "/api/v1/devices?")
	if err != nil {
		return err
	}
	to := time.Now().Add(time.Hour).UnixMilli()
	for _, d := range devices {
		latest, err := api.Read[struct {
			Items []struct {
				Metric string `json:"metric"`
			} `json:"items"`
		}](ctx, w.API, "/api/v1/devices/"+d.Estate+":"+d.Device+"/latest")
		if err != nil {
			return err
		}
		for _, m := range latest.Items {
			points, err := w.API.Series(ctx, d.Estate+":"+d.Device, m.Metric, 0, to)
			if err != nil {
				return fmt.Errorf("series %s of %s: %w", m.Metric, d.Device, err)
			}
			for _, p := range points {
				j.add(heldSample{d.Estate, d.Device, m.Metric, p.AtMS, p.Value})
			}
		}
	}
	return nil
}

func (w *Town) collectTickets(ctx context.Context, j *journal) error {
	tickets, err := w.API.Tickets(ctx, "")
	if err != nil {
		return err
	}
	for _, t := range tickets {
		j.add(heldTicket{t.ID, t.Estate, t.Device, t.Fault, t.RaisedAt.UnixMilli(), t.Occurrences, t.Aliases})
		deliveries, err := w.API.Deliveries(ctx, t.ID)
		if err != nil {
			return err
		}
		for _, d := range deliveries {
			j.add(heldDelivery{d.ID, d.Ticket, d.Track, d.Step, d.Round, d.Staff, d.Channel, d.State})
		}
	}
	return nil
}
