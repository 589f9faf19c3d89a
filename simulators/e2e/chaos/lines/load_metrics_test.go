package lines_test

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/linshao/linshao/simulators/e2e/daemon"
)

// metrics reads a daemon's metrics page: name with labels, as printed, to
// value; nil while it is down.
func metrics(d *daemon.Daemon) map[string]float64 {
	resp, err := http.Get(d.Spec.URL + "/metrics")
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	out := map[string]float64{}
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if f, err := strconv.ParseFloat(value, 64); err == nil {
			out[name] = f
		}
	}
	return out
}

// waiting is how many records an edge keeps, of alarms or of samples, in
// whatever lane; -1 if it says nothing.
func waiting(d *daemon.Daemon, log string) float64 {
	n, known := 0.0, false
	for name, v := range metrics(d) {
		lane, ok := strings.CutPrefix(name, "linshao_edge_outbox_records{lane=")
		if ok && (lane == `"alarm"}`) == (log == "alarm") {
			n, known = n+v, true
		}
	}
	if !known {
		return -1
	}
	return n
}

// rss is a daemon's resident memory in bytes, as the kernel counts it.
func rss(t testing.TB, d *daemon.Daemon) int64 {
	t.Helper()
	return status(t, d, "VmRSS:")
}

// status reads one line in kB of the kernel's account of a process.
func status(t testing.TB, d *daemon.Daemon, line string) int64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.PID()))
	must(t, err)
	_, rest, _ := strings.Cut(string(b), line)
	kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	must(t, err)
	return kb << 10
}

// bound ends a wait for something that hangs; no speed is judged by it.
const bound = 30 * time.Second

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
