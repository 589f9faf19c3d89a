package site

import (
	"testing"

	"github.com/linshao/linshao/simulators/e2e/daemon"
)

// Bin returns the path of a built binary and fails the test if it is missing.
func Bin(t testing.TB, name string) string {
	t.Helper()
	return daemon.Bin(t, name)
}
