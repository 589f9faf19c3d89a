package powercut

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// ErrNotModelled: the run changed files in a way that this package does not
// know how to undo.
var ErrNotModelled = errors.New("call is not modelled")

// Trace is one recorded run, or several in turn on the same folder. A position
// in it, from 0 to Len, lies between two moments at which a call began or
// ended.
type Trace struct {
	root  string
	steps []step
	acts  [][]act // what a step does to the disk, most often nothing
	// Sent and Heard are what went over sockets, in order.
	Sent, Heard []Traffic
	// Mapped are the paths, below the folder, that were mapped to be written
	// to through memory.
	Mapped []string
	// sockets are the paths of Unix sockets; images do without them.
	sockets map[string]bool
	// Runs are the positions at which a process began.
	Runs []int
}

// Traffic is one write to a socket, at the position where it began, or one
// read from it, at the position where it had ended.
type Traffic struct {
	At   int
	Conn Conn
	Data []byte
}

// Conn is one TCP connection of one process.
type Conn struct {
	// Number tells connections apart.
	Number int
	// Listener is the port of this side that was connected to; 0 if it was
	// this side that connected, to port Remote.
	Listener, Remote int
}

// Len is the position behind the last step.
func (t *Trace) Len() int { return len(t.steps) }

// Syncs are the positions just before and just after each successful sync of
// something below the folder: all of the worst moments.
func (t *Trace) Syncs() []int {
	var at []int
	for i, as := range t.acts {
		if slices.ContainsFunc(as, func(a act) bool { return a.kind == actSynced }) {
			at = append(at, i, i+1)
		}
	}
	return at
}

// Parse reads the traces of runs that followed one another. root is the folder
// as the runs knew it.
func Parse(root string, runs ...io.Reader) (*Trace, error) {
	t := &Trace{root: filepath.Clean(root), sockets: map[string]bool{}}
	for _, r := range runs {
		t.Runs = append(t.Runs, len(t.steps))
		steps, err := readSteps(r)
		if err != nil {
			return nil, fmt.Errorf("read trace: %w", err)
		}
		p := newParser(t)
		for _, s := range steps {
			if err := p.step(s); err != nil {
				return nil, fmt.Errorf("read trace: %w", err)
			}
		}
		p.died()
	}
	for _, s := range t.steps {
		s.c.args = nil // their bytes are in acts and traffic now
	}
	return t, nil
}

// ParseFiles is Parse of files.
func ParseFiles(root string, names ...string) (*Trace, error) {
	var readers []io.Reader
	for _, n := range names {
		f, err := os.Open(n)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		readers = append(readers, f)
	}
	return Parse(root, readers...)
}

// below returns the path relative to root, "." for root itself.
func (t *Trace) below(path string) (string, bool) {
	if path == t.root {
		return ".", true
	}
	rel, ok := strings.CutPrefix(path, t.root+"/")
	return rel, ok
}
