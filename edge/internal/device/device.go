// Package device says what stands in an estate: a Device has an id, a place
// and a Profile; a Profile, which is a data file, names the Points that can be
// read, the Events that may happen and the Rules that judge them.
//
// Compile turns the YAML of a profile into a checked Profile and names file,
// line, column and the mend for everything that is wrong, all at once. The
// package is pure: it reads no file, opens no connection and knows no clock.
package device

import (
	"fmt"
	"strconv"
	"strings"
)

// Device is one thing with an address.
type Device struct {
	// ID is unique within the edge; topic.ValidDevice holds for it.
	ID string
	// Kind is its Profile's kind, such as "elevator".
	Kind    string
	Profile *Profile
	// Location is what people call the place, such as 3号楼1单元.
	Location string
	// Modbus is set for devices whose Profile speaks Modbus, else nil.
	Modbus *Endpoint
}

// Endpoint is where a Modbus device answers. Devices with equal URLs share
// one connection and one queue.
type Endpoint struct {
	// URL is tcp://HOST:PORT.
	URL string `yaml:"url"`
	// Unit is the unit identifier, 0 to 255. Over TCP, 0 and 255 are
	// ordinary addresses of a device that is no gateway.
	Unit uint8 `yaml:"unit"`
}

// Address returns the HOST:PORT of the Endpoint, or an error that names the
// mend.
func (e Endpoint) Address() (string, error) {
	rest, ok := strings.CutPrefix(e.URL, "tcp://")
	if !ok {
		return "", fmt.Errorf("modbus url %q: write tcp://HOST:PORT", e.URL)
	}
	i := strings.LastIndexByte(rest, ':')
	if i <= 0 || strings.ContainsAny(rest, "/?#@ ") {
		return "", fmt.Errorf("modbus url %q: write tcp://HOST:PORT, nothing more", e.URL)
	}
	port, err := strconv.ParseUint(rest[i+1:], 10, 16)
	if err != nil || port == 0 {
		return "", fmt.Errorf("modbus url %q: the port must be 1 to 65535", e.URL)
	}
	return rest, nil
}
