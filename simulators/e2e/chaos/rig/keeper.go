package rig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/linshao/linshao/simulators/e2e/daemon"
)

// Keeper starts a daemon again whenever it ends without being asked, as a
// supervisor does. Close is due before the town is reset or judged dead.
type Keeper struct {
	d *daemon.Daemon
	// env is what a life gets, by the number of deaths so far.
	env func(deaths int) []string

	mu     sync.Mutex // guards the following, and all starts and ends
	life   int
	deaths int
	closed bool
	err    error
	wait   sync.WaitGroup
}

// Keep starts a daemon and keeps it. env gives what a life's environment has
// besides, by how often the daemon has died unasked; nil: nothing.
func (w *Town) Keep(d *daemon.Daemon, env func(deaths int) []string) *Keeper {
	k := &Keeper{d: d, env: env}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.start()
	w.t.Cleanup(k.Close)
	return k
}

// start begins a life; mu is held.
func (k *Keeper) start() {
	var env []string
	if k.env != nil {
		env = k.env(k.deaths)
	}
	k.life++
	life := k.life
	if k.err = k.d.TryStart(env...); k.err != nil {
		return
	}
	done := k.d.Done()
	k.wait.Go(func() {
		<-done
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.life == life && !k.closed {
			k.deaths++
			k.start()
		}
	})
}

// Bounce ends the daemon by a signal, SIGKILL or SIGTERM, and starts it again.
// One that does not leave politely when asked to has died unasked.
func (k *Keeper) Bounce(s syscall.Signal) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.life++
	if s == syscall.SIGTERM {
		k.d.Stop()
		if st := k.d.State(); st != nil && !st.Success() {
			k.deaths++
		}
	} else {
		k.d.Kill()
	}
	k.start()
}

// Down runs f while the daemon is stopped, politely, and starts it again.
func (k *Keeper) Down(f func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.life++
	k.d.Stop()
	f()
	k.start()
}

// Ready waits until a life of the daemon serves, however many it takes.
func (k *Keeper) Ready(ctx context.Context) error {
	for end := time.Now().Add(readyBound); ; {
		_, err := k.d.Ready(time.Second)
		if err == nil {
			return nil
		}
		k.mu.Lock()
		bad := k.err
		k.mu.Unlock()
		if bad != nil || time.Now().After(end) {
			return fmt.Errorf("keep %s: %w", k.d.Spec.Name, errors.Join(bad, err))
		}
		if err := wait(ctx, nil, 5*time.Millisecond); err != nil {
			return err
		}
	}
}

// Deaths is how often the daemon ended without being asked.
func (k *Keeper) Deaths() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.deaths
}

// Said reports whether the daemon's log has the text.
func (k *Keeper) Said(text string) bool {
	b, err := os.ReadFile(k.d.LogPath())
	return err == nil && strings.Contains(string(b), text)
}

// Close lets the daemon run, or stay dead, from now on.
func (k *Keeper) Close() {
	k.mu.Lock()
	k.closed = true
	k.mu.Unlock()
}
