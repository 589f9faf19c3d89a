package console_test

import (
	"bufio"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/linshao/linshao/cloud/internal/access"
)

// line is a browser's connection to a console, within a synctest bubble.
type line struct {
	lines *bufio.Scanner
	done  chan struct{}
}

// open starts a stream of whoever holds the token.
func (w *town) open(token string) *line {
	w.t.Helper()
	ours, theirs := net.Pipe()
	l := &line{lines: bufio.NewScanner(ours), done: make(chan struct{})}
	server := &http.Server{Handler: w.console} //nolint:gosec // a pipe needs no time-outs
	go func() {
		defer close(l.done)
		_ = server.Serve(&oneLine{conn: theirs, closed: make(chan struct{})})
	}()
	w.t.Cleanup(func() { _ = server.Close(); _ = ours.Close(); <-l.done })
	if _, err := ours.Write([]byte("GET /api/v1/stream HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer " + token + "\r\n\r\n")); err != nil {
		w.t.Fatal(err)
	}
	return l
}

// oneLine is a listener with one connection.
type oneLine struct {
	conn   net.Conn
	closed chan struct{}
}

func (o *oneLine) Accept() (net.Conn, error) {
	if c := o.conn; c != nil {
		o.conn = nil
		return c, nil
	}
	<-o.closed
	return nil, net.ErrClosed
}
func (o *oneLine) Close() error   { close(o.closed); return nil }
func (o *oneLine) Addr() net.Addr { return &net.IPAddr{} }

// until reads up to a line that holds want; false if the stream ended before.
func (l *line) until(want string) bool {
	for l.lines.Scan() {
		if strings.Contains(l.lines.Text(), want) {
			return true
		}
	}
	return false
}

// What somebody may no longer see stops coming, though the stream was open
// before.
func TestAStreamEndsWithWhatItRestsOn(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*town, string){
		"revoked":  func(w *town, hash string) { delete(w.tokens, hash) },
		"narrowed": func(w *town, hash string) { x := w.tokens[hash]; x.Estates = []string{"heping"}; w.tokens[hash] = x },
		"stopping": func(w *town, _ string) { w.console.EndStreams(); w.console.EndStreams() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newTown(t)
				token := w.token(access.Viewer, "sunrise")
				l := w.open(token)
				if !l.until("event: hello") || !l.until(": beat") {
					t.Fatal("the stream ended early")
				}
				w.mu.Lock()
				change(w, access.HashSecret(token))
				w.mu.Unlock()
				if l.until(": beat") {
					t.Error("the stream goes on")
				}
			})
		})
	}
}

// A phone that takes nothing any more is not somebody who looks: its stream
// ends, and with it the channel that counts on it.
func TestAStreamThatNobodyReadsEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		token := w.token(access.Viewer, "sunrise")
		l := w.open(token)
		if !l.until("event: hello") {
			t.Fatal("the stream ended early")
		}
		w.mu.Lock()
		asked := w.asked
		w.mu.Unlock()
		// Nobody reads for an hour: the beats are not taken.
		<-time.After(time.Hour)
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.asked > asked+1 {
			t.Errorf("it still beats: %d times", w.asked-asked)
		}
		for l.lines.Scan() {
			_ = l.lines.Text()
		}
	})
}
