//go:build chaos

package chaos_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/linshao/linshao/protocol/kit/chaos"
)

// TestMain runs as the victim where it is told to.
func TestMain(m *testing.M) {
	if os.Getenv("VICTIM") == "" {
		os.Exit(m.Run())
	}
	for range 3 {
		chaos.At("victim.step.before")
	}
	chaos.At("victim.step.after")
	if chaos.Broken(chaos.LedgerSkipped) {
		os.Exit(7)
	}
}

func victim(t *testing.T, env ...string) (state *os.ProcessState, trace string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "trace")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), "VICTIM=1", "CHAOS_TRACE="+file), env...)
	_ = cmd.Run() // it is meant to die
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return cmd.ProcessState, strings.TrimSpace(string(b))
}

func TestItDiesWhereItIsTold(t *testing.T) {
	s, trace := victim(t, "CHAOS_POINT=victim.step.before", "CHAOS_HIT=3")
	if w := s.Sys().(syscall.WaitStatus); !w.Signaled() || w.Signal() != syscall.SIGKILL || trace != "victim.step.before" {
		t.Errorf("ended with %v after %q", s, trace)
	}
	if s, _ := victim(t, "CHAOS_POINT=victim.step.after", "CHAOS_HOW=late"); s.Success() {
		t.Errorf("a late death ended with %v", s)
	}
	if s, _ := victim(t, "CHAOS_POINT=victim.step.after", "CHAOS_HOW=panic"); s.ExitCode() != 2 {
		t.Errorf("a panic ended with %v", s)
	}
	if s, trace := victim(t, "CHAOS_POINT=victim.step.before", "CHAOS_HIT=4"); !s.Success() || trace != "victim.step.before\nvictim.step.after" {
		t.Errorf("a hit that never comes ended with %v after %q", s, trace)
	}
	if s, _ := victim(t, "CHAOS_BREAK=settle-on-puback,ledger-skipped"); s.ExitCode() != 7 {
		t.Errorf("a break was not seen: %v", s)
	}
}
