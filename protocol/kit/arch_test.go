package kit_test

import (
	"testing"

	"github.com/linshao/linshao/protocol/archtest"
)

const us = archtest.Prefix

var rules = []archtest.Rule{
	{
		In: []string{"./..."}, Forbid: []string{us + "edge/...", us + "cloud/...", us + "simulators/..."}, Tests: true,
		Why: "the kit is what both daemons run on; it knows neither",
	},
	{
		In: []string{"./..."}, Except: []string{"mqttbroker"}, Forbid: []string{"github.com/mochi-mqtt/server/v2/..."},
		Why: "mochi's traps are fenced in once, in mqttbroker",
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
