package powercut

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
)

// Faults is what an injecting strace did to a run, as its output tells it.
type Faults struct {
	// Injected are the calls that were made to fail, in order; Calls is how
	// many of the same kind there were.
	Injected []Fault
	Calls    int
	// Resynced are files that were synced again after a sync of theirs had
	// failed: whatever that second sync says is worth nothing. Folders are
	// not listed: no process can do without them.
	Resynced []string
}

// Fault is one call that was made to fail.
type Fault struct {
	// Nth counts the calls of the trace from 1, whichever thread made them.
	Nth        int
	Call, Path string
}

// ReadFaults reads the output of strace -f -y -xx with injection.
func ReadFaults(r io.Reader) (*Faults, error) {
	steps, err := readSteps(r)
	if err != nil {
		return nil, fmt.Errorf("read faults: %w", err)
	}
	f := &Faults{}
	failed := map[string]bool{}
	nth := map[*call]int{}
	for _, s := range steps {
		if !s.end {
			f.Calls++
			nth[s.c] = f.Calls
			continue
		}
		path := s.c.path()
		sync := s.c.name == "fsync" || s.c.name == "fdatasync"
		switch {
		case s.c.injected:
			f.Injected = append(f.Injected, Fault{nth[s.c], s.c.name, path})
			failed[path] = failed[path] || sync && strings.Contains(s.c.error, "EIO")
		case s.c.name == "openat" && strings.Contains(s.c.arg(2), "O_CREAT"):
			delete(failed, path) // a new file under an old name
		case sync && failed[path] && filepath.Ext(path) != "":
			f.Resynced = append(f.Resynced, path)
		}
	}
	return f, nil
}

// path is what a call is about: a name, or what a descriptor stands for.
func (c *call) path() string {
	if strings.HasSuffix(c.name, "at") || strings.HasSuffix(c.name, "at2") {
		return string(c.bytes(1))
	}
	return label(c.arg(0))
}
