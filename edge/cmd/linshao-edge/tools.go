package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/linshao/linshao/edge/app"
	"github.com/linshao/linshao/edge/internal/backtest"
	"github.com/linshao/linshao/edge/internal/config"
	"github.com/linshao/linshao/edge/internal/device"
	"github.com/linshao/linshao/edge/internal/driver/modbus"
	"github.com/linshao/linshao/edge/internal/outbox"
	"github.com/linshao/linshao/edge/internal/vfs"
	"github.com/linshao/linshao/protocol/kit/clock"
	"github.com/linshao/linshao/protocol/profiles"
)

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// table prints rows in columns.
func table(w io.Writer, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	for _, r := range rows {
		fmt.Fprintln(t, strings.Join(r, "\t"))
	}
	return t.Flush()
}

// plannedDevice is one device of `check`.
type plannedDevice struct {
	ID       string   `json:"id"`
	Kind     string   `json:"kind"`
	Profile  string   `json:"profile"`
	Location string   `json:"location"`
	Speaks   string   `json:"speaks"`
	Polls    []string `json:"polls,omitempty"`
	Rules    []string `json:"rules"`
}

func (c *cli) check(stdout io.Writer) error {
	if c.Check.Schema {
		schema, err := config.Schema()
		if err != nil {
			return err
		}
		_, err = stdout.Write(append(schema, '\n'))
		return err
	}
	if c.Check.Config == "" {
		return &usageError{"linshao-edge check: name the configuration with --config edge.yaml, or ask for --schema"}
	}
	p, err := config.Load(c.Check.Config, os.Environ())
	if err != nil {
		return err
	}
	planned, err := planOf(p)
	if err != nil {
		return err
	}
	if c.Check.JSON {
		return printJSON(stdout, map[string]any{"estate": p.Estate, "edge": p.Edge, "devices": planned})
	}
	uplink := "none: works alone"
	if p.Uplink != nil {
		uplink = p.Uplink.URL
	}
	fmt.Fprintf(stdout, "estate %s, edge %s\ndata    %s\npage    %s\nmqtt    %s\nuplink  %s\noutbox  up to %s, %s\n",
		p.Estate, p.Edge, p.DataDir, p.HTTP.Listen, p.MQTT.Listen, uplink, p.Outbox.MaxBytes, p.Outbox.MaxAge)
	for _, d := range planned {
		fmt.Fprintf(stdout, "\n%s: %s, %s\n", strings.TrimSpace(fmt.Sprintf("%s (%s) %s", d.ID, d.Kind, d.Location)), d.Profile, d.Speaks)
		for _, l := range d.Polls {
			fmt.Fprintf(stdout, "  poll %s\n", l)
		}
		for _, r := range d.Rules {
			fmt.Fprintf(stdout, "  rule %s\n", r)
		}
	}
	return nil
}

func planOf(p config.Plan) ([]plannedDevice, error) {
	out := []plannedDevice{}
	for _, d := range p.Compiled {
		x := plannedDevice{ID: d.ID, Kind: d.Kind, Profile: d.Profile.Name, Location: d.Location, Speaks: "MQTT", Rules: []string{}}
		if d.Modbus != nil {
			x.Speaks = fmt.Sprintf("Modbus %s unit %d", d.Modbus.URL, d.Modbus.Unit)
			polls, err := modbus.Describe(d.Profile)
			if err != nil {
				return nil, fmt.Errorf("plan the polling of %s: %w", d.ID, err)
			}
			x.Polls = polls
		}
		rules, _ := d.RulesOf(p.Rules)
		for _, r := range rules {
			x.Rules = append(x.Rules, fmt.Sprintf("%s: %s, %s", r.ID, r.Detector, r.Severity))
		}
		out = append(out, x)
	}
	return out, nil
}

// readWithin bounds an ad-hoc read.
const readWithin = 30 * time.Second

// reading is one point of `read`.
type reading struct {
	Point   string   `json:"point"`
	Value   *float64 `json:"value"`
	Word    string   `json:"word,omitempty"`
	Unit    string   `json:"unit,omitempty"`
	Quality string   `json:"quality"`
	Reason  string   `json:"reason,omitempty"`
}

func (c *cli) read(ctx context.Context, stdout io.Writer) error {
	p, err := c.readProfile()
	if err != nil {
		return &usageError{err.Error()}
	}
	end := device.Endpoint{URL: c.Read.URL, Unit: c.Read.Unit}
	if _, err := end.Address(); err != nil {
		return &usageError{err.Error()}
	}
	ctx, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	got, err := modbus.ReadOnce(ctx, clock.NewSystem(), end, p, nil)
	if err != nil {
		return err
	}
	list := []reading{}
	rows := [][]string{{"POINT", "VALUE", "UNIT", "QUALITY"}}
	for _, r := range got {
		x := reading{Point: r.Point.Name, Word: r.Word, Unit: r.Point.Unit, Quality: r.Quality.String(), Reason: r.Reason}
		text := "-"
		if r.Reason == "" {
			x.Value = &r.Value
			text = strings.TrimSpace(strconv.FormatFloat(r.Value, 'g', -1, 64) + " " + r.Word)
		}
		list = append(list, x)
		rows = append(rows, []string{x.Point, text, x.Unit, strings.TrimSpace(x.Quality + " " + x.Reason)})
	}
	if c.Read.JSON {
		return printJSON(stdout, list)
	}
	return table(stdout, rows)
}

// readProfile is the profile to read by: registers, a shipped one, or a file.
func (c *cli) readProfile() (*device.Profile, error) {
	if c.Read.Register != "" {
		return modbus.ParseRegisters(c.Read.Register)
	}
	name := c.Read.Profile
	if strings.HasSuffix(name, ".yaml") {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		return device.Compile(name, text)
	}
	text, err := profiles.Text(name)
	if err != nil {
		return nil, err
	}
	return device.Compile(name+".yaml", text)
}

func (c *cli) profiles(stdout io.Writer) error {
	if c.Profiles.Name != "" {
		text, err := profiles.Text(c.Profiles.Name)
		if err != nil {
			return &usageError{err.Error()}
		}
		_, err = stdout.Write(text)
		return err
	}
	shipped, err := config.Shipped()
	if err != nil {
		return err
	}
	rows := [][]string{{"PROFILE", "KIND", "SPEAKS", "POINTS", "RULES", "TITLE"}}
	list := []map[string]any{}
	for _, name := range profiles.Names() {
		p := shipped[name]
		rows = append(rows, []string{p.Name, p.Kind, string(p.Protocol), strconv.Itoa(len(p.Points)), strconv.Itoa(len(p.Rules)), p.Title})
		list = append(list, map[string]any{"profile": p.Name, "kind": p.Kind, "protocol": p.Protocol, "title": p.Title, "points": len(p.Points), "rules": len(p.Rules)})
	}
	if c.Profiles.JSON {
		return printJSON(stdout, list)
	}
	return table(stdout, rows)
}

func (c *cli) outbox(stdout io.Writer) error {
	dir := filepath.Join(c.Outbox.DataDir, app.OutboxDir)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return &usageError{fmt.Sprintf("%s holds no outbox: name the data_dir of an edge", c.Outbox.DataDir)}
	}
	if c.Outbox.Records {
		w := bufio.NewWriter(stdout)
		e := json.NewEncoder(w)
		err := outbox.Dump(vfs.OS{}, dir, func(l outbox.Line) error { return e.Encode(l) })
		return errors.Join(err, w.Flush())
	}
	st, err := outbox.Inspect(vfs.OS{}, dir)
	if err != nil {
		return err
	}
	if c.Outbox.JSON {
		return printJSON(stdout, st)
	}
	rows := [][]string{{"LOG", "RECORDS", "OLDEST", "HEAD", "SEGMENTS", "BYTES", "GONE"}}
	for _, w := range []outbox.Waiting{st.Alarm, st.Samples} {
		oldest := "-"
		if w.OldestMS != 0 {
			oldest = time.UnixMilli(w.OldestMS).Format(time.RFC3339)
		}
		rows = append(rows, []string{
			string(w.Log), fmt.Sprint(w.Records), oldest, fmt.Sprint(w.Head), fmt.Sprint(w.Segments), fmt.Sprint(w.Bytes), fmt.Sprint(w.Missing),
		})
	}
	if err := table(stdout, rows); err != nil {
		return err
	}
	slices.Sort(st.Notes)
	fmt.Fprintf(stdout, "epoch %s, %d bytes free\n", cmp.Or(st.Epoch, "none"), st.Free)
	for _, n := range st.Notes {
		fmt.Fprintln(stdout, n)
	}
	if len(st.Quarantined) == 0 {
		return nil
	}
	rows = [][]string{{"DAMAGED", "FILE", "OFFSET", "BYTES", "POSITIONS", "REASON"}}
	for _, q := range st.Quarantined {
		rows = append(rows, []string{
			string(q.Log), cmp.Or(q.File, "-"), fmt.Sprint(q.Offset), fmt.Sprint(q.Bytes), fmt.Sprintf("%d-%d", q.First, q.Last), q.Reason,
		})
	}
	return table(stdout, rows)
}

func (c *cli) backup(stdout io.Writer) error {
	m, err := app.Backup(c.Backup.DataDir, c.Backup.File, version)
	if errors.Is(err, app.ErrNoData) || errors.Is(err, fs.ErrExist) {
		return &usageError{err.Error()}
	}
	if err != nil {
		return err
	}
	var n int64
	for _, f := range m.Files {
		n += f.Bytes
	}
	fmt.Fprintf(stdout, "%s: %d files, %d bytes, all that was acknowledged before %s\n",
		c.Backup.File, len(m.Files), n, time.UnixMilli(m.MadeMS).Format(time.RFC3339))
	return nil
}

func (c *cli) restore(stdout io.Writer) error {
	m, err := app.Restore(c.Restore.DataDir, c.Restore.File)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%s: as it was at %s, made by version %s\n",
		c.Restore.DataDir, time.UnixMilli(m.MadeMS).Format(time.RFC3339), m.Version)
	return nil
}

func (c *cli) backtest(stdin io.Reader, stdout io.Writer) (err error) {
	rules, err := config.LoadRules(c.Backtest.Rules)
	if err != nil {
		return err
	}
	if sameFile(c.Backtest.In, c.Backtest.Out) {
		return &usageError{"linshao-edge backtest: --out is the recording itself; name another file"}
	}
	in, out := stdin, stdout
	if c.Backtest.In != "-" {
		f, err := os.Open(c.Backtest.In)
		if err != nil {
			return &usageError{err.Error()}
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	if c.Backtest.Out != "-" {
		f, err := os.Create(c.Backtest.Out)
		if err != nil {
			return &usageError{err.Error()}
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		out = f
	}
	return backtest.Run(rules, in, out)
}

func sameFile(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}
