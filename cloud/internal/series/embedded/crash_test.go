package embedded_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/linshao/linshao/cloud/internal/series"
	"github.com/linshao/linshao/cloud/internal/series/embedded"
	"github.com/linshao/linshao/protocol/telemetry"
)

// group makes the n-th group: some samples of now, some late.
func group(n int) []series.Batch {
	at := noon.UnixMilli() - 3_600_000 + int64(n)*100
	b := series.Batch{Estate: "garden", Edge: "garden-1"}
	for device := range 5 {
		k := telemetry.SeriesKey{Device: "lift-" + strconv.Itoa(device), Kind: "elevator", Metric: "motor_temp"}
		b.Samples = append(b.Samples,
			telemetry.Sample{Key: k, AtMS: at, Value: float64(n)},
			telemetry.Sample{Key: k, AtMS: at - 3*24*3_600_000 - int64(n%7)*1000, Value: float64(n)})
	}
	return []series.Batch{b}
}

// missing returns which of the first n groups are not wholly in s.
func missing(t *testing.T, s *embedded.Store, n int) (lost []int) {
	t.Helper()
	type place struct {
		device string
		at     int64
	}
	there := map[place]float64{}
	for device := range 5 {
		name := "lift-" + strconv.Itoa(device)
		ps, err := s.Range(t.Context(), series.Selector{Estate: "garden", Device: name, Metric: "motor_temp"}, 0, noon.UnixMilli()+1, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range ps {
			there[place{name, p.AtMS}] = p.Mean
		}
	}
	for i := range n {
		for _, want := range group(i)[0].Samples {
			if v, ok := there[place{want.Key.Device, want.AtMS}]; !ok || v != want.Value {
				lost = append(lost, i)
				break
			}
		}
	}
	return lost
}

func TestNothingAcknowledgedIsLostInACopyTakenMidFlight(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	for round := range 4 {
		for i := range 50 {
			if _, err := s.Append(t.Context(), group(round*50+i)); err != nil {
				t.Fatal(err)
			}
		}
		// The copy is what a machine finds after its power was cut: no
		// Close, no last flush.
		cut := t.TempDir()
		if err := os.CopyFS(cut, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		if lost := missing(t, open(t, cut), round*50+50); len(lost) > 0 {
			t.Errorf("round %d: groups %v are lost", round, lost)
		}
	}
}

const childDir = "LINSHAO_SERIES_CHILD_DIR"

// TestMain lets the test binary play the collector that gets killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := appendForEver(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// appendForEver says on stdout which group is durable.
func appendForEver(dir string) error {
	ctx := context.Background()
	s, err := embedded.Open(ctx, options(dir))
	if err != nil {
		return err
	}
	for n := 0; ; n++ {
		if _, err := s.Append(ctx, group(n)); err != nil {
			return err
		}
		fmt.Println(n)
	}
}

func TestNothingAcknowledgedIsLostToKill9(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	most := 0
	for _, stop := range []int{30, 90, 150} {
		child := exec.CommandContext(t.Context(), os.Args[0])
		child.Env = append(os.Environ(), childDir+"="+dir)
		child.Stderr = os.Stderr
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		lines, last := bufio.NewScanner(out), -1
		for last < stop && lines.Scan() {
			if last, err = strconv.Atoi(strings.TrimSpace(lines.Text())); err != nil {
				t.Fatal(err)
			}
		}
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() { // what it still said before it died
			last, _ = strconv.Atoi(lines.Text())
		}
		_ = child.Wait() // killed, as asked
		if last < stop {
			t.Fatalf("the child stopped at group %d", last)
		}
		most = max(most, last+1)
		began := time.Now()
		s := open(t, dir)
		t.Logf("killed after group %d, open again after %v", last, time.Since(began))
		if lost := missing(t, s, most); len(lost) > 0 {
			t.Errorf("groups %v of %d are lost", lost, most)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
