package memnet_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/linshao/linshao/protocol/kit/memnet"
)

// lab is two hosts and what happened between them.
type lab struct {
	*testing.T
	bus        *memnet.Bus
	net        *memnet.Net
	near, far  *memnet.Host
	client     net.Conn
	server     net.Conn
	happenings strings.Builder
}

const address = "127.0.0.1:7"

// inLab runs a story in a bubble, with a connection already there.
func inLab(t *testing.T, seed uint64, story func(l *lab)) (happenings string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := &lab{T: t, bus: memnet.NewBus(synctest.Wait)}
		l.net = memnet.New(l.bus, seed)
		l.net.Observe(func(from, to, what string) {
			fmt.Fprintf(&l.happenings, "%d %s>%s %s\n", l.bus.Now(), from, to, what)
		})
		l.near, l.far = l.net.Host("near", "10.0.0.1"), l.net.Host("far", "10.0.0.2")
		ln, err := l.far.Listen(t.Context(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		l.let(func() {
			if l.client, err = l.near.Dial(t.Context(), "tcp", address); err == nil {
				l.server, err = ln.Accept()
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		story(l)
		_ = l.client.Close()
		_ = l.server.Close()
		happenings = l.happenings.String()
	})
	return happenings
}

// let lets f go on until it has returned.
func (l *lab) let(f func()) {
	l.Helper()
	done := make(chan struct{})
	go func() { f(); close(done) }()
	for range 10_000 {
		l.bus.Run(l.bus.Now() + 10*time.Millisecond)
		select {
		case <-done:
			return
		default:
		}
	}
	l.Fatal("it never ends")
}

func (l *lab) read(c net.Conn, within time.Duration) (text string, err error) {
	l.Helper()
	_ = c.SetReadDeadline(time.Now().Add(within))
	l.let(func() {
		buf := make([]byte, 100)
		var n int
		n, err = c.Read(buf)
		text = string(buf[:n])
	})
	return text, err
}

func (l *lab) write(c net.Conn, text string) {
	l.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		l.Error(err)
	}
}

func TestWhatIsWrittenInOneInstantArrivesTogetherAndInOrder(t *testing.T) {
	inLab(t, 1, func(l *lab) {
		l.net.Change("near", "far", func(p *memnet.Path) { p.Least, p.Most = time.Second, time.Second })
		began := l.bus.Now()
		l.write(l.client, "one ")
		l.write(l.client, "two ")
		l.bus.Run(l.bus.Now() + 100*time.Millisecond)
		l.net.Change("near", "far", func(p *memnet.Path) { p.Least, p.Most = 0, 0 })
		l.write(l.client, "three") // quicker, and yet behind
		if got, err := l.read(l.server, 5*time.Second); got != "one two " || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		if took := l.bus.Now() - began; took < time.Second {
			t.Errorf("arrived after %v", took)
		}
		if got, err := l.read(l.server, 5*time.Second); got != "three" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	})
}

func TestCloseLetsArriveWhatWasWritten(t *testing.T) {
	inLab(t, 1, func(l *lab) {
		l.write(l.client, "last words")
		if err := l.client.Close(); err != nil {
			t.Error(err)
		}
		if got, err := l.read(l.server, time.Second); got != "last words" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		if _, err := l.read(l.server, time.Second); !errors.Is(err, io.EOF) {
			t.Errorf("then %v", err)
		}
		if _, err := l.client.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("writing to a closed end: %v", err)
		}
	})
}

func TestAStalledPathSaysNothingAndLosesNothing(t *testing.T) {
	inLab(t, 1, func(l *lab) {
		l.net.Change("near", "far", func(p *memnet.Path) { p.Stalled = true })
		l.write(l.client, "held back")
		if _, err := l.read(l.server, time.Minute); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("through a stall: %v", err)
		}
		l.write(l.server, "the other way") // goes on
		if got, err := l.read(l.client, time.Second); got != "the other way" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		l.net.Change("near", "far", func(p *memnet.Path) { p.Stalled = false })
		if got, err := l.read(l.server, time.Second); got != "held back" || err != nil {
			t.Errorf("after the stall: %q, %v", got, err)
		}
	})
}

func TestDiallingMeetsWhatThePathDoes(t *testing.T) {
	inLab(t, 1, func(l *lab) {
		dial := func() (err error) {
			l.let(func() {
				ctx, cancel := context.WithTimeout(l.Context(), 5*time.Second)
				defer cancel()
				_, err = l.near.Dial(ctx, "tcp", address)
			})
			return err
		}
		l.net.Change("near", "far", func(p *memnet.Path) { p.Refused = true })
		var op *net.OpError
		if err := dial(); !errors.Is(err, syscall.ECONNREFUSED) || !errors.As(err, &op) || op.Op != "dial" {
			t.Errorf("refused: %v", err)
		}
		l.net.Change("near", "far", func(p *memnet.Path) { p.Refused, p.Stalled = false, true })
		if err := dial(); err == nil || errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("into a black hole: %v", err)
		}
	})
}

func TestABrokenConnectionIsBrokenAtBothEnds(t *testing.T) {
	inLab(t, 1, func(l *lab) {
		l.write(l.client, "lost")
		l.net.Break("far", "near")
		for _, c := range []net.Conn{l.client, l.server} {
			if _, err := l.read(c, time.Second); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("%v", err)
			}
		}
	})
}

func TestAKilledHostIsSilentOrSaysGoodbye(t *testing.T) {
	for _, silent := range []bool{true, false} {
		inLab(t, 1, func(l *lab) {
			l.far.Kill(silent)
			_, _ = io.WriteString(l.server, "too late")
			if l.far.Alive() {
				t.Error("it lives")
			}
			_, err := l.read(l.client, time.Minute)
			if want := map[bool]error{true: os.ErrDeadlineExceeded, false: io.EOF}[silent]; !errors.Is(err, want) {
				t.Errorf("silent %t: %v", silent, err)
			}
			next := l.net.Host("far", "10.0.0.2")
			ln, err := next.Listen(t.Context(), "tcp", address)
			if err != nil {
				t.Fatalf("the next run of the host: %v", err)
			}
			_ = ln.Close()
		})
	}
}

func TestALossIsADelay(t *testing.T) {
	inLab(t, 3, func(l *lab) {
		l.net.Change("near", "far", func(p *memnet.Path) { p.Lost = 0.5 })
		late := 0
		for i := range 100 {
			began := l.bus.Now()
			l.write(l.client, "x")
			if got, err := l.read(l.server, time.Hour); got != "x" || err != nil {
				t.Fatalf("piece %d: %q, %v", i, got, err)
			}
			if l.bus.Now()-began > 200*time.Millisecond {
				late++
			}
		}
		if late < 30 || late > 70 {
			t.Errorf("%d of 100 came late", late)
		}
	})
}

// A seed is one course of events; another seed is another.
func TestASeedRepeatsItself(t *testing.T) {
	story := func(l *lab) {
		l.net.Change("near", "far", func(p *memnet.Path) { p.Most, p.Lost = time.Second, 0.3 })
		for range 20 {
			l.write(l.client, "x")
			_, _ = l.read(l.server, time.Second)
			l.write(l.server, "y")
		}
	}
	first := inLab(t, 7, story)
	if again := inLab(t, 7, story); again != first {
		t.Errorf("the same seed did\n%s\nand\n%s", first, again)
	}
	if other := inLab(t, 8, story); other == first {
		t.Error("another seed did the same")
	}
}

// Events of one instant happen in the order of their ranks, whoever came first.
func TestTheBusKeepsInstantsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := memnet.NewBus(synctest.Wait)
		var got strings.Builder
		for _, rank := range []uint64{3, 1, 2} {
			b.At(time.Second, rank, func() { fmt.Fprint(&got, rank) })
		}
		b.At(2*time.Second, 0, func() { fmt.Fprint(&got, "later") })
		b.At(0, 9, func() { fmt.Fprint(&got, "first") })
		b.Run(time.Second)
		if got.String() != "first123" || b.Events() != 4 || b.Now() != time.Second {
			t.Errorf("%s, %d events at %v", got.String(), b.Events(), b.Now())
		}
	})
}
