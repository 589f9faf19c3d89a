package simulation

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	cloud "github.com/linshao/linshao/cloud/app"
	edge "github.com/linshao/linshao/edge/app"
	"github.com/linshao/linshao/protocol/kit/memnet"
)

// cloudSide is the machine of the cloud and the collector that runs on it.
type cloudSide struct {
	w    *World
	dir  string
	wall wall
	runs int
	data string // the data directory of the present run
	host *memnet.Host
	end  context.CancelFunc
	up   bool
	// dieAt is how many pauses are left until this run dies; 0: no such plan.
	dieAt atomic.Int64
}

// install puts the template in place.
func (c *cloudSide) install() error {
	c.data = filepath.Join(c.dir, "data-0")
	return copyTree(c.data, c.w.town.path("template"))
}

func (c *cloudSide) start() {
	c.runs++
	w := c.w
	c.host = w.net.Host("cloud", "10.0.0.1")
	conf := filepath.Join(c.dir, fmt.Sprintf("cloud-%d.yaml", c.runs))
	if err := os.WriteFile(conf, []byte(w.town.cloudYAML(c.data)), 0o600); err != nil {
		w.violated("harness: %v", err)
		return
	}
	ctx, end := context.WithCancel(w.ctx)
	c.end, c.up = end, true
	host, name := c.host, fmt.Sprintf("cloud %d", c.runs)
	w.go_(func() {
		err := cloud.Run(ctx, cloud.Options{
			ConfigPath: conf, Version: "sim", Log: w.log(name), Clock: newRunClock(&c.wall, w.o.Seed, name, &w.fires), Net: host,
			Pause: c.pause, Poll: 30 * time.Second, SeriesSegmentBytes: 4 << 20,
		})
		if err != nil && ctx.Err() == nil {
			w.soon(name, func() {
				if c.up && c.host == host {
					w.violated("%s ended by itself: %v", name, err)
				}
			})
		}
	})
}

// pause is called by the collector beside its commits: it takes the time that
// a disk takes, in which it may be killed.
func (c *cloudSide) pause(ctx context.Context, _ string) {
	if ctx.Err() == nil && c.dieAt.Load() > 0 && c.dieAt.Add(-1) == 0 {
		c.w.soon("cloud dies", func() {
			c.w.trace("died inside", "cloud", "")
			c.kill()
			c.w.after(10*time.Second, "cloud back", c.revive)
		})
		<-ctx.Done()
		return
	}
	t := time.NewTimer(700 * time.Microsecond)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// kill ends the collector as kill -9 does. The next run finds a copy of what
// was on disk: the old one may still write to its own.
func (c *cloudSide) kill() {
	if !c.up {
		return
	}
	c.up = false
	c.w.disturbed(15 * time.Second)
	next := filepath.Join(c.dir, fmt.Sprintf("data-%d", c.runs))
	if err := copyTree(next, c.data); err != nil {
		c.w.violated("harness: %v", err)
	}
	c.host.Kill(false) // only now: what it wakes up would still write
	c.end()
	c.data = next
	c.w.restarts++
}

func (c *cloudSide) revive() {
	if !c.up {
		c.start()
	}
}

// edgeSide is the machine of an edge and the daemon that runs on it.
type edgeSide struct {
	w    *World
	i    int
	wall wall
	runs int
	mem  *edge.MemDisk
	disk *disk
	host *memnet.Host
	end  context.CancelFunc
	up   bool
}

func newEdgeSide(w *World, i int) *edgeSide { return &edgeSide{w: w, i: i, mem: edge.NewMemDisk()} }

func (e *edgeSide) start() {
	e.runs++
	w := e.w
	e.host = w.net.Host(edgeID(e.i), fmt.Sprintf("10.%d.0.1", e.i+1))
	e.disk = &disk{mem: e.mem, lies: w.o.LyingDisk}
	ctx, end := context.WithCancel(w.ctx)
	e.end, e.up = end, true
	host, d, name := e.host, e.disk, fmt.Sprintf("%s %d", edgeID(e.i), e.runs)
	w.go_(func() {
		err := edge.Run(ctx, edge.Options{
			ConfigPath: w.town.path(edgeID(e.i) + ".yaml"), Version: "sim", Log: w.log(name),
			Clock: newRunClock(&e.wall, w.o.Seed, name, &w.fires), Disk: d, Net: host,
		})
		if err != nil && ctx.Err() == nil {
			w.soon(name, func() { e.died(host, name, err) })
		}
	})
}

// died: the daemon gave up by itself, as it may when its disk fails; whoever
// watches it starts it again.
func (e *edgeSide) died(host *memnet.Host, name string, err error) {
	if e.host != host || !e.up {
		return
	}
	e.w.trace("gave up", name, "")
	if e.w.healthy {
		e.w.violated("%s ended by itself: %v", name, err)
	}
	e.kill(false, 0)
	e.w.after(2*time.Second, name+" again", e.revive)
}

// kill ends the daemon as kill -9 does, or the machine as a power cut does.
func (e *edgeSide) kill(power bool, seed uint64) {
	if !e.up {
		return
	}
	e.up = false
	e.mem = e.disk.die(power, seed)
	e.host.Kill(power)
	e.end()
	e.w.restarts++
}

func (e *edgeSide) revive() {
	if !e.up {
		e.start()
	}
}

// dieInside has the daemon die at one of its next writes to disk.
func (e *edgeSide) dieInside(r *rand.Rand, back time.Duration) {
	host, power, seed := e.host, r.IntN(2) == 0, r.Uint64()
	e.disk.dieAfter(1+r.IntN(40), power, seed, func() {
		host.Kill(power)
		e.w.soon(edgeID(e.i)+" dies", func() {
			if e.host != host || !e.up {
				return
			}
			e.w.trace("died inside", edgeID(e.i), "")
			e.kill(power, seed)
			e.w.after(back, edgeID(e.i)+" back", e.revive)
		})
	})
}

// copyTree copies a folder of files; sockets and locks stay behind.
func copyTree(to, from string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, rel), 0o700)
		case !d.Type().IsRegular(), filepath.Ext(path) == ".db-shm":
			return nil
		}
		return copyFile(filepath.Join(to, rel), path)
	})
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		_ = out.Close()
		return err
	}
	return out.Close()
}
