package protocol_test

import (
	"testing"

	"github.com/linshao/linshao/protocol/archtest"
)

const us = archtest.Prefix

var impure = []string{"net", "net/http", "os", "os/exec", "database/sql", "log", "log/slog", "syscall"}

var rules = []archtest.Rule{
	{
		In: []string{"./..."}, Except: []string{"archtest"},
		Forbid: append([]string{us + "protocol/kit/...", us + "edge/...", us + "cloud/...", us + "simulators/..."}, impure...),
		Why:    "protocol is pure and shared: it holds nouns and decisions, no I/O, and knows neither daemon",
	},
	{
		In: []string{"./..."}, Except: []string{"envelope", "linshaopb"},
		Forbid: []string{us + "protocol/linshaopb", "google.golang.org/protobuf/...", "github.com/klauspost/compress/..."},
		Why:    "only envelope touches the wire format, so that it can change in one place",
	},
	{
		In: []string{"ticket", "telemetry", "limit"}, Forbid: []string{us + "protocol/envelope", us + "protocol/topic"},
		Why: "nouns do not know how they travel",
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
