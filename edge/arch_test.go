package edge_test

import (
	"testing"

	"github.com/linshao/linshao/protocol/archtest"
)

const (
	us = archtest.Prefix
	in = us + "edge/internal/"
)

var rules = []archtest.Rule{
	{
		In: []string{"./..."}, Forbid: []string{us + "cloud/...", us + "simulators/e2e/..."}, Tests: true,
		Why: "edge and cloud know each other by the wire protocol only",
	},
	{
		In: []string{"./..."}, Forbid: []string{us + "simulators/..."},
		Why: "simulators are for tests",
	},
	{
		In:     []string{"internal/device", "internal/detect", "internal/triage"},
		Forbid: []string{"net", "net/http", "os", "database/sql", "log/slog", "log"},
		Why:    "what decides is pure: values and now in, values and a reason out",
	},
	{
		In:     []string{"internal/detect"},
		Forbid: []string{in + "triage", in + "flow", in + "outbox/...", in + "uplink", in + "driver/modbus", in + "driver/mqtt"},
		Why:    "detectors judge samples; they do not know where these come from or what becomes of a finding",
	},
	{
		In:     []string{"internal/driver/..."},
		Forbid: []string{in + "flow", in + "detect", in + "triage", in + "outbox/...", in + "uplink"},
		Why:    "drivers hand Samples to a driver.Sink and know nothing behind it",
	},
	{
		In:     []string{"internal/outbox/..."},
		Forbid: []string{in + "flow", in + "uplink", in + "driver/...", in + "detect", in + "triage"},
		Why:    "the outbox keeps records; what is in them is not its business",
	},
	{
		In:     []string{"internal/uplink", "internal/mqttlink"},
		Forbid: []string{in + "flow", in + "outbox/...", in + "driver/...", in + "detect", in + "triage"},
		Why:    "the uplink takes records from a Source that app plugs in",
	},
	{
		In: []string{"./..."}, Except: []string{"internal/driver/modbus"},
		Forbid: []string{"github.com/goburrow/modbus"},
		Why:    "one package speaks Modbus",
	},
	{
		In: []string{"./..."}, Except: []string{"internal/mqttlink"},
		Forbid: []string{"github.com/eclipse/paho.mqtt.golang"},
		Why:    "paho's traps are fenced in once, in mqttlink",
	},
}

func TestDirection(t *testing.T) {
	t.Parallel()
	archtest.Check(t, ".", rules)
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	t.Parallel()
	archtest.PackageComments(t, ".")
}
