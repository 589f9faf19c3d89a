package netfault

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"testing"
	"time"
)

// through is a proxy whose both ends the test holds.
func through(t *testing.T) (p *Proxy, near, far talker) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	if p, err = Listen("127.0.0.1:0", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	near = dial(t, p)
	conn, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	far = talker{t, conn, bufio.NewReader(conn)}
	near.say("there?") // until it came, the proxy may not know its pair yet
	far.hear("there?")
	return p, near, far
}

// silent fails if something arrives soon, the end of the stream included.
func (k talker) silent() {
	k.Helper()
	_ = k.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if b, err := k.in.ReadByte(); !errors.Is(err, os.ErrDeadlineExceeded) {
		k.Errorf("heard %q, %v", b, err)
	}
	_ = k.SetReadDeadline(time.Now().Add(time.Minute))
}

// over fails unless the connection was reset.
func (k talker) over() {
	k.Helper()
	if b, err := k.in.ReadByte(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		k.Errorf("heard %q, %v; want the end", b, err)
	}
}

func TestABlackHoleTakesBytesAndEndsAndGivesNothing(t *testing.T) {
	p, near, far := through(t)
	p.BlackHole(Both)
	near.say("lost")
	far.say("lost")
	near.silent()
	near.Close()
	far.silent() // no end of the stream either
	if n := p.Present(); n != 0 {
		t.Errorf("%d clients are present", n)
	}
	p.Heal()
	far.over()
}

// What lost a byte passes none that came later.
func TestNothingFollowsALostByte(t *testing.T) {
	p, near, far := through(t)
	p.BlackHole(Up)
	near.say("lost")
	far.say("down is fine")
	near.hear("down is fine")
	far.silent()
	p.Heal()
	near.over()
	far.over()
}

func TestAHeldWayHoldsTheEndOfTheStreamToo(t *testing.T) {
	p, near, far := through(t)
	p.Hold(Up)
	near.say("later")
	far.say("at once")
	near.hear("at once")
	near.Close()
	far.silent()
	p.Heal()
	far.hear("later")
	far.over()
}

func TestARouterForgets(t *testing.T) {
	p, near, far := through(t)
	p.Forget()
	near.say("into nowhere")
	far.say("into nowhere")
	near.silent()
	far.silent()
	near.Close()
	far.silent()
	conn, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "new\n"); err != nil || p.Present() > 1 {
		t.Errorf("%v, %d present", err, p.Present())
	}
	conn.Close()
}

func TestHalfOpen(t *testing.T) {
	for w, name := range map[Way]string{Up: "the target is gone", Down: "the client is gone"} {
		t.Run(name, func(t *testing.T) {
			p, near, far := through(t)
			p.HalfOpen(w)
			gone, left := far, near
			if w == Down {
				gone, left = near, far
			}
			gone.over()
			left.say("hello?")
			left.silent()
		})
	}
}

func TestAThrottledWayIsReadInBreaths(t *testing.T) {
	p := proxy(t)
	asked, fire := make(chan time.Duration, 64), make(chan time.Time, 64)
	p.after = func(d time.Duration) <-chan time.Time { asked <- d; return fire }
	p.Throttle(Up, 8000)
	k := dial(t, p)
	k.say(string(bytes.Repeat([]byte("x"), 799)))
	sum := time.Duration(0)
	for sum < 100*time.Millisecond { // 800 bytes at 8 kB/s
		d := <-asked
		if d > breath {
			t.Errorf("%s at once", d)
		}
		sum += d
		fire <- time.Time{}
	}
	k.hear(string(bytes.Repeat([]byte("x"), 799)))
}

// segments counts how bytes are written.
type segments []int

func (s *segments) Write(b []byte) (int, error) {
	*s = append(*s, len(b))
	return len(b), nil
}

func TestSlices(t *testing.T) {
	p := proxy(t)
	p.Slice(3)
	var got segments
	if err := p.write(&got, []byte("abcdefg")); err != nil || len(got) != 3 || got[2] != 1 {
		t.Errorf("%v, %v", got, err)
	}
	k := dial(t, p)
	k.say("in pieces, in order")
	k.hear("in pieces, in order")
	p.Heal()
	if got = nil; p.write(&got, []byte("abcdefg")) != nil || len(got) != 1 {
		t.Errorf("healed: %v", got)
	}
}

func TestALostSegmentComesLate(t *testing.T) {
	p, near, far := through(t)
	asked, fire := make(chan time.Duration, 8), make(chan time.Time)
	p.after = func(d time.Duration) <-chan time.Time { asked <- d; return fire }
	p.Lose(0.9, 2)
	near.say("late")
	if d := <-asked; d < 3*resend {
		t.Errorf("held for %s", d)
	}
	far.silent()
	p.Heal()
	close(fire)
	far.hear("late")
	l := loss{share: 0.05, rng: rand.New(rand.NewPCG(1, 0))}
	lost := 0
	for range 10_000 {
		if l.late() > 0 {
			lost++
		}
	}
	if lost < 400 || lost > 600 {
		t.Errorf("%d of 10000 were lost", lost)
	}
}
