package dbtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/linshao/linshao/cloud/internal/db"
)

// cluster is one running PostgreSQL.
type cluster struct {
	dir     string
	serving int // counts databases, for their names
	mu      sync.Mutex
	// keep is the server's standard input: when we end, however we end, it
	// closes, and the server stops and removes its files.
	keep io.WriteCloser
}

// shared is the binary's one cluster, started by the first test that needs it.
var shared lazy

type lazy struct {
	once    sync.Once
	cluster *cluster
	err     error
}

func (l *lazy) get(ctx context.Context) (*cluster, error) {
	l.once.Do(func() { l.cluster, l.err = start(ctx) })
	return l.cluster, l.err
}

const install = "PostgreSQL 15 is missing: apt-get install postgresql-15"

func emptyPostgres(t *testing.T) db.Options {
	t.Helper()
	c, err := shared.get(context.WithoutCancel(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	name, err := c.create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.exec(context.WithoutCancel(t.Context()), "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	return db.Options{URL: c.url(name)}
}

func (c *cluster) url(name string) string {
	return fmt.Sprintf("postgres:///%s?host=%s&user=linshao", name, c.dir)
}

// create copies a database that was migrated once, which is faster than
// migrating each.
func (c *cluster) create(ctx context.Context) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.serving == 0 {
		if err := c.exec(ctx, "CREATE DATABASE migrated"); err != nil {
			return "", err
		}
		s, err := db.Open(ctx, db.Options{URL: c.url("migrated")})
		if err != nil {
			return "", err
		}
		if err := s.Close(); err != nil {
			return "", err
		}
	}
	c.serving++
	name := "test" + strconv.Itoa(c.serving)
	return name, c.exec(ctx, "CREATE DATABASE "+name+" TEMPLATE migrated")
}

func (c *cluster) exec(ctx context.Context, query string) error {
	conn, err := pgx.Connect(ctx, c.url("postgres"))
	if err != nil {
		return fmt.Errorf("connect to test cluster: %w", err)
	}
	_, err = conn.Exec(ctx, query)
	if err = errors.Join(err, conn.Close(ctx)); err != nil {
		return fmt.Errorf("%s: %w", query, err)
	}
	return nil
}

// script runs the server as a child of a shell that waits for its standard
// input to close. $1 is the folder of the programs, $2 ours.
const script = `
bin=$1 dir=$2
"$bin/initdb" --pgdata="$dir/data" --username=linshao --auth=trust --encoding=UTF8 --locale=C --no-sync >"$dir/log" 2>&1 || exit 1
"$bin/postgres" -D "$dir/data" -c listen_addresses= -c unix_socket_directories="$dir" -c fsync=off -c max_connections=200 -c log_min_messages=panic >>"$dir/log" 2>&1 </dev/null &
pid=$!
trap '' INT TERM
cat >/dev/null
kill -INT $pid
wait $pid
rm -rf "$dir"
`

func start(ctx context.Context) (*cluster, error) {
	bin, err := programs()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "linshao-pg-") // short: a socket's path is bounded
	if err != nil {
		return nil, fmt.Errorf("make cluster directory: %w", err)
	}
	cmd := exec.Command("/bin/sh", "-c", script, "sh", bin, dir)
	cmd.Dir = "/"
	// Its own group: Ctrl-C on the test must not end it before its clean-up.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if os.Geteuid() == 0 { // PostgreSQL refuses to run as root
		if err := becomePostgres(cmd, dir); err != nil {
			return nil, err
		}
	}
	keep, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("make pipe: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	var gone atomic.Bool
	go func() {
		_ = cmd.Wait()
		gone.Store(true)
	}()
	c := &cluster{dir: dir, keep: keep}
	return c, c.wait(ctx, &gone)
}

// wait polls until the server answers.
func (c *cluster) wait(ctx context.Context, gone *atomic.Bool) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := c.exec(ctx, "SELECT 1")
		if err == nil {
			return nil
		}
		if gone.Load() || ctx.Err() != nil {
			log, _ := os.ReadFile(filepath.Join(c.dir, "log"))
			return fmt.Errorf("PostgreSQL did not start: %w\n%s", err, log)
		}
		<-tick.C
	}
}

func becomePostgres(cmd *exec.Cmd, dir string) error {
	u, err := user.Lookup("postgres")
	if err != nil {
		return fmt.Errorf("%s: %w", install, err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return fmt.Errorf("read uid of postgres: %w", err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return fmt.Errorf("read gid of postgres: %w", err)
	}
	cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	if err := os.Chown(dir, int(uid), int(gid)); err != nil {
		return fmt.Errorf("hand over cluster directory: %w", err)
	}
	return nil
}

// programs finds the folder of PostgreSQL's programs, the newest first.
func programs() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil {
		return "", fmt.Errorf("look for PostgreSQL: %w", err)
	}
	if len(found) > 0 {
		slices.SortFunc(found, func(a, b string) int { return version(b) - version(a) })
		return filepath.Dir(found[0]), nil
	}
	if path, err := exec.LookPath("postgres"); err == nil {
		return filepath.Dir(path), nil
	}
	return "", fmt.Errorf("%s", install)
}

func version(path string) int {
	n, _ := strconv.Atoi(strings.Split(path, "/")[4])
	return n
}
