package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// surroundings are what every command gets besides its flags.
type surroundings struct {
	log            *slog.Logger
	stdout, stderr io.Writer
}

// terminal is standard error where a person sits at it, else nil.
func (s *surroundings) terminal() io.Writer {
	if f, ok := s.stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return f
	}
	return nil
}

// keys delivers single key presses from a terminal at standard input, until
// restore is called; without one it delivers none. Ctrl-C stays a signal, and
// output stays as it is.
func (s *surroundings) keys() (keys <-chan byte, restore func(), err error) {
	in := int(os.Stdin.Fd())
	if !term.IsTerminal(in) || s.terminal() == nil {
		return nil, func() {}, nil
	}
	before, err := unix.IoctlGetTermios(in, readMode)
	if err != nil {
		return nil, nil, fmt.Errorf("read mode of terminal: %w", err)
	}
	single := *before
	single.Lflag &^= unix.ICANON | unix.ECHO
	single.Cc[unix.VMIN], single.Cc[unix.VTIME] = 1, 0
	if err := unix.IoctlSetTermios(in, writeMode, &single); err != nil {
		return nil, nil, fmt.Errorf("read single keys: %w", err)
	}
	pressed := make(chan byte)
	left := make(chan struct{})
	// A read of the terminal cannot be called off: this goroutine ends with
	// the next key or with the process.
	go func() {
		defer close(pressed)
		var b [1]byte
		for {
			if n, err := os.Stdin.Read(b[:]); n == 0 || err != nil {
				return
			}
			select {
			case pressed <- b[0]:
			case <-left:
				return
			}
		}
	}()
	return pressed, func() {
		close(left)
		_ = unix.IoctlSetTermios(in, writeMode, before) // there is nobody left to tell
	}, nil
}

// create opens a file to write, or hands back nil for an empty path.
func create(path string) (io.WriteCloser, error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUsage, err)
	}
	return f, nil
}
