package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/linshao/linshao/simulators/truth"
)

// scoreCommand judges tickets.
type scoreCommand struct {
	Truth   string        `required:"" type:"existingfile" placeholder:"FILE.csv" help:"Ground truth: device,fault,from,to."`
	Tickets string        `required:"" type:"existingfile" placeholder:"FILE.csv" help:"Tickets: id,device,kind,raised_at,cleared_at."`
	Devices int           `help:"Number of devices watched (default: those in the files)."`
	Span    time.Duration `help:"Time watched (default: from the first to the last instant in the files)."`
	JSON    bool          `name:"json" help:"Print JSON."`
}

// Run prints recall, precision, delay and false tickets.
func (c *scoreCommand) Run(s *surroundings) error {
	faults, err := readFile(c.Truth, truth.Read)
	if err != nil {
		return err
	}
	tickets, err := readFile(c.Tickets, truth.ReadTickets)
	if err != nil {
		return err
	}
	r := truth.Score(faults, tickets, truth.Span{Devices: c.Devices, DaysMS: c.Span.Milliseconds()})
	if c.JSON {
		e := json.NewEncoder(s.stdout)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	printScore(s.stdout, r)
	return nil
}

func readFile[T any](path string, read func(io.Reader) ([]T, error)) ([]T, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUsage, err)
	}
	defer func() { _ = f.Close() }()
	rows, err := read(f)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", errUsage, path, err)
	}
	return rows, nil
}

func printScore(w io.Writer, r truth.Result) {
	seconds := func(ms int64) string { return fmt.Sprintf("%.3f s", float64(ms)/1000) }
	for _, row := range [][2]string{
		{"faults", fmt.Sprintf("%d, %d found", r.Faults, r.Found)},
		{"tickets", fmt.Sprintf("%d: %d related, %d doubled, %d false", r.Tickets, r.Related, r.Doubled, r.False)},
		{"recall", fmt.Sprintf("%.3f", r.Recall)},
		{"precision", fmt.Sprintf("%.3f", r.Precision)},
		{"delay p50", seconds(r.DelayP50MS)},
		{"delay p95", seconds(r.DelayP95MS)},
		{"delay max", seconds(r.DelayMaxMS)},
		{"false per device-day", fmt.Sprintf("%.4f", r.FalsePerDeviceDay)},
	} {
		fmt.Fprintf(w, "%-22s%s\n", row[0], row[1])
	}
	for _, f := range r.Missed {
		fmt.Fprintf(w, "missed  %s %s\n", f.Device, f.Fault)
	}
	for _, t := range r.Wrong {
		fmt.Fprintf(w, "false   %s %s %s\n", t.ID, t.Device, t.Kind)
	}
}
