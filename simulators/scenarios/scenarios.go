// Package scenarios ships stories to play with linshao-sim run. A name without
// a path finds them in the binary.
package scenarios

import (
	"embed"
	"strings"
)

//go:embed *.yaml
var files embed.FS

// Names lists the shipped scenarios, without .yaml.
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

// Text returns a shipped scenario; ok is false if there is none of that name.
func Text(name string) (text []byte, ok bool) {
	text, err := files.ReadFile(strings.TrimSuffix(name, ".yaml") + ".yaml")
	return text, err == nil
}
