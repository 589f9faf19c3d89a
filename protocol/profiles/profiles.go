// Package profiles holds the device profiles that ship with the product, as
// YAML data. The edge compiles them (its package device knows the keys); the
// simulators build devices that fit them. An estate's own profiles come from
// a folder and stand beside these; nothing here needs code to grow.
//
// # Keys
//
// Every profile: profile, kind, protocol (mqtt or modbus), title, source,
// points, events, rules. A point: name, title, unit, enum, scale, offset
// (value = raw*scale + offset); for mqtt json; for modbus register
// (holding, input, coil, discrete), address (zero-based), type, order, mask or
// bit, every, heartbeat, deadband, latch, latch_hold, writable. What a model
// bears stands under modbus: every, heartbeat, timeout, connect_pause,
// max_registers, max_coils, max_hole, never_read.
package profiles

import (
	"embed"
	"fmt"
	"strings"
)

//go:embed *.yaml
var files embed.FS

// Names lists the shipped profiles, sorted.
func Names() []string {
	entries, err := files.ReadDir(".")
	if err != nil {
		return nil // an embedded folder always reads
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = strings.TrimSuffix(e.Name(), ".yaml")
	}
	return names
}

// Text returns the YAML of a shipped profile.
func Text(name string) ([]byte, error) {
	text, err := files.ReadFile(name + ".yaml")
	if err != nil {
		return nil, fmt.Errorf("there is no shipped profile %q; there are %s", name, strings.Join(Names(), ", "))
	}
	return text, nil
}
