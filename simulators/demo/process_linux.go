package demo

import "syscall"

// attributes: a group of its own, and death with the parent even if that is
// killed without a chance to say anything.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
