package lines_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/linshao/linshao/protocol/kit/chaos/row"
	"github.com/linshao/linshao/simulators/netfault"
)

// village is a network of its own for one edge: its namespace, and a router
// between it and the world that can lose packets without a word.
//
//	here 10.199.0.1 -- .2 router 10.199.1.1 -- .2 edge
type village struct {
	t            *testing.T
	edge, router string
}

const (
	hereIP   = "10.199.0.1"
	edgeIP   = "10.199.1.2"
	hereLine = "lshere"
)

// newVillage needs root and ip; without them the row is not run.
func newVillage(t *testing.T, r *row.Row) village {
	t.Helper()
	v := village{t: t, edge: fmt.Sprintf("lsedge%d", os.Getpid()), router: fmt.Sprintf("lsrouter%d", os.Getpid())}
	t.Cleanup(func() {
		for _, ns := range []string{v.edge, v.router} {
			_ = exec.Command("ip", "netns", "del", ns).Run() // it may not be there
		}
		_ = exec.Command("ip", "link", "del", hereLine).Run() // goes with its other end
	})
	for _, line := range []string{
		"netns add " + v.edge,
		"netns add " + v.router,
		"link add " + hereLine + " type veth peer name world netns " + v.router,
		"-n " + v.router + " link add village type veth peer name wan netns " + v.edge,
		"addr add " + hereIP + "/30 dev " + hereLine,
		"link set " + hereLine + " up",
		"route add 10.199.1.0/30 via 10.199.0.2",
		"-n " + v.router + " addr add 10.199.0.2/30 dev world",
		"-n " + v.router + " link set world up",
		"-n " + v.router + " addr add 10.199.1.1/30 dev village",
		"-n " + v.router + " link set village up",
		"-n " + v.edge + " addr add " + edgeIP + "/30 dev wan",
		"-n " + v.edge + " link set wan up",
		"-n " + v.edge + " link set lo up",
		"-n " + v.edge + " route add default via 10.199.1.1",
	} {
		if out, err := ip(line); err != nil {
			r.NotRun(fmt.Sprintf("ip %s: %v %s", line, err, out))
		}
	}
	forward := exec.Command("ip", "netns", "exec", v.router, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
	if out, err := forward.CombinedOutput(); err != nil {
		r.NotRun(fmt.Sprintf("forward packets: %v %s", err, out))
	}
	return v
}

// ip runs one command.
func ip(line string) (string, error) {
	out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput()
	return string(out), err
}

// lose has the router drop the packets that way, until heal.
func (v village) lose(w netfault.Way) {
	for way, to := range map[netfault.Way]string{netfault.Up: hereIP, netfault.Down: edgeIP} {
		if w&way != 0 {
			v.must("-n " + v.router + " route add blackhole " + to + "/32")
		}
	}
}

func (v village) heal(w netfault.Way) {
	for way, to := range map[netfault.Way]string{netfault.Up: hereIP, netfault.Down: edgeIP} {
		if w&way != 0 {
			v.must("-n " + v.router + " route del blackhole " + to + "/32")
		}
	}
}

func (v village) must(line string) {
	v.t.Helper()
	if out, err := ip(line); err != nil {
		v.t.Errorf("ip %s: %v %s", line, err, out)
	}
}

// relay makes a loopback address of the village reachable under the same
// address here.
func (v village) relay(address string) {
	v.t.Helper()
	p, err := netfault.ListenVia(address, func() (net.Conn, error) { return v.dial(address) })
	must(v.t, err)
	v.t.Cleanup(func() { p.Close() })
}

// dial connects from within the village. The thread that enters it ends with
// the goroutine, as nothing else may run on it.
func (v village) dial(address string) (net.Conn, error) {
	type result struct {
		conn net.Conn
		err  error
	}
	done := make(chan result, 1)
	go func() {
		runtime.LockOSThread()
		ns, err := os.Open("/run/netns/" + v.edge)
		if err != nil {
			done <- result{nil, err}
			return
		}
		defer ns.Close()
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- result{nil, err}
			return
		}
		conn, err := net.DialTimeout("tcp", address, 5*time.Second)
		done <- result{conn, err}
	}()
	r := <-done
	return r.conn, r.err
}
