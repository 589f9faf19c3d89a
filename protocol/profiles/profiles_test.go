package profiles_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/linshao/linshao/protocol/profiles"
)

func TestEveryNameHasAText(t *testing.T) {
	t.Parallel()
	names := profiles.Names()
	for _, want := range []string{"access-gate", "lift-terminal", "patrol-robot"} {
		if !slices.Contains(names, want) {
			t.Errorf("no %s among %v", want, names)
		}
	}
	for _, name := range names {
		text, err := profiles.Text(name)
		if err != nil || !strings.Contains(string(text), "\nprofile: "+name+"\n") {
			t.Errorf("%s does not carry its own name (%v)", name, err)
		}
	}
}

func TestAnUnknownNameListsTheKnown(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"toaster", "", "../profiles"} {
		_, err := profiles.Text(name)
		if err == nil || !strings.Contains(err.Error(), "access-gate") {
			t.Errorf("%q: %v", name, err)
		}
	}
}
