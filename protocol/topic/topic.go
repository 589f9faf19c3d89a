// Package topic spells and parses every MQTT topic of Linshao; no other
// package writes one out (SPEC P-1). It is pure and allocates only what it
// returns.
package topic

import (
	"fmt"
	"strings"

	"github.com/linshao/linshao/protocol/limit"
)

// Valid reports whether s may stand for an estate, an edge or a device:
// [a-z0-9][a-z0-9._-]{0,63}.
func Valid(s string) bool {
	if s == "" || len(s) > limit.MaxNameBytes {
		return false
	}
	for i := range len(s) {
		c := s[i]
		alnum := c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		if !alnum && (i == 0 || c != '.' && c != '_' && c != '-') {
			return false
		}
	}
	return true
}

// Leaves of a device's topics, as Parse returns them.
const (
	Telemetry = "telemetry"
	Events    = "events"
	Status    = "status"
	Commands  = "commands"
	Result    = "result"
)

const devices = "devices/"

// Device is a device's id; its methods spell its topics.
type Device string

// Telemetry is where the device publishes measurements.
func (d Device) Telemetry() string { return devices + string(d) + "/telemetry" }

// Events is where the device publishes what happened.
func (d Device) Events() string { return devices + string(d) + "/events" }

// Status is the device's retained online or offline, also its last will.
func (d Device) Status() string { return devices + string(d) + "/status" }

// Commands is where the device is told what to do.
func (d Device) Commands() string { return devices + string(d) + "/commands" }

// Result is where the device answers the command with the given id.
func (d Device) Result(id string) string {
	return devices + string(d) + "/commands/" + id + "/result"
}

// ParseDevice splits a device topic into its device and leaf: Telemetry,
// Events, Status, Commands or Result (then command is the command's id). It
// fails on every other topic and on an id that is not Valid.
func ParseDevice(s string) (d Device, leaf, command string, err error) {
	rest, ok := strings.CutPrefix(s, devices)
	if !ok {
		return "", "", "", fmt.Errorf("topic %q does not start with %q", s, devices)
	}
	id, leaf, _ := strings.Cut(rest, "/")
	if !Valid(id) {
		return "", "", "", fmt.Errorf("topic %q: %q is no device id", s, id)
	}
	switch leaf {
	case Telemetry, Events, Status, Commands:
		return Device(id), leaf, "", nil
	}
	if rest, ok := strings.CutPrefix(leaf, Commands+"/"); ok {
		if cmd, ok := strings.CutSuffix(rest, "/"+Result); ok && cmd != "" && !strings.Contains(cmd, "/") {
			return Device(id), Result, cmd, nil
		}
	}
	return "", "", "", fmt.Errorf("topic %q: %q is not one of a device's topics", s, leaf)
}

// Leaves of an edge's topics, as ParseUplink returns them.
const (
	UpAlarm        = "up/alarm"
	UpLive         = "up/live"
	UpBackfill     = "up/backfill"
	UpHello        = "up/hello"
	DownReceipt    = "down/receipt"
	DownCommand    = "down/command"
	DownConfig     = "down/config"
	DownTransition = "down/transition"
	DownWelcome    = "down/welcome"
)

const uplink = "linshao/v1/"

// Uplink names one edge; its methods spell the topics between it and the cloud.
type Uplink struct{ Estate, Edge string }

func (u Uplink) leaf(l string) string { return uplink + u.Estate + "/" + u.Edge + "/" + l }

// Up is where the edge publishes Envelopes of a lane (alarm, live, backfill).
func (u Uplink) Up(lane string) string { return u.leaf("up/" + lane) }

// Hello opens every connection.
func (u Uplink) Hello() string { return u.leaf(UpHello) }

// Status is the edge's retained online or offline, also its last will.
func (u Uplink) Status() string { return u.leaf(Status) }

// Receipt brings the cloud's Receipts.
func (u Uplink) Receipt() string { return u.leaf(DownReceipt) }

// Command brings Commands.
func (u Uplink) Command() string { return u.leaf(DownCommand) }

// Config brings configuration.
func (u Uplink) Config() string { return u.leaf(DownConfig) }

// Transition brings the Transitions made in the cloud.
func (u Uplink) Transition() string { return u.leaf(DownTransition) }

// Welcome brings the cloud's answer to a hello.
func (u Uplink) Welcome() string { return u.leaf(DownWelcome) }

// AllUp is the filter under which a collector hears every edge.
func AllUp() string { return uplink + "+/+/up/+" }

// AllStatus is the filter under which a collector hears every edge's status.
func AllStatus() string { return uplink + "+/+/" + Status }

// Shared puts a filter into a group of subscribers of which one gets each
// message.
func Shared(group, filter string) string { return "$share/" + group + "/" + filter }

// ParseUplink splits an edge topic into the edge and the leaf, one of the
// constants above. It fails on every other topic and on names not Valid.
func ParseUplink(s string) (Uplink, string, error) {
	rest, ok := strings.CutPrefix(s, uplink)
	if !ok {
		return Uplink{}, "", fmt.Errorf("topic %q does not start with %q", s, uplink)
	}
	parts := strings.SplitN(rest, "/", 3)
	if len(parts) != 3 || !Valid(parts[0]) || !Valid(parts[1]) {
		return Uplink{}, "", fmt.Errorf("topic %q does not name an estate and an edge", s)
	}
	switch parts[2] {
	case UpAlarm, UpLive, UpBackfill, UpHello, DownReceipt, DownCommand, DownConfig, DownTransition, DownWelcome, Status:
		return Uplink{Estate: parts[0], Edge: parts[1]}, parts[2], nil
	}
	return Uplink{}, "", fmt.Errorf("topic %q: %q is not one of an edge's topics", s, parts[2])
}

// PatrolPage is where the pages of one person are published, for radios and
// wall displays of that estate.
func PatrolPage(estate, staff string) string {
	return PatrolPages(estate) + staff + "/pages"
}

// PatrolPages is what every patrol topic of an estate starts with.
func PatrolPages(estate string) string { return uplink + estate + "/patrol/" }

// IsPatrolPage reports whether s is the patrol topic of one person.
func IsPatrolPage(s string) bool {
	rest, ok := strings.CutPrefix(s, uplink)
	parts := strings.Split(rest, "/")
	return ok && len(parts) == 4 && Valid(parts[0]) && parts[1] == "patrol" && Valid(parts[2]) && parts[3] == "pages"
}
