//go:build !linux

package demo

import "syscall"

// attributes: a group of its own. Only Linux can tie a child to its parent's
// life.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
