package app

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/linshao/linshao/cloud/internal/backup"
	"github.com/linshao/linshao/cloud/internal/db"
	"github.com/linshao/linshao/cloud/internal/desk"
	"github.com/linshao/linshao/cloud/internal/series"
	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/ticket"
)

// update writes v1.json anew, for an API that says more. The data itself is
// made once for each format and never again: it must stay readable.
var update = flag.Bool("update", false, "write down anew what the golden data reads as")

const goldenDir = "testdata/golden/"

// A data directory and a backup as format 1 wrote them: today's code opens
// both, brings them up to date, and reads what was in them.
func TestGoldenDataIsReadable(t *testing.T) {
	t.Parallel()
	if *update {
		makeGolden(t)
	}
	want, err := os.ReadFile(goldenDir + "v1.json")
	if err != nil {
		t.Fatal(err)
	}
	for name, put := range map[string]func(*testing.T, *site){
		"data directory": func(t *testing.T, s *site) {
			if _, err := backup.Extract(bytes.NewReader(read(t, "v1-data.tar.gz")), filepath.Join(s.dir, "data")); err != nil {
				t.Fatal(err)
			}
		},
		"backup": func(t *testing.T, s *site) {
			if err := Restore(t.Context(), s.options(), goldenDir+"v1-backup.tar.gz"); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			put(t, s)
			if d := cmp.Diff(string(want), s.content()); d != "" {
				t.Error(d)
			}
		})
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(goldenDir + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// makeGolden writes down anew what is read; where there is no data yet, it lets
// a collector live for a moment and keeps what it left.
func makeGolden(t *testing.T) {
	t.Helper()
	s := newSite(t)
	data := goldenDir + "v1-data.tar.gz"
	if _, err := os.Stat(data); err == nil {
		if err := Restore(t.Context(), s.options(), goldenDir+"v1-backup.tar.gz"); err != nil {
			t.Fatal(err)
		}
	} else {
		s.goldenLife()
		s.pack(data)
	}
	if err := os.WriteFile(goldenDir+"v1.json", []byte(s.content()), 0o600); err != nil {
		t.Fatal(err)
	}
}

// pack keeps a stopped site's data directory.
func (s *site) pack(file string) {
	s.t.Helper()
	from := filepath.Join(s.dir, "data")
	for _, gone := range []string{"lock", socketName, lastBackup, "series/lock"} {
		_ = os.Remove(filepath.Join(from, gone))
	}
	f, err := os.Create(file)
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := backup.Write(f, from, backup.Manifest{Version: "0.1.0", MadeAt: start}); err != nil {
		s.t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		s.t.Fatal(err)
	}
}

// goldenLife has an edge report samples, two alarms and a gap, and a person
// end one of them.
func (s *site) goldenLife() {
	s.t.Helper()
	c, stop := s.run()
	defer stop()
	s.do(func(ctx context.Context, a *Admin) error {
		_, err := a.Import(ctx, ImportRequest{File: "town.yaml", Text: strings.Replace(town, "PAGER", "http://127.0.0.1:1", 1)})
		return err
	})
	w := &drill{t: s.t, site: s, cloud: c, acked: map[envelope.Log]envelope.RangeSet{}, paged: map[string]bool{}, next: map[envelope.Log]envelope.Sequence{}}
	w.up.Estate, w.up.Edge = "sunrise", "s1"
	heard := make(hearing)
	in := w.ingest(c, heard)
	ctx, cancel := context.WithCancel(s.t.Context())
	var parts sync.WaitGroup
	parts.Go(func() { _ = in.Run(ctx) })
	for !c.standby.Ready() {
		tick(s.t, time.Millisecond, nil)
	}
	for _, log := range []envelope.Log{envelope.Samples, envelope.Samples, envelope.Samples, envelope.Alarm, envelope.Alarm} {
		w.send(ctx, in, log)
		tick(s.t, 50*time.Millisecond, nil)
	}
	gap := envelope.Envelope{
		Schema: envelope.SchemaVersion, Estate: "sunrise", Edge: "s1", Epoch: "epoch", Log: envelope.Samples, Lane: envelope.LaneLive, Head: 9,
		Missing: []envelope.Gap{{Range: envelope.Range{First: 7, Last: 9}, Reason: "dropped_full", FromMS: start.UnixMilli() - 1000, ToMS: start.UnixMilli()}},
	}
	b, err := envelope.Encode(gap)
	if err == nil {
		err = in.Receive(ctx, w.up.Up(string(gap.Lane)), b)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	tick(s.t, 300*time.Millisecond, nil)
	cancel()
	parts.Wait()
	for _, k := range []ticket.Kind{ticket.Accept, ticket.Resolve} {
		if _, err := act(s.t, c, ticketOfDrill(2), k); err != nil {
			s.t.Fatal(err)
		}
	}
	file, err := filepath.Abs(goldenDir + "v1-backup.tar.gz")
	if err != nil {
		s.t.Fatal(err)
	}
	_ = os.Remove(file)
	s.do(func(ctx context.Context, a *Admin) error { return only(a.Backup(ctx, BackupRequest{File: file})) })
}

// content is what a collector on this data says, over its API and from its
// ledger, with the audit verified.
func (s *site) content() string {
	s.t.Helper()
	c, stop := s.run()
	defer stop()
	ctx := s.t.Context()
	var token string
	s.do(func(ctx context.Context, a *Admin) (err error) {
		token, err = a.CreateToken(ctx, TokenRequest{Name: "golden", Role: "admin"})
		return err
	})
	for !c.standby.Ready() {
		tick(s.t, time.Millisecond, nil)
	}
	said := map[string]any{}
	for _, path := range []string{
		"/api/v1/estates", "/api/v1/staff", "/api/v1/tickets/" + string(ticketOfDrill(1)), "/api/v1/tickets/" + string(ticketOfDrill(2)),
	} {
		said[path] = s.ask(path, token)
	}
	for _, log := range []envelope.Log{envelope.Samples, envelope.Alarm} {
		set, err := c.store.Read().Settled(ctx, db.LogID{Estate: "sunrise", Edge: "s1", Epoch: "epoch", Log: log})
		if err != nil {
			s.t.Fatal(err)
		}
		said["ledger "+string(log)] = set
	}
	gaps, err := c.store.Read().Gaps(ctx, "sunrise", "s1", 10)
	if err != nil {
		s.t.Fatal(err)
	}
	said["gaps"] = gaps
	points, err := c.standby.Range(ctx, series.Selector{Estate: "sunrise", Device: "lift", Metric: "motor_temp"}, 0, start.UnixMilli(), 0)
	if err != nil {
		s.t.Fatal(err)
	}
	said["series"] = points
	deliveries, err := c.store.Read().Deliveries(ctx, "sunrise", ticketOfDrill(1))
	if err != nil || len(deliveries) == 0 {
		s.t.Fatal(deliveries, err)
	}
	said["delivery"] = deliveries[0].ID
	for _, id := range []ticket.ID{ticketOfDrill(1), ticketOfDrill(2)} {
		if err := c.store.Read().VerifyAudit(ctx, "sunrise", string(id)); err != nil {
			s.t.Error(err)
		}
	}
	out, err := json.MarshalIndent(said, "", " ")
	if err != nil {
		s.t.Fatal(err)
	}
	return string(out) + "\n"
}

func (s *site) ask(path, token string) any {
	s.t.Helper()
	resp := s.get(path, token)
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	var out any
	if err := json.Unmarshal(b, &out); err != nil {
		s.t.Fatalf("%s: %s", path, b)
	}
	return out
}

// act has a person do something about a ticket.
func act(t *testing.T, c *cloud, id ticket.ID, k ticket.Kind) (desk.Row, error) {
	t.Helper()
	var row desk.Row
	err := c.store.InTx(t.Context(), func(tx *db.Tx) (err error) {
		row, err = c.desk.Act(t.Context(), tx, desk.Act{Estate: "sunrise", Ticket: id, Kind: k, By: ticket.Actor{Kind: ticket.ByStaff, ID: "wang-fang"}})
		return err
	})
	return row, err
}
