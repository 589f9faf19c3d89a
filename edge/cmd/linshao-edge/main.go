// Command linshao-edge is the per-estate daemon: it reads gates, lifts and
// robots, turns what is wrong into tickets, and keeps everything on disk until
// the cloud has it. main only translates flags and signals; package app does
// the work.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/linshao/linshao/edge/app"
	"github.com/linshao/linshao/edge/internal/config"
	"github.com/linshao/linshao/protocol/kit/logging"
)

// version and commit are set by the linker.
var version, commit = "dev", "unknown"

type cli struct {
	logging.Flags
	Version kong.VersionFlag `help:"Print the version and exit."`

	Run struct {
		Config string `required:"" type:"path" help:"Path of edge.yaml; linshao-edge check says whether it is right."`
	} `cmd:"" help:"Run the per-estate daemon."`
	Check struct {
		Config string `type:"path" help:"Path of edge.yaml: estate:, edge:, devices:, rules: and so on; docs/configuration.md."`
		Schema bool   `help:"Print the JSON Schema of edge.yaml and exit."`
		JSON   bool   `name:"json" help:"Answer as JSON."`
	} `cmd:"" help:"Validate the configuration and print the plan; change nothing."`
	Read struct {
		URL      string `required:"" help:"tcp://HOST:PORT."`
		Unit     uint8  `default:"1" help:"Unit identifier."`
		Profile  string `xor:"what" required:"" help:"Name of a shipped profile, or a profile's file."`
		Register string `xor:"what" required:"" help:"SPACE:ADDRESS:COUNT:TYPE[:ORDER], such as holding:100:2:float32."`
		JSON     bool   `name:"json" help:"Answer as JSON."`
	} `cmd:"" help:"Read a Modbus device once, decoded."`
	Profiles struct {
		Name string `arg:"" optional:"" help:"Profile to print."`
		JSON bool   `name:"json" help:"Answer as JSON."`
	} `cmd:"" help:"List the shipped device profiles, or print one."`
	Outbox struct {
		DataDir string `required:"" type:"path" help:"The edge's data_dir."`
		JSON    bool   `name:"json" xor:"how" help:"Answer as JSON."`
		Records bool   `xor:"how" help:"Print all records that wait and all gaps, one JSON object a line."`
	} `cmd:"" help:"Show what waits to be uploaded and what is damaged; read-only, also beside the daemon."`
	Backup struct {
		DataDir string `required:"" type:"path" help:"The edge's data_dir."`
		File    string `arg:"" type:"path" help:"The new file, .tar.gz; best on another disk."`
	} `cmd:"" help:"Put all that an edge keeps into one file, also beside the daemon."`
	Restore struct {
		DataDir string `required:"" type:"path" help:"The data_dir to make; it must be empty or not there."`
		File    string `arg:"" type:"path" help:"A file that linshao-edge backup made."`
	} `cmd:"" help:"Make the data_dir of a backup; the daemon must be stopped."`
	Backtest struct {
		Rules string `required:"" type:"path" help:"YAML file with the key rules:, a list as in edge.yaml."`
		In    string `default:"-" help:"CSV of timestamp,device,metric,value; - is standard input."`
		Out   string `default:"-" help:"CSV with score and finding; - is standard output."`
	} `cmd:"" help:"Run the daemon's detectors over recorded samples."`
}

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// Exit statuses.
const (
	done   = 0
	failed = 1
	usage  = 2
)

func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	var c cli
	exited := -1
	parser, err := kong.New(&c, kong.Name("linshao-edge"), kong.Description("邻哨: the edge gateway of a housing estate."),
		kong.Vars{"version": "linshao-edge " + version + " (commit " + commit + ")"},
		kong.Writers(stdout, stderr), kong.Exit(func(code int) { exited = code }), kong.UsageOnError())
	if err != nil {
		fmt.Fprintln(stderr, err)
		return failed
	}
	kctx, err := parser.Parse(args)
	if exited >= 0 {
		return exited
	}
	if err != nil {
		fmt.Fprintln(stderr, "linshao-edge:", err)
		return usage
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err = c.do(ctx, kctx.Command(), stdin, stdout)
	switch {
	case err == nil:
		return done
	case isUsage(err):
		fmt.Fprintln(stderr, err)
		return usage
	}
	fmt.Fprintln(stderr, "linshao-edge:", err)
	return failed
}

// isUsage reports whether an error is the operator's to mend.
func isUsage(err error) bool {
	var u *usageError
	return errors.As(err, &u) || config.IsMistake(err)
}

// usageError is a mistake in what was asked for.
type usageError struct{ why string }

func (e *usageError) Error() string { return e.why }

func (c *cli) do(ctx context.Context, command string, stdin io.Reader, stdout io.Writer) error {
	switch verb, _, _ := strings.Cut(command, " <"); verb {
	case "run":
		log, err := c.Logger()
		if err != nil {
			return err
		}
		return app.Run(ctx, app.Options{ConfigPath: c.Run.Config, Environ: os.Environ(), Version: version, Log: log})
	case "check":
		return c.check(stdout)
	case "read":
		return c.read(ctx, stdout)
	case "profiles":
		return c.profiles(stdout)
	case "outbox":
		return c.outbox(stdout)
	case "backup":
		return c.backup(stdout)
	case "restore":
		return c.restore(stdout)
	case "backtest":
		return c.backtest(stdin, stdout)
	}
	return errors.New("unknown command " + command)
}
