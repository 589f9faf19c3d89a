// Package demo shows the whole system on simulated estates. It starts the real
// linshao-edge and linshao-cloud binaries as processes, seeds estates, staff
// and duty through the same commands an operator would use, plays the devices
// and the pager itself, and breaks something after a while. There is no demo
// code path in the product.
//
// Everything it starts ends with it: processes get a signal, then a kill, and
// on Linux die with their parent whatever happens; a data folder it made is
// removed. Passwords and keys are made afresh for every data folder.
package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/linshao/linshao/protocol/kit/run"
	"github.com/linshao/linshao/simulators/control"
	"github.com/linshao/linshao/simulators/live"
	"github.com/linshao/linshao/simulators/pager"
)

// Options of a demo. All but Data, PublicURL, Stdin and Screen are required.
type Options struct {
	// Bin is the folder with linshao-edge and linshao-cloud.
	Bin string
	// Data is the folder for everything; empty makes a temporary one, which
	// is removed at the end unless Keep is set.
	Data string
	Keep bool
	// The host:port bases; each further estate takes the next free port.
	CloudHTTP, CloudMQTT, EdgeMQTT, EdgeHTTP, Modbus string
	// SimHTTP and PagerHTTP are where the simulation itself listens.
	SimHTTP, PagerHTTP string
	// PublicURL is what phones use; empty means the console's own address.
	PublicURL string
	Estates   int
	Seed      uint64
	Speed     float64
	// Faults plays the default story; without it nothing breaks by itself.
	Faults bool
	// Version is shown on the screen.
	Version string
	// Ready gets the one READY line.
	Ready io.Writer
	// Screen, if set, is a terminal for people; Keys, if set, delivers the
	// keys they press.
	Screen io.Writer
	Keys   <-chan byte
	Log    *slog.Logger
}

// Validate reports what is wrong with the Options before anything is started.
func (o Options) Validate() error {
	var errs []error
	if o.Estates < 1 || o.Estates > 20 {
		errs = append(errs, fmt.Errorf("--estates %d is outside 1 to 20", o.Estates))
	}
	if !(o.Speed >= 0.1 && o.Speed <= 1000) {
		errs = append(errs, fmt.Errorf("--speed %v is outside 0.1 to 1000", o.Speed))
	}
	for _, name := range []string{edgeBinary, cloudBinary} {
		if _, err := os.Stat(filepath.Join(o.Bin, name)); err != nil {
			errs = append(errs, fmt.Errorf("%s is not in %s: run make build, or name the folder with --bin", name, o.Bin))
		}
	}
	return errors.Join(errs...)
}

// The binaries that a demo shows.
const (
	edgeBinary  = "linshao-edge"
	cloudBinary = "linshao-cloud"
)

const (
	// readyWithin bounds the time to READY (30 s are promised).
	readyWithin = 30 * time.Second
	// stopWithin bounds the stopping of one part.
	stopWithin = 15 * time.Second
)

// Run shows the demo until ctx ends, a person quits or a part fails. It
// returns nil where it was told to end.
func Run(ctx context.Context, o Options) error {
	if err := o.Validate(); err != nil {
		return err
	}
	g := run.NewGroup(o.Log, stopWithin)
	err := show(ctx, g, o)
	if ctx.Err() != nil {
		err = nil // being told to end, even while starting, is no failure
	}
	stopped := g.Stop(ctx)
	if err != nil {
		return err // what fails while stopping follows from it, and is logged
	}
	return stopped
}

// show sets everything up in order and waits. What it started is in g.
func show(ctx context.Context, g *run.Group, o Options) error {
	dir, err := openData(ctx, g, o)
	if err != nil {
		return err
	}
	s, err := newSite(o, dir)
	if err != nil {
		return err
	}
	pages, err := startPager(ctx, g, s)
	if err != nil {
		return err
	}
	if err := s.prepare(ctx, o.Log); err != nil {
		return err
	}
	estates, err := openEstates(ctx, g, s, o)
	if err != nil {
		return err
	}
	if err := startPrograms(ctx, g, s, o.Log); err != nil {
		return err
	}
	for _, e := range estates {
		if err := g.Go(ctx, e.Name(), e.Run); err != nil {
			return err
		}
	}
	if err := g.Go(ctx, "guest", s.guest(o.Log).run); err != nil {
		return err
	}
	sims := make(control.Estates, len(estates))
	for i, e := range estates {
		sims[i] = e
	}
	if err := startControl(ctx, g, s, sims, pages); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(o.Ready, s.readyLine()); err != nil {
		return fmt.Errorf("announce readiness: %w", err)
	}
	return watch(ctx, g, s, o, sims)
}

func openData(ctx context.Context, g *run.Group, o Options) (string, error) {
	if o.Data != "" {
		dir, err := filepath.Abs(o.Data)
		if err != nil {
			return "", fmt.Errorf("find data folder: %w", err)
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return "", fmt.Errorf("make data folder: %w", err)
		}
		return dir, nil
	}
	dir, err := os.MkdirTemp("", "linshao-demo-")
	if err != nil {
		return "", fmt.Errorf("make data folder: %w", err)
	}
	if o.Keep {
		o.Log.Info("data is kept", "dir", dir)
		return dir, nil
	}
	return dir, g.Defer(ctx, "data folder", func(context.Context) error { return os.RemoveAll(dir) })
}

func startPager(ctx context.Context, g *run.Group, s *site) (*pager.Pager, error) {
	p, err := pager.Listen(s.pager)
	if err != nil {
		return nil, err
	}
	s.pagerURL = p.URL()
	for _, e := range s.estates {
		for _, person := range e.staff {
			p.Trust(person.ID, s.keys.Webhook)
		}
	}
	return p, g.Defer(ctx, "pager", func(context.Context) error { return p.Close() })
}

func openEstates(ctx context.Context, g *run.Group, s *site, o Options) ([]*live.Estate, error) {
	var out []*live.Estate
	now := time.Now()
	for i, e := range s.estates {
		l, err := live.Open(live.Options{
			Name: e.ID, Plan: e.plan, Seed: o.Seed + uint64(i), Start: now, WallStart: now, Speed: o.Speed,
			MQTT: "tcp://" + e.mqtt, Passwords: s.keys.Devices, Modbus: e.modbus, Log: o.Log,
		})
		if err != nil {
			return nil, err
		}
		if err := g.Defer(ctx, "devices of "+e.ID, func(context.Context) error { return l.Close() }); err != nil {
			return nil, err
		}
		out = append(out, l)
	}
	return out, nil
}

func startControl(ctx context.Context, g *run.Group, s *site, sims control.Estates, p *pager.Pager) error {
	h := control.Handler(sims, func() any { return p.Pages() })
	server := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
	ln, err := listen(ctx, s.sim)
	if err != nil {
		return err
	}
	s.simURL = "http://" + ln.Addr().String()
	return g.Go(ctx, "side door", func(ctx context.Context) error {
		stop := context.AfterFunc(ctx, func() { _ = server.Close() })
		defer stop()
		if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
}

// startPrograms starts the cloud and the edges and waits until all are ready.
func startPrograms(ctx context.Context, g *run.Group, s *site, log *slog.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	for _, p := range s.programs() {
		proc, err := start(p)
		if err != nil {
			return fmt.Errorf("start %s: %w", p.Name, err)
		}
		log.Debug("process started", "name", p.Name, "pid", proc.cmd.Process.Pid)
		if err := g.Defer(ctx, p.Name, proc.stop); err != nil {
			return err
		}
		if err := g.Go(ctx, "watch over "+p.Name, proc.watch); err != nil {
			return err
		}
	}
	for _, url := range s.readyURLs() {
		if err := awaitReady(ctx, g.Failed(), url); err != nil {
			return cmp.Or(g.Cause(), err)
		}
	}
	return nil
}

// watch plays the story and the keys until somebody ends it.
func watch(ctx context.Context, g *run.Group, s *site, o Options, sims control.Estates) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	t := &teller{site: s, sims: sims, log: o.Log, options: o, screen: o.Screen}
	t.greet()
	if o.Faults {
		if err := g.Go(ctx, "story", func(ctx context.Context) error { return t.tell(ctx, story(s)) }); err != nil {
			return err
		}
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-g.Failed():
			return g.Cause()
		case key, ok := <-o.Keys:
			if !ok {
				o.Keys = nil
				continue
			}
			if t.press(key) {
				return nil
			}
		}
	}
}
