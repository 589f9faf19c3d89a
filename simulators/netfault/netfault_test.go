package netfault

import (
	"bufio"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo answers every line with itself.
func echo(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn)
			})
		}
	})
	t.Cleanup(func() { ln.Close(); wg.Wait() })
	return ln.Addr().String()
}

func proxy(t *testing.T) *Proxy {
	t.Helper()
	p, err := Listen("127.0.0.1:0", echo(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// talker is a client of the proxy.
type talker struct {
	*testing.T
	net.Conn
	in *bufio.Reader
}

func dial(t *testing.T, p *Proxy) talker {
	t.Helper()
	conn, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(time.Minute)) // ends a test that would hang
	return talker{t, conn, bufio.NewReader(conn)}
}

func (k talker) say(line string) {
	k.Helper()
	if _, err := io.WriteString(k, line+"\n"); err != nil {
		k.Fatal(err)
	}
}

func (k talker) hear(line string) {
	k.Helper()
	got, err := k.in.ReadString('\n')
	if err != nil || got != line+"\n" {
		k.Fatalf("heard %q, %v; want %q", got, err, line)
	}
}

func TestItPassesOnAndSaysGoodbye(t *testing.T) {
	p := proxy(t)
	k := dial(t, p)
	k.say("hello")
	k.hear("hello")
	if err := k.Conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := k.in.ReadByte(); err != io.EOF {
		t.Errorf("after the goodbye: %v", err)
	}
}

func TestACutResetsAndRefusesUntilHealed(t *testing.T) {
	p := proxy(t)
	k := dial(t, p)
	k.say("hello")
	k.hear("hello")
	p.Cut()
	if _, err := k.in.ReadByte(); err == nil {
		t.Error("the connection survived the cut")
	}
	if late, err := net.Dial("tcp", p.Addr()); err == nil {
		if _, err := late.Read(make([]byte, 1)); err == nil {
			t.Error("a new connection was served")
		}
		late.Close()
	}
	if p.Opened() != 1 {
		t.Errorf("opened %d", p.Opened())
	}
	p.Heal()
	again := dial(t, p)
	again.say("back")
	again.hear("back")
}

func TestAPartitionHoldsEverythingAndLosesNothing(t *testing.T) {
	p := proxy(t)
	k := dial(t, p)
	k.say("before")
	k.hear("before")
	p.Partition()
	k.say("during")
	_ = k.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if b, err := k.in.ReadByte(); err == nil {
		t.Errorf("%q passed the partition", b)
	}
	_ = k.SetReadDeadline(time.Now().Add(time.Minute))
	p.Heal()
	k.hear("during")
}

func TestADelayHoldsEachChunkUntilItsTime(t *testing.T) {
	p := proxy(t)
	fire, asked := make(chan time.Time), make(chan time.Duration, 4)
	p.after = func(d time.Duration) <-chan time.Time { asked <- d; return fire }
	k := dial(t, p)
	p.Delay(300 * time.Millisecond)
	k.say("slow")
	if d := <-asked; d != 300*time.Millisecond {
		t.Errorf("held for %s", d)
	}
	fire <- time.Time{} // there
	<-asked
	fire <- time.Time{} // and back
	k.hear("slow")
}

// recorder is a target that hears one client to its end.
func recorder(t *testing.T) (addr string, heard <-chan string) {
	t.Helper()
	got := make(chan string, 1)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "welcome\n")
		all, _ := io.ReadAll(conn)
		got <- string(all)
	})
	t.Cleanup(func() { ln.Close(); wg.Wait() })
	return ln.Addr().String(), got
}

func TestDropAfterStopsInTheMiddleOfAMessage(t *testing.T) {
	addr, heard := recorder(t)
	p, err := Listen("127.0.0.1:0", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	k := dial(t, p)
	k.hear("welcome")
	p.DropAfter(3)
	k.say("abcdef")
	// The reset may overtake the bytes, but never more than three pass.
	if got := <-heard; len(got) > 3 {
		t.Errorf("%q passed", got)
	}
	if _, err := k.in.ReadByte(); err == nil {
		t.Error("the client was not cut off")
	}
}

func TestHalfClosedClientsStillTalk(t *testing.T) {
	addr, heard := recorder(t)
	p, err := Listen("127.0.0.1:0", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	k := dial(t, p)
	k.hear("welcome")
	p.HalfClose()
	if _, err := k.in.ReadByte(); err != io.EOF {
		t.Errorf("the client heard %v, not the end", err)
	}
	k.say("still here")
	if err := k.Conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got := <-heard; got != "still here\n" {
		t.Errorf("the target got %q", got)
	}
}

func TestAnUnreachableTargetHangsUp(t *testing.T) {
	p, err := Listen("127.0.0.1:0", "127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	k := dial(t, p)
	if _, err := k.in.ReadByte(); err == nil {
		t.Error("somebody answered")
	}
}

func TestCloseWhileEverybodyTalks(t *testing.T) {
	p := proxy(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				conn, err := net.Dial("tcp", p.Addr())
				if err != nil {
					return
				}
				_, _ = io.WriteString(conn, "x\n")
				_, _ = bufio.NewReader(conn).ReadString('\n')
				conn.Close()
			}
		})
	}
	for p.Opened() < 20 {
		p.Partition()
		p.Heal()
		p.DropConnections()
	}
	p.Close()
	wg.Wait()
}
