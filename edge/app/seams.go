package app

import (
	"context"
	"errors"
	"net"
	"path"

	"github.com/linshao/linshao/edge/internal/vfs"
	"github.com/linshao/linshao/protocol/kit/clock"
	"github.com/linshao/linshao/protocol/kit/datadir"
)

// Clock is how the edge tells time: a *clock.System, or the clock of a
// simulation.
type Clock interface {
	clock.Clock
	// Boot differs for every run of an edge.
	Boot() string
	// Trusted reports whether the wall clock may be believed.
	Trusted() bool
	// Vouch says that the wall clock was found right.
	Vouch()
}

var _ Clock = (*clock.System)(nil)

// Disk is where the outbox lies.
type Disk = vfs.FS

// DiskFile is a file of a Disk.
type DiskFile = vfs.File

// MemDisk is a Disk in memory that can crash.
type MemDisk = vfs.Mem

// NewMemDisk returns an empty MemDisk.
func NewMemDisk() *MemDisk { return vfs.NewMem() }

// Net is how the edge reaches others and is reached.
type Net interface {
	Listen(ctx context.Context, network, address string) (net.Listener, error)
	Dial(ctx context.Context, network, address string) (net.Conn, error)
}

// dialUplink is nil for TCP, whose connection is bounded below us.
func (e *edge) dialUplink() func(ctx context.Context, address string) (net.Conn, error) {
	if e.o.Net == nil {
		return nil
	}
	return func(ctx context.Context, address string) (net.Conn, error) { return e.o.Net.Dial(ctx, "tcp", address) }
}

// listen makes every listener but those of tests.
func (e *edge) listen(ctx context.Context, address string) (net.Listener, error) {
	if e.o.Net == nil {
		return (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	}
	return e.o.Net.Listen(ctx, "tcp", address)
}

// openDir opens, locks and stamps the data directory; a Disk that is not this
// machine's needs none.
func openDir(o Options, name string) (*datadir.Dir, error) {
	if o.Disk != nil {
		return nil, nil //nolint:nilnil // there is no directory and nothing is wrong
	}
	dir, err := datadir.Open(name, product, format)
	if err != nil || dir.Found >= format {
		return dir, err
	}
	if err := dir.Stamp(format); err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	return dir, nil
}

// outboxPlace is the disk and the folder on it where the outbox lies.
func (e *edge) outboxPlace() (Disk, string) {
	if e.o.Disk != nil {
		return e.o.Disk, path.Join(e.plan.DataDir, OutboxDir)
	}
	return vfs.OS{}, e.dir.Path(OutboxDir)
}
