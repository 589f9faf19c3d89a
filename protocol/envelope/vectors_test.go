package envelope_test

import (
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/telemetry"
	"github.com/linshao/linshao/protocol/ticket"
)

var update = flag.Bool("update", false, "add the vectors that do not exist yet; existing ones are promises and stay")

// message is one kind of message with a way to write and to read it. newest is
// what this version would write, every field set.
type message struct {
	newest any
	encode func(any) ([]byte, error)
	decode func([]byte) (any, error)
}

func messageOf[T any](newest T, enc func(T) ([]byte, error), dec func([]byte) (T, error)) message {
	return message{
		newest: newest,
		encode: func(v any) ([]byte, error) { return enc(v.(T)) },
		decode: func(b []byte) (any, error) { return dec(b) },
	}
}

// messages are all kinds, by the beginning of their vectors' names.
func messages() map[string]message {
	skewed := fullEnvelope()
	skewed.LeastSchema = 1
	skewed.Origin = telemetry.Origin{Boot: "b", MonoMS: 7, EdgeMS: t0, SkewKnown: true, SkewMS: -86_400_000, SkewErrorMS: 12}
	return map[string]message{
		"envelope": messageOf(skewed, envelope.Encode, envelope.Decode),
		"record": messageOf(skewed.Record,
			func(r envelope.Record) ([]byte, error) { return envelope.AppendRecord(nil, r) }, envelope.DecodeRecord),
		"hello": messageOf(envelope.Hello{
			Schema: 1, LeastSchema: 1, Capabilities: []string{"zstd"}, Estate: "e", Edge: "g", Version: "0.1.0", Epoch: "x", Session: "s2",
			Previous: "s1", Boot: "b", EdgeMS: t0, ClockTrusted: true, Heads: []envelope.LogHead{{Log: envelope.Samples, Head: 9, Oldest: 3}},
			Devices: []envelope.Device{{
				ID: "lift-1", Kind: "elevator", Profile: "lift-terminal", Location: "3号楼",
				Points: []envelope.Point{{Metric: "speed", Unit: "m/s", Enum: map[string]string{"1": "up"}}},
			}},
		}, envelope.EncodeHello, envelope.DecodeHello),
		"receipt": messageOf(envelope.Receipt{
			Epoch: "x", Log: envelope.Alarm, Sequences: []envelope.Range{{First: 1, Last: 4}}, Verdict: envelope.Rejected,
			Reason: "unknown_estate", CloudMS: t0,
		}, envelope.EncodeReceipt, envelope.DecodeReceipt),
		"command": messageOf(envelope.Command{
			ID: "1", Device: "gate-1", Name: "lock", Args: []byte(`{}`), IssuedMS: t0, ExpiresMS: t0 + 5000,
		}, envelope.EncodeCommand, envelope.DecodeCommand),
		"welcome": messageOf(envelope.Welcome{
			Schema: 1, Capabilities: []string{envelope.CanCorrect}, Session: "s2", CloudMS: t0, Refused: envelope.RefusedClone,
		}, envelope.EncodeWelcome, envelope.DecodeWelcome),
		"transitions": messageOf([]ticket.Transition{fullTransition()}, envelope.EncodeTransitions, envelope.DecodeTransitions),
	}
}

func TestEveryMessageTravels(t *testing.T) {
	t.Parallel()
	for name, m := range messages() {
		b, err := m.encode(m.newest)
		if err != nil {
			t.Fatal(err)
		}
		got, err := m.decode(b)
		if err != nil {
			t.Fatal(err)
		}
		if d := gocmp.Diff(m.newest, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

// What a released version wrote must be readable for ever: the vectors are
// bytes beside the JSON of what they mean. After a change of the format the old
// ones stay and -update adds the new, under the next free number.
func TestVectors(t *testing.T) {
	t.Parallel()
	dir := filepath.Join("..", "testdata", "vectors")
	for name, m := range messages() {
		if *update {
			addVector(t, dir, name, m)
		}
		files, err := filepath.Glob(filepath.Join(dir, name+"-*.hex"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no vectors of %s in %s: %v", name, dir, err)
		}
		newest := false
		for _, f := range files {
			want, wire := vector(t, f, m)
			got, err := m.decode(wire)
			if err != nil {
				t.Errorf("%s: %v", f, err)
				continue
			}
			if d := gocmp.Diff(want, got); d != "" {
				t.Errorf("%s: %s", f, d)
			}
			newest = newest || gocmp.Equal(m.newest, got)
		}
		if !newest {
			t.Errorf("no vector of %s has every field that this version writes: run with -update", name)
		}
	}
}

// vector reads one: what it means and its bytes.
func vector(t *testing.T, file string, m message) (want any, wire []byte) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if wire, err = hex.DecodeString(strings.Join(strings.Fields(string(text)), "")); err != nil {
		t.Fatal(err)
	}
	if text, err = os.ReadFile(strings.TrimSuffix(file, ".hex") + ".json"); err != nil {
		t.Fatal(err)
	}
	into := reflect.New(reflect.TypeOf(m.newest))
	if err := json.Unmarshal(text, into.Interface()); err != nil {
		t.Fatal(err)
	}
	return into.Elem().Interface(), wire
}

func addVector(t *testing.T, dir, name string, m message) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, name+"-*.hex"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if want, _ := vector(t, f, m); gocmp.Equal(want, m.newest) {
			return
		}
	}
	wire, err := m.encode(m.newest)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.MarshalIndent(m.newest, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	var lines strings.Builder
	for h := hex.EncodeToString(wire); h != ""; h = h[min(len(h), 64):] {
		lines.WriteString(h[:min(len(h), 64)] + "\n")
	}
	path := filepath.Join(dir, fmt.Sprintf("%s-v%d", name, envelope.SchemaVersion))
	if len(files) > 0 {
		path += fmt.Sprintf("-%d", len(files)+1)
	}
	for file, b := range map[string][]byte{path + ".hex": []byte(lines.String()), path + ".json": append(text, '\n')} {
		if err := os.WriteFile(file, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
