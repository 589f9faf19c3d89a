// Command linshao-sim simulates housing estates: it shows the whole product on
// them (demo), plays scenarios (run), loads a collector (fleet), breaks things
// (inject) and judges the outcome (score).
//
// Answers go to standard output, logs to standard error. It exits with 0 when
// done, 1 when something failed and 2 on wrong usage or configuration.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/linshao/linshao/protocol/kit/config"
	"github.com/linshao/linshao/protocol/kit/logging"
)

// Set by the linker.
var version, commit = "dev", "unknown"

// The exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// commandLine is all that can be asked.
type commandLine struct {
	logging.Flags `embed:""`
	Version       kong.VersionFlag `help:"Print the version and leave."`

	Demo   demoCommand   `cmd:"" help:"Show the whole system on simulated estates."`
	Run    runCommand    `cmd:"" help:"Play a scenario: devices, faults, ground truth."`
	Fleet  fleetCommand  `cmd:"" help:"Load a collector with simulated edges."`
	Inject injectCommand `cmd:"" help:"Break a device in a running demo or scenario."`
	Score  scoreCommand  `cmd:"" help:"Judge tickets by the ground truth."`
}

// errUsage marks what the person who called must mend.
var errUsage = errors.New("wrong usage")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := execute(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// execute runs one command and returns its exit code.
func execute(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var line commandLine
	leave := -1
	parser, err := kong.New(&line, kong.Name("linshao-sim"),
		kong.Description("邻哨 Linshao: simulated estates, faults, ground truth and load."),
		kong.Writers(stdout, stderr), kong.UsageOnError(),
		kong.Vars{"version": fmt.Sprintf("linshao-sim %s (commit %s, %s/%s)", version, commit, runtime.GOOS, runtime.GOARCH)},
		kong.Exit(func(code int) { leave = code }),
		kong.BindTo(ctx, (*context.Context)(nil)))
	if err != nil {
		fmt.Fprintln(stderr, "linshao-sim:", err)
		return exitFailed
	}
	k, err := parser.Parse(args)
	if leave >= 0 {
		return leave
	}
	if err != nil {
		fmt.Fprintln(stderr, "linshao-sim:", err)
		return exitUsage
	}
	log, err := line.Logger()
	if err != nil {
		fmt.Fprintln(stderr, "linshao-sim:", err)
		return exitUsage
	}
	err = k.Run(&surroundings{log: log, stdout: stdout, stderr: stderr})
	return report(err, stderr)
}

// report says what went wrong and picks the exit code.
func report(err error, stderr io.Writer) int {
	var wrong *config.Error
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &wrong), errors.Is(err, errUsage):
		fmt.Fprintln(stderr, err)
		return exitUsage
	}
	fmt.Fprintln(stderr, "linshao-sim:", err)
	return exitFailed
}
