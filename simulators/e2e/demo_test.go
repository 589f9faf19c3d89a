package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/linshao/linshao/simulators/e2e/site"
)

// demo is a running `linshao-sim demo`.
type demo struct {
	t     *testing.T
	cmd   *exec.Cmd
	dir   string
	ready map[string]string
	errs  bytes.Buffer
	done  chan error
}

// startDemo starts the demo on free ports and reads its READY line.
func startDemo(t *testing.T, args ...string) *demo {
	t.Helper()
	d := &demo{t: t, dir: t.TempDir(), done: make(chan error, 1)}
	args = append([]string{
		"demo", "--cloud-http", site.FreeAddr(t), "--cloud-mqtt", site.FreeAddr(t), "--edge-mqtt", site.FreeAddr(t),
		"--edge-http", site.FreeAddr(t), "--modbus", site.FreeAddr(t),
	}, args...)
	d.cmd = exec.Command(site.Bin(t, "linshao-sim"), args...)
	d.cmd.Env = append(os.Environ(), "TMPDIR="+d.dir)
	d.cmd.Stderr = &d.errs
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() || !strings.HasPrefix(lines.Text(), "READY ") {
		t.Fatalf("no READY line: %q\n%s", lines.Text(), d.errs.String())
	}
	d.ready = map[string]string{}
	for _, f := range strings.Fields(lines.Text())[1:] {
		k, v, _ := strings.Cut(f, "=")
		d.ready[k] = v
	}
	go func() {
		for lines.Scan() {
			t.Errorf("more than one line on stdout: %s", lines.Text())
		}
		d.done <- d.cmd.Wait()
	}()
	t.Cleanup(d.stop)
	return d
}

// stop presses Ctrl-C and waits for the end.
func (d *demo) stop() {
	if d.cmd == nil {
		return
	}
	_ = d.cmd.Process.Signal(syscall.SIGINT) // it may have ended by itself
	if err := <-d.done; err != nil {
		d.t.Errorf("the demo ended with %v\n%s", err, d.errs.String())
	}
	d.cmd = nil
}

func (d *demo) get(path string, into any) bool {
	req, err := http.NewRequestWithContext(d.t.Context(), http.MethodGet, d.ready["console"]+path, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+d.ready["token"])
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK && json.NewDecoder(resp.Body).Decode(into) == nil
}

func (d *demo) eventually(what string, cond func() bool) {
	d.t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	end := time.NewTimer(2 * time.Minute)
	defer end.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-end.C:
			d.t.Fatalf("waited in vain for %s\n%s", what, d.errs.String())
		}
	}
}

// The demo as a newcomer meets it: it comes up, a passenger is trapped, and
// somebody on duty is paged; Ctrl-C leaves neither process nor file.
func TestTheDemo(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "--no-faults")
	for _, key := range []string{"console", "edges", "sim", "mqtt", "user", "password", "token", "device", "staff"} {
		if d.ready[key] == "" {
			t.Errorf("READY lacks %s: %v", key, d.ready)
		}
	}
	if edges := strings.Split(d.ready["edges"], ","); len(edges) != 2 {
		t.Errorf("edges %v", edges)
	}
	if out, errs, err := site.Exec(t, nil, "linshao-sim", "inject", "--demo", d.ready["sim"], "entrapment", "lift-3-2"); err != nil {
		t.Fatalf("inject: %v %s%s", err, out, errs)
	}
	var id string
	d.eventually("a ticket of the entrapment", func() bool {
		var list struct{ Items []site.Ticket }
		if !d.get("/api/v1/tickets?severity=critical", &list) {
			return false
		}
		i := slices.IndexFunc(list.Items, func(t site.Ticket) bool { return t.Fault == "entrapment" && t.Device == "lift-3-2" })
		if i >= 0 {
			id = list.Items[i].ID
		}
		return i >= 0
	})
	var duty struct {
		OnDuty []struct{ Staff string } `json:"on_duty"`
	}
	if !d.get("/api/v1/duty?estate=sunrise-garden", &duty) || len(duty.OnDuty) == 0 {
		t.Fatal("nobody is on duty")
	}
	d.eventually("an accepted page to somebody on duty", func() bool {
		var list struct{ Items []site.Delivery }
		return d.get("/api/v1/deliveries?ticket="+id, &list) && slices.ContainsFunc(list.Items, func(x site.Delivery) bool {
			return x.State == "accepted" && x.Staff == duty.OnDuty[0].Staff
		})
	})
	for _, page := range []string{"/", "/m", "/api/docs"} {
		resp, err := http.Get(d.ready["console"] + page)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %v %v", page, resp, err)
			continue
		}
		resp.Body.Close()
	}
	d.seen(t, id)
	group := d.cmd.Process.Pid
	d.stop()
	if left := processesOf(t, group); len(left) > 0 {
		t.Errorf("left running: %v", left)
	}
	if left, _ := filepath.Glob(filepath.Join(d.dir, "*")); len(left) > 0 {
		t.Errorf("left on disk: %v", left)
	}
}

// seen looks at the dispatcher's and the phone's page with a real browser:
// both show the ticket, ask nothing of any other host and log no error.
func (d *demo) seen(t *testing.T, id string) {
	t.Helper()
	if _, err := os.Stat("/usr/bin/chromium"); err != nil {
		t.Fatal("chromium is missing: apt-get install chromium")
	}
	password := map[string]string{}
	for _, s := range strings.Split(d.ready["staff"], ",") {
		name, secret, _ := strings.Cut(s, ":")
		password[name] = secret
	}
	script := filepath.Join("..", "..", "cloud", "web", "scripts", "sees.mjs")
	out, err := exec.CommandContext(t.Context(), "node", script, d.ready["console"], d.ready["user"], d.ready["password"],
		"li-wei", password["li-wei"], id).CombinedOutput()
	if err != nil {
		t.Errorf("the pages do not show the ticket: %v\n%s", err, out)
	}
}

// processesOf lists what still runs of a demo: its children carry its folder
// in their command lines.
func processesOf(t *testing.T, pid int) []string {
	t.Helper()
	var left []string
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range stats {
		b, err := os.ReadFile(f)
		if err != nil {
			continue // it has just ended
		}
		var ppid, pgrp int
		rest := string(b[strings.LastIndexByte(string(b), ')')+1:])
		var state string
		if _, err := fmt.Sscan(rest, &state, &ppid, &pgrp); err == nil && (ppid == pid || pgrp == pid) && state != "Z" {
			left = append(left, string(b))
		}
	}
	return left
}
