// Package checker holds check.mjs, the judge of the chaos rows, which is not
// written in Go on purpose: it shares nothing with what it judges.
package checker_test

import (
	"os/exec"
	"testing"
)

// The checker's own tests: each kind of violation is found, a clean run is.
func TestCheckerAgainstHandMadeJournals(t *testing.T) {
	t.Parallel()
	if out, err := exec.CommandContext(t.Context(), "node", "--test", "check.test.mjs").CombinedOutput(); err != nil {
		t.Fatalf("node --test: %v\n%s", err, out)
	}
}
