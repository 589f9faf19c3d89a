//go:build !linux

package mqttlink

import "syscall"

// boundUnacked does nothing where the kernel has no such bound; the keep-alive
// notices a black hole all the same.
func boundUnacked(_, _ string, _ syscall.RawConn) error { return nil }
