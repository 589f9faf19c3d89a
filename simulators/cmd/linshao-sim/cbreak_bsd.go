//go:build darwin || freebsd || netbsd || openbsd

package main

import "golang.org/x/sys/unix"

// The requests that read and set a terminal's mode.
const (
	readMode  = unix.TIOCGETA
	writeMode = unix.TIOCSETA
)
