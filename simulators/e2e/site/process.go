package site

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
)

// Bin returns the path of a built binary and fails the test if it is missing.
func Bin(t testing.TB, name string) string {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	p := filepath.Join(filepath.Dir(here), "..", "..", "..", "bin", name)
	if _, err := os.Stat(p); err != nil {
		t.Fatalf("%s is not built: run make build", name)
	}
	return p
}

// Process is one running daemon. Its log goes to a file that a failed test
// prints the end of.
type Process struct {
	t    testing.TB
	name string
	args []string
	bin  string
	log  string
	cmd  *exec.Cmd
	done chan struct{}
}

// NewProcess prepares a daemon; Start starts it.
func NewProcess(t testing.TB, dir, name, bin string, args ...string) *Process {
	t.Helper()
	p := &Process{t: t, name: name, bin: Bin(t, bin), args: args, log: filepath.Join(dir, name+".log")}
	t.Cleanup(func() {
		p.Stop()
		if t.Failed() {
			t.Logf("end of %s's log:\n%s", name, tail(p.log, 6000))
		}
	})
	return p
}

// Start starts the daemon, or starts it again.
func (p *Process) Start() {
	p.t.Helper()
	f, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		p.t.Fatal(err)
	}
	cmd := exec.Command(p.bin, p.args...)
	cmd.Stdout, cmd.Stderr = f, f
	// A test that is killed must not leave daemons behind.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	done := make(chan struct{})
	go func() {
		// Pdeathsig is bound to the thread that forked: keep it.
		runtime.LockOSThread()
		defer close(done)
		defer f.Close()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // being killed is what it is for
		}
	}()
	if err := <-started; err != nil {
		p.t.Fatalf("start %s: %v", p.name, err)
	}
	p.cmd, p.done = cmd, done
}

// Kill ends the daemon as a power cut would: at once, unasked.
func (p *Process) Kill() { p.end(syscall.SIGKILL) }

// Stop ends the daemon as an operator would and waits until it is gone.
func (p *Process) Stop() { p.end(syscall.SIGTERM) }

// PID returns the running daemon's process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// LogPath names the file that the daemon's log goes to.
func (p *Process) LogPath() string { return p.log }

func (p *Process) end(s syscall.Signal) {
	if p.cmd == nil {
		return
	}
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Errorf("signal %s: %v", p.name, err)
	}
	<-p.done
	p.cmd = nil
}

func tail(path string, n int64) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, int64(len(b))-n):])
}
