package victoria_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/linshao/linshao/cloud/internal/series"
	"github.com/linshao/linshao/cloud/internal/series/seriestest"
	"github.com/linshao/linshao/cloud/internal/series/victoria"
	"github.com/linshao/linshao/protocol/telemetry"
)

// server is a real VictoriaMetrics in a directory of the test.
type server struct {
	url, dir string
	cmd      *exec.Cmd
	sentinel atomic.Int64
}

func start(t *testing.T, dir string) *server {
	t.Helper()
	path, err := exec.LookPath("victoria-metrics")
	if err != nil {
		t.Fatal("this test needs a real VictoriaMetrics server: apt-get install victoria-metrics")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	s := &server{url: "http://" + addr, dir: dir}
	s.cmd = exec.Command(path, "-storageDataPath="+filepath.Join(dir, "data"), "-httpListenAddr="+addr,
		"-retentionPeriod=400d", "-dedup.minScrapeInterval=1ms", "-memory.allowedBytes=128MB", "-loggerLevel=ERROR")
	s.cmd.Stdout, s.cmd.Stderr = os.Stderr, os.Stderr
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.stop(t) })
	poll(t, "the server to answer", func() bool {
		code, _ := get(s.url + "/health")
		return code == http.StatusOK
	})
	return s
}

// stop lets the server write down what it has, and waits for it.
func (s *server) stop(t *testing.T) {
	if s.cmd.ProcessState != nil {
		return
	}
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Error(err)
	}
	_ = s.cmd.Wait() // interrupted, as asked
}

func get(url string) (int, string) {
	resp, err := http.Get(url)
	if err != nil {
		return 0, ""
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body)
}

func poll(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for !done() {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-deadline:
			t.Fatalf("waited too long for %s", what)
		}
	}
}

// settle writes a series that never was before and waits until it is seen:
// what was written before it is visible then, names included.
func (s *server) settle(t *testing.T) {
	t.Helper()
	name := fmt.Sprintf("sentinel%d", s.sentinel.Add(1))
	at := time.Now().Add(-5 * time.Minute)
	resp, err := http.Post(s.url+"/api/v2/write", "text/plain", strings.NewReader(fmt.Sprintf("%s x=1 %d\n", name, at.UnixNano())))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	poll(t, "the sentinel", func() bool {
		get(s.url + "/internal/force_flush")
		_, body := get(fmt.Sprintf("%s/api/v1/query?nocache=1&query=%s_x&time=%d", s.url, name, at.Unix()+1))
		return strings.Contains(body, name)
	})
}

func open(t *testing.T, url string, now time.Time) *victoria.Store {
	t.Helper()
	s, err := victoria.Open(t.Context(), victoria.Options{
		URL: url, HTTP: &http.Client{Timeout: 10 * time.Second},
		Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestConformance(t *testing.T) {
	t.Parallel()
	now := time.Now().Truncate(time.Second)
	var s *server
	seriestest.Run(t, seriestest.Harness{
		Now: now,
		Open: func(t *testing.T) series.Store {
			s = start(t, t.TempDir())
			return open(t, s.url, now)
		},
		Reopen: func(t *testing.T, old series.Store) series.Store {
			_ = old.Close()
			s.stop(t)
			s = start(t, s.dir)
			return open(t, s.url, now)
		},
		Settle: func(t *testing.T) { s.settle(t) },
	})
}

func TestAServerThatKeepsDuplicatesIsRefused(t *testing.T) {
	t.Parallel()
	for flags, ok := range map[string]bool{
		"-retentionPeriod=\"400d\"\n":                                 false,
		"-dedup.minScrapeInterval=\"30s\"\n":                          false,
		"-dedup.minScrapeInterval=\"1ms\"\n-retentionPeriod=\"400d\"": true,
	} {
		fake := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, flags) }))
		defer fake.Close()
		s, err := victoria.Open(t.Context(), victoria.Options{URL: fake.URL, HTTP: fake.Client(), Now: time.Now, Log: slog.New(slog.DiscardHandler)})
		if (err == nil) != ok {
			t.Errorf("%q: %v", flags, err)
		}
		if err == nil {
			_ = s.Close()
		} else if !strings.Contains(err.Error(), "-dedup.minScrapeInterval=1ms") {
			t.Errorf("the error does not say the mend: %v", err)
		}
	}
}

// picky stands for a server that answers each write as told.
func picky(t *testing.T, answer func(body string) int) (s *victoria.Store, sent *[]string) {
	t.Helper()
	sent = &[]string{}
	fake := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v2/write" {
			http.NotFound(w, r)
			return
		}
		body, _ := io.ReadAll(r.Body)
		code := answer(string(body))
		if code == http.StatusNoContent {
			*sent = append(*sent, strings.TrimSpace(string(body)))
		}
		w.WriteHeader(code)
	}))
	t.Cleanup(fake.Close)
	return open(t, fake.URL, time.UnixMilli(1_763_850_000_000)), sent
}

func batchOf(n int) []series.Batch {
	b := series.Batch{Estate: "sun garden", Edge: "e,1"}
	for i := range n {
		b.Samples = append(b.Samples, telemetry.Sample{
			Key:  telemetry.SeriesKey{Device: "gate=1", Kind: "access-gate", Metric: "door open"},
			AtMS: 1_763_850_000_000 - int64(i), Value: float64(i) + 0.5,
		})
	}
	return []series.Batch{b}
}

func TestTheLineIsAsPromised(t *testing.T) {
	t.Parallel()
	s, sent := picky(t, func(string) int { return http.StatusNoContent })
	b := batchOf(1)
	gap := b[0].Samples[0]
	gap.Quality = telemetry.Bad
	b[0].Samples = append(b[0].Samples, gap)
	if _, err := s.Append(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	want := []string{
		`access-gate,device=gate\=1,edge=e\,1,estate=sun\ garden,kind=access-gate,metric=door\ open door\ open=0.5 1763850000000000000` + "\n" +
			`access-gate,device=gate\=1,edge=e\,1,estate=sun\ garden,kind=access-gate,metric=door\ open,quality=bad door\ open_bad=1 1763850000000000000`,
	}
	if d := cmp.Diff(want, *sent); d != "" {
		t.Error(d)
	}
}

func TestOneBadPointIsFoundAndTheOthersGoThrough(t *testing.T) {
	t.Parallel()
	s, sent := picky(t, func(body string) int {
		if strings.Contains(body, "=37.5 ") {
			return http.StatusBadRequest
		}
		return http.StatusNoContent
	})
	tally, err := s.Append(t.Context(), batchOf(64))
	if err != nil {
		t.Fatal(err)
	}
	if tally.Stored != 63 || tally.Refused[series.ByServer] != 1 {
		t.Errorf("%+v", tally)
	}
	if n := len(strings.Split(strings.Join(*sent, "\n"), "\n")); n != 63 {
		t.Errorf("%d lines went through", n)
	}
}

func TestAFailingServerIsNoReasonToGiveSamplesUp(t *testing.T) {
	t.Parallel()
	for _, code := range []int{500, 503, 401, 403, 404, 429, 400} {
		s, _ := picky(t, func(string) int { return code })
		if tally, err := s.Append(t.Context(), batchOf(300)); err == nil {
			t.Errorf("%d to everything: taken as %+v", code, tally)
		}
	}
	s, _ := picky(t, func(string) int { return http.StatusNoContent })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Append(ctx, batchOf(1)); err == nil {
		t.Error("appended although the caller had gone")
	}
}
