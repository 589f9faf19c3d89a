package lines_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/linshao/linshao/protocol/kit/chaos/row"
	"github.com/linshao/linshao/protocol/topic"
	"github.com/linshao/linshao/simulators/e2e/chaos/rig"
)

const (
	// flashPerDay is what an edge may write, in bytes at the block layer.
	flashPerDay = 5e9
	// sector is the unit of the kernel's account.
	sector = 512
	// diskBytes is the size of the disk under test: room for what the outbox
	// leaves free.
	diskBytes = 1 << 30
	// alarmAck bounds the PUBACK of an alarm, in ms: it must not wait for
	// company.
	alarmAck = 100
)

// Twenty devices report fifty samples a second, one by one, and all of them
// reach the cloud: what the edge's disk is made to write stays within what
// flash endures for years, and alarms do not pay for it.
func TestChaosFlash(t *testing.T) {
	r := row.Begin(t, "FLASH", "wear of flash")
	length := time.Duration(r.N(3, 300)) * time.Second
	d := newDisk(t, r)
	town := rig.New(t, rig.Options{Meters: 20, Metrics: 1, EdgeData: func(int) string { return filepath.Join(d.at, "edge") }})
	town.Start()
	load := town.Load(rig.Load{Samples: 50})
	<-time.After(time.Second) // settled in
	before, began := d.stat(t), time.Now()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { alarmsBeside(ctx, t, r, town.Estates[0], length/30) })
	<-time.After(length)
	cancel()
	wg.Wait()
	d.sync(t)
	after, took := d.stat(t), time.Since(began).Seconds()
	load.Stop()
	r.Load(50, load.Reached())
	written := float64(after.sectors-before.sectors) * sector
	perDay := written / took * 24 * 3600
	r.Count("bytes_per_s", int(written/took))
	r.Count("mb_per_day", int(perDay/1e6))
	r.Count("writes_per_100s", int(float64(after.writes-before.writes)/took*100))
	r.Count("flushes_per_100s", int(float64(after.flushes-before.flushes)/took*100))
	if r.Full() && perDay > flashPerDay {
		r.Violation("%.2f GB a day", perDay/1e9)
	}
	town.Judge(r)
}

// alarmsBeside has a gate forced and closed again now and then, and times the
// PUBACKs.
func alarmsBeside(ctx context.Context, t *testing.T, r *row.Row, e *rig.Estate, every time.Duration) {
	device := e.Gates()[0]
	k, err := e.Dial(ctx, device)
	if err != nil {
		t.Error(err)
		return
	}
	defer k.Close()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		event := []string{"door_forced_open", "door_closed"}[n%2]
		began := time.Now()
		if err := publish(k, topic.Device(device).Events(), fmt.Sprintf(`{"ts":%d,"event":%q}`, began.UnixMilli(), event)); err != nil {
			t.Error(err)
			return
		}
		ms := float64(time.Since(began).Microseconds()) / 1000
		r.Observe("alarm_ack_ms", ms)
		if r.Full() && ms > alarmAck {
			r.Count("alarms_acked_late", 1)
		}
	}
}

// disk is a file system of its own on a loop device, so that what is written
// to it, journal and all, can be counted.
type disk struct{ at, loop string }

// account is what the kernel did with a block device.
type account struct{ writes, sectors, flushes int64 }

func newDisk(t *testing.T, r *row.Row) disk {
	t.Helper()
	image, d := filepath.Join(t.TempDir(), "disk"), disk{at: t.TempDir()}
	must(t, os.WriteFile(image, nil, 0o600))
	must(t, os.Truncate(image, diskBytes))
	out, err := exec.Command("losetup", "--find", "--show", image).Output()
	if err != nil {
		r.NotRun("no loop device: " + err.Error())
	}
	d.loop = strings.TrimSpace(string(out))
	t.Cleanup(func() { run(t, "losetup", "--detach", d.loop) })
	// Nothing is left to be written later, behind our back.
	if err := exec.Command("mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", d.loop).Run(); err != nil {
		r.NotRun("cannot make a file system: " + err.Error())
	}
	if err := exec.Command("mount", d.loop, d.at).Run(); err != nil {
		r.NotRun("cannot mount: " + err.Error())
	}
	t.Cleanup(func() { run(t, "umount", d.at) })
	return d
}

func (d disk) sync(t *testing.T) { run(t, "sync", "-f", d.at) }

// stat reads the kernel's account; see Documentation/block/stat.rst.
func (d disk) stat(t *testing.T) account {
	t.Helper()
	b, err := os.ReadFile("/sys/block/" + filepath.Base(d.loop) + "/stat")
	must(t, err)
	f := strings.Fields(string(b))
	at := func(i int) int64 {
		if i >= len(f) {
			return 0 // an older kernel
		}
		n, err := strconv.ParseInt(f[i], 10, 64)
		must(t, err)
		return n
	}
	return account{writes: at(4), sectors: at(6), flushes: at(15)}
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Errorf("%s %s: %v %s", name, strings.Join(args, " "), err, out)
	}
}
