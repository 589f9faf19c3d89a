package config

import (
	"net"
	"net/netip"
)

// Loopback reports whether a listen address can only be reached from this
// machine. An empty host or one that is not an address listens on everything,
// or on who knows what, and is not loopback; "localhost" is.
func Loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// GuardListen checks a listen address at path: it must be HOST:PORT, and unless
// it is loopback the listener must be secured by credentials that are not the
// default ones. The mend says what to set.
func (d *Document) GuardListen(path, address string, secured bool, mend string) {
	if _, _, err := net.SplitHostPort(address); err != nil {
		d.At(path, "want HOST:PORT, got "+address, "for example 127.0.0.1:8080")
		return
	}
	if !secured && !Loopback(address) {
		d.At(path, "refusing to listen on "+address+" without credentials", mend)
	}
}
