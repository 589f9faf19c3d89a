package main

import "golang.org/x/sys/unix"

// The requests that read and set a terminal's mode.
const (
	readMode  = unix.TCGETS
	writeMode = unix.TCSETS
)
