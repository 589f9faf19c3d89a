package envelope_test

import (
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/linshao/linshao/protocol/envelope"
)

var update = flag.Bool("update", false, "add the vectors that do not exist yet; existing ones are promises and stay")

// What a released version wrote must be readable for ever: the vectors are
// bytes beside the JSON of what they mean.
func TestVectors(t *testing.T) {
	t.Parallel()
	dir := filepath.Join("..", "testdata", "vectors")
	if *update {
		addVector(t, dir, "envelope-v1", fullEnvelope())
	}
	files, err := filepath.Glob(filepath.Join(dir, "envelope-*.hex"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no vectors in %s: %v", dir, err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		wire, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
		if err != nil {
			t.Fatal(err)
		}
		got, err := envelope.Decode(wire)
		if err != nil {
			t.Errorf("%s: %v", f, err)
			continue
		}
		text, err = os.ReadFile(strings.TrimSuffix(f, ".hex") + ".json")
		if err != nil {
			t.Fatal(err)
		}
		var want envelope.Envelope
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatal(err)
		}
		if d := gocmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", f, d)
		}
	}
}

func addVector(t *testing.T, dir, name string, e envelope.Envelope) {
	t.Helper()
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path + ".hex"); err == nil {
		return
	}
	wire, err := envelope.Encode(e)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	var lines strings.Builder
	for h := hex.EncodeToString(wire); h != ""; h = h[min(len(h), 64):] {
		lines.WriteString(h[:min(len(h), 64)] + "\n")
	}
	for file, b := range map[string][]byte{path + ".hex": []byte(lines.String()), path + ".json": append(text, '\n')} {
		if err := os.WriteFile(file, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
