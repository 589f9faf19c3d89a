// Command linshao-cloud is the collector: it takes what the edges send, keeps
// tickets and time series, and pages the people on duty. main only translates
// flags and signals; package app does the work.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	_ "time/tzdata" // estates have time zones on machines without zone files

	"github.com/alecthomas/kong"

	"github.com/linshao/linshao/cloud/app"
	"github.com/linshao/linshao/cloud/internal/access"
	"github.com/linshao/linshao/cloud/internal/config"
	"github.com/linshao/linshao/protocol/kit/logging"
)

// version and commit are set by the linker.
var version, commit = "dev", "unknown"

type cli struct {
	logging.Flags
	Version kong.VersionFlag `help:"Print the version and exit."`

	Serve struct {
		Config string `required:"" type:"path" help:"Path of cloud.yaml."`
	} `cmd:"" help:"Run the collector with console and API."`
	Check struct {
		Config string `type:"path" help:"Path of cloud.yaml."`
		Schema bool   `help:"Print the JSON Schema of cloud.yaml and exit."`
	} `cmd:"" help:"Validate the configuration; change nothing."`
	Import struct {
		Config string `required:"" type:"path" help:"Path of cloud.yaml."`
		File   string `arg:"" type:"path" help:"Estates, devices, staff, rosters and policies, as YAML."`
	} `cmd:"" help:"Write estates, staff, rosters and policies: upsert by id, all or nothing."`
	User struct {
		Add userAdd `cmd:"" help:"Add a login, or change the one of that name."`
	} `cmd:"" help:"Logins."`
	Token struct {
		Create tokenCreate `cmd:"" help:"Make an API token and print it once."`
	} `cmd:"" help:"API tokens."`
	EdgeCredential struct {
		Create credentialCreate `cmd:"" help:"Let an edge in; print the uplink block of its edge.yaml once."`
	} `cmd:"" help:"Credentials of edges."`
	Backup struct {
		Config string `required:"" type:"path" help:"Path of cloud.yaml."`
		File   string `arg:"" type:"path" help:"New file to write."`
	} `cmd:"" help:"Copy everything the collector keeps by itself to one file, while it runs."`
	Restore struct {
		Config string `required:"" type:"path" help:"Path of cloud.yaml."`
		File   string `arg:"" type:"existingfile" help:"A file that backup wrote."`
	} `cmd:"" help:"Put a backup into an empty data directory; the collector must be stopped."`
}

type userAdd struct {
	Config        string `required:"" type:"path" help:"Path of cloud.yaml."`
	Name          string `arg:"" help:"Login name."`
	Role          string `required:"" help:"admin, dispatcher, patrol, maintainer or viewer."`
	Estate        string `help:"Bound the login to one estate."`
	Staff         string `help:"Bind the login to a person."`
	PasswordStdin bool   `help:"Read the password from standard input; without it one is made and printed once."`
}

type tokenCreate struct {
	Config string `required:"" type:"path" help:"Path of cloud.yaml."`
	Name   string `required:"" help:"What the token is for."`
	Role   string `required:"" help:"admin, dispatcher, patrol, maintainer or viewer."`
	Estate string `help:"Bound the token to one estate."`
}

type credentialCreate struct {
	Config string `required:"" type:"path" help:"Path of cloud.yaml."`
	Estate string `required:"" help:"Estate id; made if it is new."`
	Edge   string `required:"" help:"Edge id; made if it is new."`
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
	parser, err := kong.New(&c, kong.Name("linshao-cloud"), kong.Description("邻哨: the collector that pages whoever is on duty."),
		kong.Vars{"version": "linshao-cloud " + version + " (commit " + commit + ")"},
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
		fmt.Fprintln(stderr, "linshao-cloud:", err)
		return usage
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal does not wait
	err = c.do(ctx, kctx.Command(), stdin, stdout)
	switch {
	case err == nil:
		return done
	case app.IsUsage(err):
		fmt.Fprintln(stderr, err)
		return usage
	}
	fmt.Fprintln(stderr, "linshao-cloud:", err)
	return failed
}

func (c *cli) do(ctx context.Context, command string, stdin io.Reader, stdout io.Writer) error {
	switch verb, _, _ := strings.Cut(command, " <"); verb {
	case "serve":
		log, err := c.Logger()
		if err != nil {
			return err
		}
		return app.Run(ctx, app.Options{ConfigPath: c.Serve.Config, Environ: os.Environ(), Version: version, Log: log})
	case "check":
		return c.check(stdout)
	case "import":
		return c.importFile(ctx, stdout)
	case "user add":
		return c.addUser(ctx, stdin, stdout)
	case "token create":
		return c.createToken(ctx, stdout)
	case "edge-credential create":
		return c.createCredential(ctx, stdout)
	case "backup":
		return c.backup(ctx, stdout)
	case "restore":
		return app.Restore(ctx, app.Options{ConfigPath: c.Restore.Config, Environ: os.Environ()}, c.Restore.File)
	}
	return errors.New("unknown command " + command)
}

func (c *cli) check(stdout io.Writer) error {
	if c.Check.Schema {
		schema, err := config.Schema()
		if err != nil {
			return err
		}
		_, err = stdout.Write(append(schema, '\n'))
		return err
	}
	if c.Check.Config == "" {
		return &app.UsageError{Why: "linshao-cloud check: name the configuration with --config cloud.yaml, or ask for --schema"}
	}
	f, err := config.Load(c.Check.Config, os.Environ())
	if err != nil {
		return err
	}
	database := "SQLite in " + f.DataDir
	if f.Database.URL != "" {
		database = "PostgreSQL"
	}
	fmt.Fprintf(stdout, "console  %s (listens on %s)\nuplink   %s\ndatabase %s\nseries   %s, kept for %s\n",
		f.HTTP.PublicURL, f.HTTP.Listen, f.MQTT.Listen, database, f.Series.Backend, f.Series.Retention)
	return nil
}

// admin runs f against the running collector or the stopped one's data.
func (c *cli) admin(ctx context.Context, configPath string, f func(*app.Admin) error) error {
	log, err := c.Logger()
	if err != nil {
		return err
	}
	a, err := app.OpenAdmin(ctx, app.Options{ConfigPath: configPath, Environ: os.Environ(), Version: version, Log: log})
	if err != nil {
		return err
	}
	return errors.Join(f(a), a.Close())
}

func (c *cli) backup(ctx context.Context, stdout io.Writer) error {
	return c.admin(ctx, c.Backup.Config, func(a *app.Admin) error {
		b, err := a.Backup(ctx, app.BackupRequest{File: c.Backup.File})
		if err != nil {
			return err
		}
		fmt.Fprintf(stdout, "%s: %d bytes, with %s\n", c.Backup.File, b.Bytes, strings.Join(b.Holds, ", "))
		for _, m := range b.Missing {
			fmt.Fprintln(stdout, "not in it:", m)
		}
		return nil
	})
}

func (c *cli) importFile(ctx context.Context, stdout io.Writer) error {
	text, err := os.ReadFile(c.Import.File)
	if err != nil {
		return &app.UsageError{Why: err.Error()}
	}
	return c.admin(ctx, c.Import.Config, func(a *app.Admin) error {
		n, err := a.Import(ctx, app.ImportRequest{File: relative(c.Import.File), Text: string(text)})
		if err == nil {
			fmt.Fprintf(stdout, "imported %d estates, %d edges, %d devices, %d staff, %d rosters, %d overrides, %d policies, %d mutes\n",
				n.Estates, n.Edges, n.Devices, n.Staff, n.Rosters, n.Overrides, n.Policies, n.Mutes)
		}
		return err
	})
}

// relative names a file as the operator did, where that is shorter.
func relative(path string) string {
	wd, err := os.Getwd()
	if err != nil {
		return path
	}
	if rel, err := filepath.Rel(wd, path); err == nil && !strings.HasPrefix(rel, "..") {
		return rel
	}
	return path
}

func (c *cli) addUser(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	u := c.User.Add
	r := app.UserRequest{Name: u.Name, Role: u.Role, Estate: u.Estate, Staff: u.Staff}
	if u.PasswordStdin {
		line, err := bufio.NewReader(stdin).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read password: %w", err)
		}
		r.Password = strings.TrimRight(line, "\r\n")
	} else {
		r.Password = access.NewSecret("")[:20]
	}
	return c.admin(ctx, u.Config, func(a *app.Admin) error {
		err := a.AddUser(ctx, r)
		if err == nil && !u.PasswordStdin {
			fmt.Fprintf(stdout, "user %s password %s\n", r.Name, r.Password)
		}
		return err
	})
}

func (c *cli) createToken(ctx context.Context, stdout io.Writer) error {
	t := c.Token.Create
	return c.admin(ctx, t.Config, func(a *app.Admin) error {
		secret, err := a.CreateToken(ctx, app.TokenRequest{Name: t.Name, Role: t.Role, Estate: t.Estate})
		if err == nil {
			fmt.Fprintln(stdout, secret)
		}
		return err
	})
}

func (c *cli) createCredential(ctx context.Context, stdout io.Writer) error {
	t := c.EdgeCredential.Create
	return c.admin(ctx, t.Config, func(a *app.Admin) error {
		u, err := a.CreateCredential(ctx, app.CredentialRequest{Estate: t.Estate, Edge: t.Edge})
		if err == nil {
			fmt.Fprintf(stdout, "uplink:\n  url: %s\n  username: %s\n  password: %s\n", u.URL, u.Username, u.Password)
		}
		return err
	})
}
