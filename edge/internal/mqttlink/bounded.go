package mqttlink

import (
	"net"
	"time"
)

// silence is how long the far end may say nothing: a keep-alive and its answer
// fit in. A busy machine still notices within 8 s.
const silence = 7700 * time.Millisecond

// bounded is a connection on which nothing takes for ever. paho bounds only
// some of its writes: its keep-alive blocks for good on a far end that has
// stopped reading, and with it the notice that the far end is gone.
type bounded struct{ net.Conn }

// Read fails after the far end was silent for too long.
func (b bounded) Read(p []byte) (int, error) {
	if err := b.SetReadDeadline(time.Now().Add(silence)); err != nil {
		return 0, err
	}
	return b.Conn.Read(p)
}

// Write fails when the far end does not take what is written.
func (b bounded) Write(p []byte) (int, error) {
	if err := b.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	return b.Conn.Write(p)
}
