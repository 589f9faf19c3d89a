// Package daemon runs the real binaries as processes for the end-to-end tests:
// starts and starts them again, kills, stops and freezes them, and says when
// they are of use.
//
// A Daemon belongs to one test and ends with it, and with a test that is
// killed: nothing is left behind. Its log goes to a file whose end a failed
// test prints. A Daemon's methods may be called from one goroutine at a time,
// but for Done, PID and LogPath.
package daemon

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Spec says what to run.
type Spec struct {
	// Name is for people; the log is Dir/Name.log.
	Name, Dir string
	// Bin is the path of the binary, see Bin.
	Bin  string
	Args []string
	// Env are settings NAME=value besides those of the test.
	Env []string
	// Wrap is a command to run it under, such as strace with its flags.
	Wrap []string
	// URL is the HTTP base whose /readyz tells that it is ready.
	URL string
}

// Daemon is one process that may be started again and again.
type Daemon struct {
	t    testing.TB
	Spec Spec

	mu    sync.Mutex // guards the following
	cmd   *exec.Cmd  // nil while it is not running
	done  chan struct{}
	state *os.ProcessState
	began time.Time
}

// New prepares a daemon; Start starts it.
func New(t testing.TB, s Spec) *Daemon {
	t.Helper()
	d := &Daemon{t: t, Spec: s}
	t.Cleanup(func() {
		d.Kill()
		if t.Failed() {
			t.Logf("end of %s's log:\n%s", s.Name, tail(d.LogPath(), 6000))
		}
	})
	return d
}

// Bin returns the path of a built binary, such as linshao-edge or
// chaos/linshao-edge, and fails the test if it is missing.
func Bin(t testing.TB, name string) string {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	p := filepath.Join(filepath.Dir(here), "..", "..", "..", "bin", name)
	if _, err := os.Stat(p); err != nil {
		how := "make build"
		if strings.HasPrefix(name, "chaos/") {
			how = "make build-chaos"
		}
		t.Fatalf("%s is not built: run %s", name, how)
	}
	return p
}

// Start starts the daemon, or starts it again, with extra environment for
// this life only.
func (d *Daemon) Start(env ...string) {
	d.t.Helper()
	if err := d.TryStart(env...); err != nil {
		d.t.Fatalf("start %s: %v", d.Spec.Name, err)
	}
}

// TryStart is Start for other goroutines than the test's own.
func (d *Daemon) TryStart(env ...string) error {
	f, err := os.OpenFile(d.LogPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	argv := append(append(append([]string{}, d.Spec.Wrap...), d.Spec.Bin), d.Spec.Args...)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = f, f
	cmd.Env = append(append(os.Environ(), d.Spec.Env...), env...)
	// A test that is killed must not leave daemons behind. The group lets a
	// wrapped daemon die with its wrapper.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	started, done := make(chan error), make(chan struct{})
	go func() {
		// Pdeathsig is bound to the thread that forked: keep it.
		runtime.LockOSThread()
		defer close(done)
		defer f.Close()
		err := cmd.Start()
		if err == nil {
			d.mu.Lock()
			d.cmd, d.done, d.state, d.began = cmd, done, nil, time.Now()
			d.mu.Unlock()
		}
		started <- err
		if err == nil {
			_ = cmd.Wait() // being killed is what it is for
			d.mu.Lock()
			d.state = cmd.ProcessState
			d.mu.Unlock()
		}
	}()
	return <-started
}

// Kill ends the daemon as a power cut would, at once and unasked, and waits
// until it is gone.
func (d *Daemon) Kill() { d.end(syscall.SIGKILL) }

// Stop ends the daemon as an operator would and waits until it is gone.
func (d *Daemon) Stop() { d.end(syscall.SIGTERM) }

// Signal sends a signal, such as SIGSTOP, to the daemon and its wrapper.
func (d *Daemon) Signal(s syscall.Signal) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cmd == nil || d.state != nil {
		return os.ErrProcessDone
	}
	return syscall.Kill(-d.cmd.Process.Pid, s)
}

// Done is closed once the daemon has ended; nil if it was never started.
func (d *Daemon) Done() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.done
}

// State says how the last life ended; nil while it lives.
func (d *Daemon) State() *os.ProcessState {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.state
}

// Running reports whether the daemon was started and has not ended.
func (d *Daemon) Running() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.cmd != nil && d.state == nil
}

// PID returns the running daemon's process id; under a wrapper that has not
// become the daemon itself, that of the wrapper's first child, 0 until there
// is one.
func (d *Daemon) PID() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	pid := d.cmd.Process.Pid
	if exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); len(d.Spec.Wrap) == 0 || err == nil && filepath.Base(exe) == filepath.Base(d.Spec.Bin) {
		return pid
	}
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	for _, f := range strings.Fields(string(b)) {
		child, _ := strconv.Atoi(f)
		return child
	}
	return 0
}

// LogPath names the file that the daemon's log goes to.
func (d *Daemon) LogPath() string { return filepath.Join(d.Spec.Dir, d.Spec.Name+".log") }

// Ready waits until the daemon says that it is ready and returns how long that
// took since its start. It errors if the daemon ends first, or after bound.
func (d *Daemon) Ready(bound time.Duration) (time.Duration, error) {
	d.mu.Lock()
	began, done := d.began, d.done
	d.mu.Unlock()
	limit := time.NewTimer(bound)
	defer limit.Stop()
	tick := time.NewTicker(4 * time.Millisecond)
	defer tick.Stop()
	for {
		if ready(d.Spec.URL) {
			return time.Since(began), nil
		}
		select {
		case <-done:
			return 0, fmt.Errorf("%s ended before it was ready: %v", d.Spec.Name, d.State())
		case <-limit.C:
			return 0, fmt.Errorf("%s was not ready within %s", d.Spec.Name, bound)
		case <-tick.C:
		}
	}
}

func ready(base string) bool {
	resp, err := http.Get(base + "/readyz")
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

func (d *Daemon) end(s syscall.Signal) {
	if err := d.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) && !errors.Is(err, syscall.ESRCH) {
		d.t.Errorf("signal %s: %v", d.Spec.Name, err)
	}
	if done := d.Done(); done != nil {
		<-done
	}
}

func tail(path string, n int64) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, int64(len(b))-n):])
}
