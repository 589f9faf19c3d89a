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

// replay returns the score and the finding of each row.
func replay(t *testing.T, rules []device.Rule, rows ...string) string {
	t.Helper()
	var out strings.Builder
	if err := backtest.Run(rules, strings.NewReader("timestamp,device,metric,value\n"+strings.Join(rows, "\n")), &out); err != nil {
		t.Fatal(err)
	}
	var told []string
	for i, l := range strings.Split(strings.TrimSpace(out.String()), "\n")[1:] {
		rest, found := strings.CutPrefix(l, rows[i]+",")
		if !found {
			t.Fatalf("row %q was answered %q", rows[i], l)
		}
		told = append(told, rest)
	}
	return strings.Join(told, " | ")
}

func TestAKindsRuleJudgesEveryDevice(t *testing.T) {
	t.Parallel()
	rules := hot()
	rules[0].Kind, rules[0].For = "elevator", 0
	if got := replay(t, rules, "1000,a,motor_temp,90", "2000,b,motor_temp,90"); got != "1,hot | 1,hot" {
		t.Error(got)
	}
	if rules[0].Kind == "" {
		t.Error("the caller's rules were changed")
	}
}

// Silence of one device shows while another speaks; it is told at its own row.
func TestWhatIsAboutAnotherSeriesWaitsForItsRow(t *testing.T) {
	t.Parallel()
	rules := []device.Rule{{ID: "silent", Detector: device.Stale, After: 10 * time.Second, Severity: ticket.Major}}
	got := replay(t, rules, "1000,a,m,1", "1000,b,m,1", "8000,b,m,1", "16000,b,m,1", "20000,a,m,1", "21000,a,m,1")
	if got != "0, | 0, | 0, | 0, | 0,silent | 0," {
		t.Error(got)
	}
}

func TestFlappingIsToldAsTheDaemonWould(t *testing.T) {
	t.Parallel()
	rules := hot()
	rules[0].For = 0
	got := replay(t, rules, "0,a,motor_temp,90", "5000,a,motor_temp,70", "10000,a,motor_temp,90", "15000,a,motor_temp,70",
		"40000,a,motor_temp,90", "45000,a,motor_temp,90")
	if got != "1,hot | 0, | 1, | 0, | 1,hot | 1," {
		t.Error(got)
	}
}

func TestLateRowsAreNotJudged(t *testing.T) {
	t.Parallel()
	rules := hot()
	rules[0].For = 0
	if got := replay(t, rules, "60000,a,motor_temp,70", "1000,a,motor_temp,99", "61000,a,motor_temp,70"); got != "0, | 0, | 0," {
		t.Error(got)
	}
}

func TestAnUnknownDetectorIsRefused(t *testing.T) {
	t.Parallel()
	odd := []device.Rule{{ID: "odd", Metric: "*", Detector: "anomaly", Severity: ticket.Warning}}
	err := backtest.Run(odd, strings.NewReader(""), io.Discard)
	if err == nil || !strings.Contains(err.Error(), "detector anomaly is not available in this version") {
		t.Error(err)
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
