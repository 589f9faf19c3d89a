package cloud_test

import (
	"testing"

	"github.com/linshao/linshao/protocol/archtest"
)

const (
	us = archtest.Prefix
	in = us + "cloud/internal/"
)

var rules = []archtest.Rule{
	{
		In: []string{"./..."}, Forbid: []string{us + "edge/...", us + "simulators/e2e/..."}, Tests: true,
		Why: "edge and cloud know each other by the wire protocol only",
	},
	{
		In: []string{"./..."}, Forbid: []string{us + "simulators/..."},
		Why: "simulators are for tests",
	},
	{
		In:     []string{"internal/duty", "internal/routing", "internal/fleet"},
		Forbid: []string{"net", "net/http", "os", "database/sql", "log/slog", "log"},
		Why:    "what decides is pure: values and now in, values and a reason out",
	},
	{
		In: []string{"./..."}, Except: []string{"internal/db/...", "app"},
		Forbid: []string{in + "db"},
		Why:    "users declare the small stores they need; app plugs db in",
	},
	{
		In: []string{"./..."}, Except: []string{"internal/db/..."},
		Forbid: []string{"database/sql", "github.com/uptrace/bun/...", "github.com/jackc/pgx/v5/...", "modernc.org/sqlite"},
		Why:    "only db talks to a relational engine",
	},
	{
		In:     []string{"internal/series", "internal/series/seriestest"},
		Forbid: []string{in + "series/embedded", in + "series/victoria"},
		Why:    "backends import the contract, never the reverse",
	},
	{
		In: []string{"./..."}, Except: []string{"internal/series/embedded"},
		Forbid: []string{"github.com/prometheus/prometheus/..."},
		Why:    "its module graph is heavy: one package carries it",
	},
	{
		In:     []string{"internal/ingest"},
		Forbid: []string{in + "desk", in + "routing", in + "notify/...", in + "dispatch", in + "console"},
		Why:    "ingest hands Transitions to a Tx that app plugs in",
	},
	{
		In:     []string{"internal/desk", "internal/duty", "internal/routing"},
		Forbid: []string{in + "console", in + "ingest", in + "notify/..."},
		Why:    "the flow goes one way: ingest, desk, routing, notify",
	},
	{
		In:     []string{"internal/console"},
		Forbid: []string{in + "ingest", in + "notify/...", in + "dispatch", in + "desk"},
		Why:    "the console asks the small interfaces it declares",
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
