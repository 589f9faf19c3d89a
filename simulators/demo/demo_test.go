package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	yaml "go.yaml.in/yaml/v4"

	"github.com/linshao/linshao/simulators/control"
	"github.com/linshao/linshao/simulators/estate"
)

// The test binary also plays linshao-cloud and linshao-edge, under their names.
func TestMain(m *testing.M) {
	if name := filepath.Base(os.Args[0]); name == edgeBinary || name == cloudBinary {
		if err := pretend(name, os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// pretend writes down what it was asked, and for serve and run answers
// /readyz until it is told to end.
func pretend(name string, args []string) error {
	var conf struct {
		HTTP    struct{ Listen string }
		DataDir string `yaml:"data_dir"`
	}
	var config string
	for i, a := range args {
		if a == "--config" {
			config = args[i+1]
		}
	}
	text, err := os.ReadFile(config)
	if err != nil {
		return err
	}
	if err := yaml.Unmarshal(text, &conf); err != nil {
		return err
	}
	journal, err := os.OpenFile(filepath.Join(filepath.Dir(config), "asked"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	stdin, _ := io.ReadAll(os.Stdin)
	fmt.Fprintf(journal, "%s %s < %q\n", name, strings.Join(args, " "), stdin)
	switch args[0] {
	case "token":
		fmt.Println("token: tok-123")
	case "edge-credential":
		fmt.Println("uplink:\n  url: tcp://cloud.example:1884\n  username: sunrise\n  password: up-secret")
	case "serve", "run":
		return serve(conf.HTTP.Listen, filepath.Dir(config))
	}
	return nil
}

func serve(addr, dir string) error {
	if _, err := os.Stat(filepath.Join(dir, "die")); err == nil {
		return errors.New("the disk is on fire")
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	server := &http.Server{Addr: addr, Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}
	context.AfterFunc(ctx, func() { server.Close() })
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// pretenders is a folder with both binaries.
func pretenders(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range []string{edgeBinary, cloudBinary} {
		if err := os.Symlink(self, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func options(t *testing.T, ready io.Writer) Options {
	t.Setenv("GORACE", "atexit_sleep_ms=0") // the pretenders need not linger
	const any = "127.0.0.1:0"
	return Options{
		Bin: pretenders(t), Data: t.TempDir(), CloudHTTP: any, CloudMQTT: any, EdgeMQTT: any, EdgeHTTP: any, Modbus: any,
		SimHTTP: any, PagerHTTP: any, Estates: 2, Seed: 42, Speed: 1, Version: "test", Ready: ready,
		Log: slog.New(slog.DiscardHandler),
	}
}

// lines passes on each line written to it.
type lines chan string

func (l lines) Write(b []byte) (int, error) {
	l <- string(b)
	return len(b), nil
}

func TestADemoIsReadyBreaksThingsAndLeavesNothing(t *testing.T) {
	ready := make(lines, 1)
	o := options(t, ready)
	t.Setenv("TMPDIR", o.Data)
	o.Data = ""
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, o) }()
	var line string
	select {
	case line = <-ready:
	case err := <-ended:
		t.Fatal("it ended before it was ready: ", err)
	}
	form := regexp.MustCompile(`^READY console=http://127\.0\.0\.1:\d+ edges=http://127\.0\.0\.1:\d+,http://127\.0\.0\.1:\d+ ` +
		`sim=(http://127\.0\.0\.1:\d+) mqtt=mqtt://127\.0\.0\.1:\d+ user=demo-admin password=\w+ token=tok-123 ` +
		`device=gate-guest-1:\w+ staff=wang-fang:\w+,chen-jie:\w+,li-wei:\w+,sun-qiang:\w+,qian-hua:\w+\n$`)
	m := form.FindStringSubmatch(line)
	if m == nil {
		t.Fatalf("READY line:\n%s", line)
	}
	for _, device := range []string{"lift-3-2", "heping-li:lift-1-1"} {
		if err := control.Inject(ctx, m[1], estate.Entrapment, device, 0); err != nil {
			t.Error(err)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	http.DefaultClient.CloseIdleConnections()
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestItSeedsWithAnOperatorsCommandsOnce(t *testing.T) {
	ready := make(lines, 2)
	o := options(t, ready)
	for range 2 { // the second time on the data of the first
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- Run(ctx, o) }()
		select {
		case <-ready:
		case err := <-ended:
			t.Fatal(err)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(filepath.Join(o.Data, "asked"))
	if err != nil {
		t.Fatal(err)
	}
	asked := string(text)
	for want, times := range map[string]int{
		"linshao-cloud import --config":                                             2,
		"linshao-cloud user add --config":                                           6,
		" --role patrol --password-stdin --estate sunrise-garden --staff li-wei < ": 1,
		"demo-admin --role admin --password-stdin < ":                               1,
		"linshao-cloud token create --config":                                       1,
		"--estate heping-li --edge heping-1":                                        1,
		"linshao-cloud serve --config":                                              2,
		"linshao-edge run --config":                                                 4,
	} {
		if got := strings.Count(asked, want); got != times {
			t.Errorf("%q was asked %d times, want %d, in:\n%s", want, got, times, asked)
		}
	}
}

func TestItSaysWhichPartFailedAndWhy(t *testing.T) {
	o := options(t, io.Discard)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	keep := make(lines, 1)
	o.Ready = keep
	first, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- Run(first, o) }()
	<-keep
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(o.Data, "die"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err := Run(ctx, o)
	if err == nil || !strings.Contains(err.Error(), "ended by itself") || !strings.Contains(err.Error(), "on fire") {
		t.Errorf("error: %v", err)
	}
}

func TestAFolderThatIsNoDemosIsNotTouched(t *testing.T) {
	o := options(t, io.Discard)
	if err := os.WriteFile(filepath.Join(o.Data, "thesis.txt"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "choose another folder") {
		t.Errorf("error: %v", err)
	}
	if left, _ := os.ReadDir(o.Data); len(left) != 1 {
		t.Errorf("%v", left)
	}
}

func TestOptionsAreCheckedBeforeAnythingStarts(t *testing.T) {
	o := options(t, io.Discard)
	o.Estates, o.Speed, o.Bin = 0, 0, t.TempDir()
	err := Run(t.Context(), o)
	for _, want := range []string{"--estates", "--speed", "linshao-edge is not in", "linshao-cloud is not in"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not named in: %v", want, err)
		}
	}
}

func TestATakenPortIsNamed(t *testing.T) {
	ln, err := listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	o := options(t, io.Discard)
	o.CloudHTTP = ln.Addr().String()
	if err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "--cloud-http") {
		t.Errorf("error: %v", err)
	}
}

func TestFurtherEstatesTakeTheNextFreePort(t *testing.T) {
	o := options(t, io.Discard)
	for range 50 { // until two free ports lie side by side
		free, err := probe("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		host, port, _ := strings.Cut(free, ":")
		n, err := strconv.Atoi(port)
		if err != nil {
			t.Fatal(err)
		}
		// The cloud sits right behind the first edge, as by default.
		o.EdgeMQTT, o.CloudMQTT = free, fmt.Sprintf("%s:%d", host, n+1)
		s, err := newSite(o, o.Data)
		if err != nil {
			continue
		}
		first, second := s.estates[0].mqtt, s.estates[1].mqtt
		if first != o.EdgeMQTT || s.cloudMQTT != o.CloudMQTT || second == first || second == s.cloudMQTT {
			t.Errorf("edges at %s and %s, cloud at %s", first, second, s.cloudMQTT)
		}
		return
	}
	t.Fatal("no two free ports lie side by side")
}

func TestKeysAreKeptToTheirOwner(t *testing.T) {
	o := options(t, io.Discard)
	s, err := newSite(o, o.Data)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.saveKeys(); err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(s.path(keysFile))
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", st.Mode(), err)
	}
	text, _ := os.ReadFile(s.path(keysFile))
	var k keys
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(&k); err != nil || k.Logins[adminLogin] == "" {
		t.Errorf("%v: %s", err, text)
	}
}
