package modbus

import (
	"bufio"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/linshao/linshao/edge/internal/device"
	"github.com/linshao/linshao/protocol/kit/clock"
)

// slave starts the libmodbus server of testdata and returns its URL.
func slave(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "slave")
	// libmodbus keeps its header in a folder of its own.
	build := exec.CommandContext(t.Context(), "cc", "-I/usr/include/modbus", "-o", program, "testdata/slave.c", "-lmodbus")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("compile a libmodbus slave: %v\n%s\nthis test needs: apt-get install gcc libc6-dev libmodbus-dev", err, out)
	}
	run := exec.CommandContext(t.Context(), program)
	in, err := run.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := run.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = run.Wait()
	})
	port, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return "tcp://127.0.0.1:" + strings.TrimSpace(port)
}

func TestALibmodbusSlaveIsRead(t *testing.T) {
	t.Parallel()
	p := profile(t, `
  - {name: first, register: holding, address: 0, type: uint16}
  - {name: last, register: holding, address: 9, type: uint16}
  - {name: temp, register: input, address: 100, type: float32}
  - {name: coil3, register: coil, address: 3}
  - {name: coil4, register: coil, address: 4}
  - {name: discrete6, register: discrete, address: 6}
  - {name: beyond, register: holding, address: 40, type: uint16}`)
	readings, err := ReadOnce(t.Context(), clock.NewSystem(), device.Endpoint{URL: slave(t), Unit: 1}, p, nil)
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, r := range readings {
		got += fmt.Sprintf("%s=%v%s ", r.Point.Name, r.Value, r.Reason)
	}
	if want := "first=100 last=109 temp=61.5 coil3=1 coil4=0 discrete6=1 beyond=0exception_02 "; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
