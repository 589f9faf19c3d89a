package simulators_test

import (
	"testing"

	"github.com/linshao/linshao/protocol/archtest"
)

const us = archtest.Prefix

var rules = []archtest.Rule{
	{
		In: []string{"./..."}, Forbid: []string{us + "edge/...", us + "cloud/..."}, Tests: true,
		Why: "simulators speak to the product from outside, by its protocols",
	},
	{
		In: []string{"estate", "truth"}, Forbid: []string{"net", "net/http"},
		Why: "behaviour is pure: the same seed gives the same sequence",
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
