package points_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/linshao/linshao/simulators/e2e/chaos/points"
)

// wanted is how many points the scorecard asks for at least.
const wanted = 60

func TestThePointsOfTheProduct(t *testing.T) {
	t.Parallel()
	all, err := points.List(filepath.Join("..", "..", "..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < wanted {
		t.Errorf("%d points, want %d at least", len(all), wanted)
	}
}

func TestWhatIsNotAPoint(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`chaos.At("a.b.before"); chaos.At("a.b.after")`:  "",
		`chaos.At("a.b.before"); chaos.At("a.b.before")`: "written twice",
		`chaos.At("a.b.during")`:                         "not part.action",
		`chaos.At(name)`:                                 "string literal",
		`chaos.At()`:                                     "one name",
	} {
		top := t.TempDir()
		for _, folder := range []string{"edge", "cloud", "protocol/kit"} {
			if err := os.MkdirAll(filepath.Join(top, folder), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(top, "edge", "x.go"), []byte("package x\nfunc f() { "+body+" }\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		all, err := points.List(top)
		switch {
		case want == "" && (err != nil || len(all) != 2 || all[0].Daemon != "edge"):
			t.Errorf("%s: %v, %v", body, all, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want %q", body, err, want)
		}
	}
}
