package envelope_test

import (
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/ticket"
)

// unknown are fields of every wire type that no version has yet.
func unknown(b []byte) []byte {
	b = protowire.AppendTag(b, 1000, protowire.VarintType)
	b = protowire.AppendVarint(b, 7)
	b = protowire.AppendTag(b, 1001, protowire.BytesType)
	b = protowire.AppendString(b, "what a later version says")
	b = protowire.AppendTag(b, 1002, protowire.Fixed64Type)
	b = protowire.AppendFixed64(b, 7)
	b = protowire.AppendTag(b, 1003, protowire.Fixed32Type)
	return protowire.AppendFixed32(b, 7)
}

// inside adds unknown fields to the message in field n: protobuf merges what
// comes twice.
func inside(b []byte, n protowire.Number, fields []byte) []byte {
	b = protowire.AppendTag(b, n, protowire.BytesType)
	return protowire.AppendBytes(b, fields)
}

// later is what a later version would have sent: a higher schema where there is
// one, and fields that nobody knows, also deep inside.
func later(t *testing.T, name string, b []byte) []byte {
	t.Helper()
	if name == "envelope" {
		dec, err := zstd.NewReader(nil)
		if err != nil {
			t.Fatal(err)
		}
		defer dec.Close()
		if b, err = dec.DecodeAll(b, nil); err != nil {
			t.Fatal(err)
		}
	}
	switch name {
	case "envelope", "hello", "receipt", "welcome":
		b = protowire.AppendTag(b, 1, protowire.VarintType)
		b = protowire.AppendVarint(b, 99)
	}
	switch name {
	case "envelope": // its record, and its record's origin and samples
		b = inside(b, 10, inside(inside(unknown(nil), 1, unknown(nil)), 2, unknown(nil)))
	case "record":
		b = inside(inside(b, 1, unknown(nil)), 2, unknown(nil))
	}
	b = unknown(b)
	if name == "envelope" {
		enc, err := zstd.NewWriter(nil)
		if err != nil {
			t.Fatal(err)
		}
		defer enc.Close()
		b = enc.EncodeAll(b, nil)
	}
	return b
}

// An old program takes what a later one sends, and reads of it what it knows
// [P-3.4]. The other direction is TestVectors.
func TestAnOldProgramTakesWhatALaterOneSends(t *testing.T) {
	t.Parallel()
	for name, m := range messages() {
		b, err := m.encode(m.newest)
		if err != nil {
			t.Fatal(err)
		}
		got, err := m.decode(later(t, name, b))
		if err != nil {
			t.Errorf("%s of a later version: %v", name, err)
			continue
		}
		want := m.newest
		switch w := want.(type) {
		case envelope.Envelope:
			w.Schema = 99
			want = w
		case envelope.Hello:
			w.Schema = 99
			want = w
		case envelope.Welcome:
			w.Schema = 99
			want = w
		}
		if d := gocmp.Diff(want, got); d != "" {
			t.Errorf("%s of a later version: %s", name, d)
		}
	}
}

func TestAKindOfALaterVersionSurvivesTheWay(t *testing.T) {
	t.Parallel()
	x := fullTransition()
	x.Kind = ticket.Kind("hand_over_to_robot")
	b, err := envelope.EncodeTransitions([]ticket.Transition{x})
	if err != nil {
		t.Fatal(err)
	}
	got, err := envelope.DecodeTransitions(b)
	if err != nil || len(got) != 1 || got[0].Kind != x.Kind {
		t.Errorf("got %+v, %v", got, err)
	}
}

// Only what a message itself demands keeps an old program from taking it
// [P-3.6].
func TestAMessageMayDemandALaterVersion(t *testing.T) {
	t.Parallel()
	for least, want := range map[uint32]bool{0: true, envelope.SchemaVersion: true, envelope.SchemaVersion + 1: false} {
		if envelope.Understands(least) != want {
			t.Errorf("demands %d: understood is %v", least, !want)
		}
	}
	e := fullEnvelope()
	e.Schema, e.LeastSchema = 9, 2
	b, err := envelope.Encode(e)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := envelope.Decode(b); err != nil || envelope.Understands(got.LeastSchema) {
		t.Errorf("an envelope that demands schema 2: %+v, %v", got.LeastSchema, err)
	}
}
