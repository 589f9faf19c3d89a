package mqttlink

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// boundUnacked has the kernel give up a connection whose bytes are not
// acknowledged: without it a black hole swallows writes for minutes.
func boundUnacked(_, _ string, c syscall.RawConn) error {
	var err error
	if e := c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(unacked.Milliseconds()))
	}); e != nil {
		return e
	}
	return err
}
