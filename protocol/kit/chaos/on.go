//go:build chaos

package chaos

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// lateness is how long the rest of the daemon goes on before a late death.
const lateness = 30 * time.Millisecond

// told is what the environment says, read once: points are passed often.
var told = sync.OnceValue(func() *orders {
	o := &orders{
		point: os.Getenv("CHAOS_POINT"), how: os.Getenv("CHAOS_HOW"), hit: 1,
		trace: os.Getenv("CHAOS_TRACE"), breaks: strings.Split(os.Getenv("CHAOS_BREAK"), ","),
	}
	if n, err := strconv.ParseInt(os.Getenv("CHAOS_HIT"), 10, 64); err == nil {
		o.hit = n
	}
	return o
})

type orders struct {
	point, how, trace string
	hit               int64
	passed            atomic.Int64
	breaks            []string
	traced            sync.Map
}

// At is where a daemon of a chaos build may die.
func At(point string) {
	o := told()
	if o.trace != "" {
		if _, again := o.traced.LoadOrStore(point, true); !again {
			o.note(point)
		}
	}
	if point != o.point || o.passed.Add(1) != o.hit {
		return
	}
	switch o.how {
	case "panic":
		panic("chaos: " + point)
	case "stop":
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	case "late":
		<-time.After(lateness)
		fallthrough
	default:
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // the signal is on its way; nothing more may happen
	}
}

// note appends a name in one write, so that several daemons may share a file.
func (o *orders) note(point string) {
	f, err := os.OpenFile(o.trace, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		panic(fmt.Sprintf("chaos: %v", err))
	}
	defer f.Close()
	if _, err := f.WriteString(point + "\n"); err != nil {
		panic(fmt.Sprintf("chaos: %v", err))
	}
}

// Broken reports whether this run is told to break a promise.
func Broken(b Break) bool { return slices.Contains(told().breaks, string(b)) }
