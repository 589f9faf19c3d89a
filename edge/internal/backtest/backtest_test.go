package backtest_test

import (
	"bufio"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/linshao/linshao/edge/internal/backtest"
	"github.com/linshao/linshao/edge/internal/device"
	"github.com/linshao/linshao/protocol/ticket"
)

func hot() []device.Rule {
	above, clear := 85.0, 80.0
	return []device.Rule{{ID: "hot", Metric: "motor_temp", Detector: device.Threshold, Above: &above, Clear: &clear, For: 20 * time.Second, Severity: ticket.Major}}
}

func TestEachRowIsAnswered(t *testing.T) {
	t.Parallel()
	in := `timestamp,device,metric,value
2026-11-22T00:00:00Z,lift-1,motor_temp,70
2026-11-22T00:00:10Z,lift-1,motor_temp,90
2026-11-22T00:00:20Z,lift-1,motor_temp,91
2026-11-22T00:00:30Z,lift-1,motor_temp,92
2026-11-22T00:00:40Z,lift-1,motor_temp,
2026-11-22 00:00:50,lift-1,motor_temp,70
1795305700000,lift-1,speed,3
`
	var out strings.Builder
	if err := backtest.Run(hot(), strings.NewReader(in), &out); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 8 || lines[0] != "timestamp,device,metric,value,score,finding" {
		t.Fatalf("%d lines: %s", len(lines), out.String())
	}
	for i, l := range lines[1:] {
		if fired := strings.HasSuffix(l, ",1,hot"); fired != (i == 3) {
			t.Errorf("row %d: %s", i+1, l)
		}
	}
}

// The next row is given only when the one before it was answered.
func TestLockStep(t *testing.T) {
	t.Parallel()
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- backtest.Run(hot(), inR, outW) }()
	answers := bufio.NewScanner(outR)
	for _, row := range []string{"timestamp,device,metric,value", "1000,lift-1,motor_temp,70", "2000,lift-1,motor_temp,71"} {
		if _, err := io.WriteString(inW, row+"\n"); err != nil {
			t.Fatal(err)
		}
		if !answers.Scan() || !strings.HasPrefix(answers.Text(), row) {
			t.Fatalf("%s was answered %q", row, answers.Text())
		}
	}
	_ = inW.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestBadInputNamesTheLine(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"time,value\n": "line 1",
		"timestamp,device,metric,value\nyesterday,d,m,1\n":     "line 2: timestamp",
		"timestamp,device,metric,value\n1,d,m,1\n2,d,m,much\n": "line 3: value",
	} {
		err := backtest.Run(hot(), strings.NewReader(in), io.Discard)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", in, err)
		}
	}
}
