// Package modbussim is a Modbus TCP server whose registers belong to a
// simulation and whose misbehaviour is scripted.
//
//	server, err := modbussim.New("127.0.0.1:1502")
//	lift := server.Unit(1)
//	lift.SetLift(modbussim.Lift{Floor: 7, Person: true})
//	lift.Fault(modbussim.Silence, 3) // the next three requests get no answer
//	server.Close()
//
// It answers function codes 1 to 4 from what was set, exception 2 for
// addresses that nobody set, exception 11 for units that nobody made, and
// exception 1 for every other function code: nothing can be written. It counts
// every request by function code, so that a test can show that no write was
// even tried. All methods are safe for concurrent use, and one call of a
// setter is seen by requests as a whole.
package modbussim

import (
	"errors"
	"fmt"
	"net"
	"sync"
)

// Server listens on one address and answers for any number of units.
type Server struct {
	listener net.Listener
	serving  sync.WaitGroup
	// closing is closed when Close begins.
	closing chan struct{}

	mu     sync.Mutex // guards what follows
	units  map[uint8]*Unit
	conns  map[net.Conn]bool
	opened int
	closed bool
}

// New starts a server. An empty address means a free port on 127.0.0.1.
func New(listen string) (*Server, error) {
	if listen == "" {
		listen = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return nil, fmt.Errorf("listen for modbus masters: %w", err)
	}
	s := Detached()
	s.listener = l
	s.serving.Go(s.accept)
	return s, nil
}

// Detached returns a server that listens nowhere; connections come to it by
// Connect. Tests use it with net.Pipe where time is virtual.
func Detached() *Server {
	return &Server{closing: make(chan struct{}), units: map[uint8]*Unit{}, conns: map[net.Conn]bool{}}
}

// Addr returns HOST:PORT, empty for a detached server.
func (s *Server) Addr() string {
	if s.listener == nil {
		return ""
	}
	return s.listener.Addr().String()
}

// URL returns tcp://HOST:PORT.
func (s *Server) URL() string { return "tcp://" + s.Addr() }

// Unit returns the unit of that id and makes it where there is none yet.
func (s *Server) Unit(id uint8) *Unit {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.units[id]
	if u == nil {
		u = newUnit()
		s.units[id] = u
	}
	return u
}

// Opened returns how many connections were ever accepted.
func (s *Server) Opened() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opened
}

// DropConnections closes every open connection, as a reboot does, and goes on
// listening.
func (s *Server) DropConnections() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		_ = c.Close()
	}
}

// Close ends the server and returns when nothing of it is left. It may be
// called again.
func (s *Server) Close() error {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.closing)
	}
	s.mu.Unlock()
	var err error
	if s.listener != nil {
		if err = s.listener.Close(); errors.Is(err, net.ErrClosed) {
			err = nil
		}
	}
	s.DropConnections()
	s.serving.Wait()
	return err
}

// Connect serves one connection until it ends or the server is closed. It
// returns at once.
func (s *Server) Connect(conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = conn.Close()
		return
	}
	s.conns[conn] = true
	s.opened++
	s.serving.Go(func() {
		c := &connection{conn: conn, server: s}
		c.serve()
		_ = conn.Close()
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.conns, conn)
	})
}

func (s *Server) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.Connect(conn)
	}
}

func (s *Server) find(id uint8) *Unit {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.units[id]
}
