package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
)

// program is a long-running process of the product.
type program struct {
	Name string
	Path string
	Args []string
	// Log is the file that gets what it writes.
	Log string
}

// programs are what a demo runs, in the order of their start.
func (s *site) programs() []program {
	out := []program{{
		Name: "cloud", Path: s.binary(cloudBinary), Log: s.path("cloud.log"),
		Args: []string{"serve", "--config", s.path("cloud.yaml")},
	}}
	for _, p := range s.estates {
		out = append(out, program{
			Name: p.Edge, Path: s.binary(edgeBinary), Log: s.path(p.Edge + ".log"),
			Args: []string{"run", "--config", s.path(p.Edge + ".yaml")},
		})
	}
	return out
}

// process is a program that runs.
type process struct {
	program
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended and err is set
	err  error
}

// start starts the program in a process group of its own, so that a Ctrl-C at
// the terminal reaches the demo alone, which then stops things in order.
func start(p program) (*process, error) {
	log, err := os.OpenFile(p.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	x := &process{program: p, cmd: exec.Command(p.Path, p.Args...), done: make(chan struct{})}
	x.cmd.Stdout, x.cmd.Stderr = log, log
	x.cmd.Env = ownEnvironment()
	x.cmd.SysProcAttr = attributes()
	started := make(chan error)
	go func() {
		// The kernel ties Pdeathsig to the thread that forked: it must live
		// as long as the process.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer func() { _ = log.Close() }()
		err := x.cmd.Start()
		started <- err
		if err == nil {
			x.err = x.cmd.Wait()
			close(x.done)
		}
	}()
	return x, <-started
}

// watch returns an error when the process ends before ctx does.
func (x *process) watch(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-x.done:
		return fmt.Errorf("%s ended by itself (%v):\n%s", x.Name, x.cmd.ProcessState, tail(x.Log))
	}
}

// stop asks the process to end and kills its group when ctx ends first. It
// returns when the process is gone.
func (x *process) stop(ctx context.Context) error {
	_ = x.cmd.Process.Signal(syscall.SIGTERM) // it may have ended already
	select {
	case <-x.done:
	case <-ctx.Done():
		_ = syscall.Kill(-x.cmd.Process.Pid, syscall.SIGKILL)
		<-x.done
		return fmt.Errorf("%s had to be killed", x.Name)
	}
	// Whatever it may have started itself goes with it.
	if err := syscall.Kill(-x.cmd.Process.Pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("end process group: %w", err)
	}
	return nil
}

// runCloud runs a linshao-cloud command and returns what it printed.
func (s *site) runCloud(ctx context.Context, log *slog.Logger, c command) (string, error) {
	cmd := exec.CommandContext(ctx, s.binary(cloudBinary), c.Args...)
	cmd.Env = ownEnvironment()
	cmd.SysProcAttr = attributes()
	cmd.Stdin = strings.NewReader(c.Stdin)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	log.Debug("seeding", "command", strings.Join(c.Args, " "))
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", fmt.Errorf("linshao-cloud %s: %w: %s", c.Args[0], err, strings.TrimSpace(complaint.String()))
	}
	return out.String(), nil
}

// ownEnvironment is the environment without LINSHAO_ variables: they would
// override what the demo's configurations say.
func ownEnvironment() []string {
	var out []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "LINSHAO_") {
			out = append(out, v)
		}
	}
	return out
}

// tail is the end of a log file, for somebody who must know why.
func tail(path string) string {
	const most = 2000
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-most):])
}
