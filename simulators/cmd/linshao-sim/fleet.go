package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/linshao/linshao/simulators/fleet"
)

// fleetCommand loads a collector.
type fleetCommand struct {
	Edges       int           `required:"" help:"Number of simulated edges."`
	Devices     int           `required:"" help:"Devices per edge."`
	Rate        float64       `required:"" help:"Samples per second of each device."`
	CloudMQTT   string        `name:"cloud-mqtt" required:"" placeholder:"URL" help:"The collector's broker, such as tcp://127.0.0.1:1884."`
	Credentials string        `type:"existingfile" placeholder:"FILE.csv" help:"estate,edge,username,password, one edge a line."`
	Estate      string        `default:"fleet" help:"Estate of all edges where --credentials is not given (${default})."`
	Username    string        `help:"User name of all edges where --credentials is not given."`
	Password    string        `env:"LINSHAO_PASSWORD" help:"Their password."`
	Every       time.Duration `default:"1s" help:"An Envelope this often (${default})."`
	Duration    time.Duration `default:"1m" help:"Length of the load (${default})."`
	Grace       time.Duration `default:"15s" help:"Time for the last Receipts (${default})."`
	Backlog     time.Duration `help:"Each edge brings samples of that long an outage (${default})." default:"0s"`
	Alarms      int           `help:"Each edge brings that many alarms of the outage (${default})." default:"0"`
	Seed        uint64        `default:"1" help:"Seed of all values (${default})."`
	JSON        bool          `name:"json" help:"Print the totals as JSON."`
}

// Run loads the collector and prints the totals; unsettled samples are a
// failure.
func (c *fleetCommand) Run(ctx context.Context, s *surroundings) error {
	creds := fleet.Shared(c.Edges, c.Estate, c.Username, c.Password)
	if c.Credentials != "" {
		var err error
		if creds, err = readFile(c.Credentials, fleet.ReadCredentials); err != nil {
			return err
		}
		if len(creds) < c.Edges {
			return fmt.Errorf("%w: %s has %d edges, --edges wants %d", errUsage, c.Credentials, len(creds), c.Edges)
		}
		creds = creds[:c.Edges]
	}
	o := fleet.Options{
		URL: c.CloudMQTT, Credentials: creds, Devices: c.Devices, Rate: c.Rate,
		Every: c.Every, Duration: c.Duration, Grace: c.Grace, Seed: c.Seed, Backlog: c.Backlog, Alarms: c.Alarms, Log: s.log,
	}
	if err := o.Validate(); err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	var before fleet.Totals
	o.Progress = func(t fleet.Totals) {
		fmt.Fprintf(s.stderr, "%4.0f s  %d/%d online  sent %.0f/s  settled %.0f/s  receipt p50 %d ms p99 %d ms  held %d  broken %d\n",
			t.Seconds, t.Online, c.Edges, perSecond(t.Samples-before.Samples, t, before), perSecond(t.Settled-before.Settled, t, before),
			t.DelayP50MS, t.DelayP99MS, t.Held, t.Broken)
		before = t
	}
	t, err := fleet.Run(ctx, o)
	if err != nil {
		return err
	}
	if c.JSON {
		err = json.NewEncoder(s.stdout).Encode(t)
	} else {
		printTotals(s, t)
	}
	if left := t.Samples - t.Settled - t.Rejected; err == nil && left > 0 {
		return fmt.Errorf("%d of %d samples have no Receipt", left, t.Samples)
	}
	return err
}

func perSecond(n uint64, now, before fleet.Totals) float64 {
	return float64(n) / max(now.Seconds-before.Seconds, 0.001)
}

func printTotals(s *surroundings, t fleet.Totals) {
	perSample := float64(t.Bytes) / float64(max(t.Samples, 1))
	for _, row := range [][2]string{
		{"samples sent", fmt.Sprintf("%d in %d Envelopes, %.2f B each", t.Samples, t.Envelopes, perSample)},
		{"samples settled", fmt.Sprintf("%d, %.0f/s", t.Settled, t.SettledPerSecond)},
		{"samples rejected", fmt.Sprint(t.Rejected)},
		{"receipts", fmt.Sprint(t.Receipts)},
		{"receipt delay", fmt.Sprintf("p50 %d ms, p99 %d ms", t.DelayP50MS, t.DelayP99MS)},
		{"connections broken", fmt.Sprintf("%d, %d Envelopes sent again", t.Broken, t.Resent)},
		{"window full", fmt.Sprintf("%d times", t.Held)},
		{"alarms brought", fmt.Sprintf("%d, p50 %d ms, p99 %d ms, last %d ms", t.Alarms, t.AlarmP50MS, t.AlarmP99MS, t.AlarmMaxMS)},
		{"backlogs begun", fmt.Sprintf("%d, p50 %d ms, last %d ms", t.First, t.FirstP50MS, t.FirstMaxMS)},
		{"backlogs drained", fmt.Sprintf("%d, p50 %d ms, last %d ms", t.Drained, t.DrainedP50MS, t.DrainedMaxMS)},
	} {
		fmt.Fprintf(s.stdout, "%-20s%s\n", row[0], row[1])
	}
}
