package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/linshao/linshao/cloud/internal/config"
	"github.com/linshao/linshao/cloud/internal/db"
	"github.com/linshao/linshao/protocol/kit/clock"
	kitconfig "github.com/linshao/linshao/protocol/kit/config"
	"github.com/linshao/linshao/protocol/kit/datadir"
)

// socketName is the admin socket in the data directory. Whoever may open it
// (mode 0600) is the operator: there is no further sign-in.
const socketName = "admin.sock"

// longestSocket is what the system's address of a socket holds.
const longestSocket = 107

// refusal is how an operation's error crosses the socket.
type refusal struct {
	Usage bool   `json:"usage"`
	Why   string `json:"why"`
}

// serveOp adds one operation to the socket.
func serveOp[I, O any](mux *http.ServeMux, name string, f func(context.Context, I) (O, error)) {
	mux.HandleFunc("POST /"+name, func(w http.ResponseWriter, r *http.Request) {
		var in I
		err := json.NewDecoder(r.Body).Decode(&in)
		var out any
		if err == nil {
			out, err = f(r.Context(), in)
		}
		if err != nil {
			w.WriteHeader(http.StatusConflict)
			out = refusal{Usage: IsUsage(err), Why: err.Error()}
		}
		_ = json.NewEncoder(w).Encode(out) // the command is gone; nobody is left to tell
	})
}

// IsUsage reports whether an error is the operator's to mend.
func IsUsage(err error) bool {
	var usage *UsageError
	var conf *kitconfig.Error
	var exposed *ExposedError
	var cut *CutOffError
	return errors.As(err, &usage) || errors.As(err, &conf) || errors.As(err, &exposed) || errors.As(err, &cut)
}

func (c *cloud) startAdmin(ctx context.Context) error {
	if c.o.Net != nil {
		return nil
	}
	path := c.dir.Path(socketName)
	if len(path) > longestSocket {
		return &UsageError{Why: fmt.Sprintf("data_dir is too long a path: %s needs %d characters, the system allows %d", path, len(path), longestSocket)}
	}
	// What is left of a killed process: the directory is locked, so nobody
	// listens there.
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "unix", path)
	if err != nil {
		return fmt.Errorf("listen on admin socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return errors.Join(err, ln.Close())
	}
	o := c.ops()
	mux := http.NewServeMux()
	serveOp(mux, "import", o.importPlan)
	serveOp(mux, "user", o.addUser)
	serveOp(mux, "token", o.createToken)
	serveOp(mux, "edge-credential", o.createCredential)
	serveOp(mux, "backup", o.backup)
	c.meter.registry.MustRegister(backupAge{o})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	return c.serve(ctx, "admin socket", server, ln)
}

// Admin does what an operator asks: through the admin socket where a collector
// runs on the data directory, else on the database itself.
type Admin struct {
	cfg    config.File
	client *http.Client
	ops    ops
	close  func() error
}

// A collector that starts or stops has the data, and no socket yet or any
// more: commands wait for the one or the other.
const (
	askAgain = 100 * time.Millisecond
	askTimes = 100
)

// OpenAdmin reads the configuration and finds the way in. Close it.
func OpenAdmin(ctx context.Context, o Options) (*Admin, error) {
	cfg, err := config.Load(o.ConfigPath, o.Environ)
	if err != nil {
		return nil, err
	}
	if o.Clock == nil {
		o.Clock = clock.NewSystem()
	}
	a := &Admin{cfg: cfg}
	for range askTimes {
		if a.dial(ctx) {
			return a, nil
		}
		if err = a.openStore(ctx, o); !errors.Is(err, datadir.ErrInUse) {
			break
		}
		if waited := clock.Wait(ctx, o.Clock, askAgain); waited != nil {
			return nil, errors.Join(waited, err)
		}
	}
	if err != nil {
		return nil, err
	}
	return a, nil
}

// dial finds out whether a collector answers, and asks it from now on.
func (a *Admin) dial(ctx context.Context) bool {
	path := filepath.Join(a.cfg.DataDir, socketName)
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
	if err != nil {
		return false
	}
	_ = conn.Close() // it was only to see whether somebody answers
	a.client = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}}}
	a.close = func() error { a.client.CloseIdleConnections(); return nil }
	return true
}

func (a *Admin) openStore(ctx context.Context, o Options) error {
	dir, err := openDir(a.cfg.DataDir)
	if errors.Is(err, datadir.ErrInUse) {
		return fmt.Errorf("a collector has %s but does not answer: %w", a.cfg.DataDir, err)
	}
	if err != nil {
		return err
	}
	store, err := db.Open(ctx, db.Options{DataDir: dir.Path(), URL: a.cfg.Database.URL.Reveal(), Log: o.Log})
	if err != nil {
		return errors.Join(err, dir.Close())
	}
	a.ops = ops{cfg: a.cfg, store: store, clock: o.Clock, version: o.Version, log: o.Log}
	a.close = func() error { return errors.Join(store.Close(), dir.Close()) }
	return nil
}

// Close releases what OpenAdmin took.
func (a *Admin) Close() error { return a.close() }

// Import writes a whole import file, or nothing of it.
func (a *Admin) Import(ctx context.Context, r ImportRequest) (Imported, error) {
	return ask(ctx, a, "import", r, ops.importPlan)
}

// AddUser adds a login or changes the one of that name.
func (a *Admin) AddUser(ctx context.Context, r UserRequest) error {
	_, err := ask(ctx, a, "user", r, ops.addUser)
	return err
}

// CreateToken makes an API token.
func (a *Admin) CreateToken(ctx context.Context, r TokenRequest) (string, error) {
	s, err := ask(ctx, a, "token", r, ops.createToken)
	return s.Secret, err
}

// CreateCredential lets an edge in.
func (a *Admin) CreateCredential(ctx context.Context, r CredentialRequest) (Uplink, error) {
	return ask(ctx, a, "edge-credential", r, ops.createCredential)
}

// Backup writes what the collector keeps by itself to a new file.
func (a *Admin) Backup(ctx context.Context, r BackupRequest) (BackedUp, error) {
	return ask(ctx, a, "backup", r, ops.backup)
}

func ask[I, O any](ctx context.Context, a *Admin, name string, in I, local func(ops, context.Context, I) (O, error)) (O, error) {
	if a.client == nil {
		return local(a.ops, ctx, in)
	}
	var out O
	body, err := json.Marshal(in)
	if err != nil {
		return out, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://collector/"+name, bytes.NewReader(body))
	if err != nil {
		return out, err
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return out, fmt.Errorf("ask the running collector: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return out, fmt.Errorf("read the collector's answer: %w", err)
	}
	if resp.StatusCode == http.StatusOK {
		return out, json.Unmarshal(answer, &out)
	}
	var r refusal
	if err := json.Unmarshal(answer, &r); err != nil {
		return out, fmt.Errorf("the collector answered %s", resp.Status)
	}
	if r.Usage {
		return out, &UsageError{Why: r.Why}
	}
	return out, errors.New(r.Why)
}
