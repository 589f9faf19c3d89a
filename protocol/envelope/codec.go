package envelope

import (
	"errors"
	"fmt"
	"math"
	"sync"

	"github.com/klauspost/compress/zstd"
	"google.golang.org/protobuf/proto"

	"github.com/linshao/linshao/protocol/limit"
	pb "github.com/linshao/linshao/protocol/linshaopb"
	"github.com/linshao/linshao/protocol/telemetry"
	"github.com/linshao/linshao/protocol/ticket"
)

// ErrTooLarge says that a message is, or would inflate to, more than limit
// allows.
var ErrTooLarge = errors.New("message is larger than the limit")

// EncodeAll and DecodeAll of one zstd coder may be called from many
// goroutines at once, so one of each serves the process; level and memory
// bound are part of the wire format, not configuration.
var coders = sync.OnceValues(func() (*zstd.Encoder, *zstd.Decoder) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(256<<10))
	if err != nil {
		panic(err) // the options above are constants
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(limit.MaxEnvelopeDecodedBytes))
	if err != nil {
		panic(err)
	}
	return enc, dec
})

// Encode returns e as compressed bytes, at most limit.MaxEnvelopeBytes long.
// Errors: ErrTooLarge.
func Encode(e Envelope) ([]byte, error) {
	raw, err := proto.Marshal(toEnvelope(e))
	if err != nil {
		return nil, fmt.Errorf("encode envelope: %w", err)
	}
	enc, _ := coders()
	out := enc.EncodeAll(raw, make([]byte, 0, len(raw)/2+64))
	if len(raw) > limit.MaxEnvelopeDecodedBytes || len(out) > limit.MaxEnvelopeBytes {
		return nil, fmt.Errorf("encode envelope of %d samples, %d bytes: %w", len(e.Samples), len(out), ErrTooLarge)
	}
	return out, nil
}

// Decode is the inverse of Encode, up to the order between different series.
// It fails on every input that Encode would not have made; it never panics
// and never allocates more than limit.MaxEnvelopeDecodedBytes for the
// inflated form.
func Decode(b []byte) (Envelope, error) {
	if len(b) > limit.MaxEnvelopeBytes {
		return Envelope{}, fmt.Errorf("decode envelope of %d bytes: %w", len(b), ErrTooLarge)
	}
	_, dec := coders()
	raw, err := dec.DecodeAll(b, nil)
	if err != nil {
		return Envelope{}, fmt.Errorf("inflate envelope: %w", err)
	}
	m := &pb.Envelope{}
	if err := proto.Unmarshal(raw, m); err != nil {
		return Envelope{}, fmt.Errorf("decode envelope: %w", err)
	}
	return fromEnvelope(m)
}

// AppendRecord appends the bytes under which the outbox keeps r: the same
// columns as on the wire, not compressed, so that a damaged byte costs one
// record.
func AppendRecord(dst []byte, r Record) ([]byte, error) {
	out, err := proto.MarshalOptions{}.MarshalAppend(dst, toRecord(r))
	if err != nil {
		return dst, fmt.Errorf("encode record: %w", err)
	}
	return out, nil
}

// DecodeRecord is the inverse of AppendRecord, up to the order between
// different series.
func DecodeRecord(b []byte) (Record, error) {
	m := &pb.Record{}
	if err := proto.Unmarshal(b, m); err != nil {
		return Record{}, fmt.Errorf("decode record: %w", err)
	}
	return fromRecord(m)
}

// EncodeTransitions returns the payload of down/transition.
func EncodeTransitions(ts []ticket.Transition) ([]byte, error) {
	m := &pb.Transitions{}
	m.SetTransitions(mapSlice(ts, toTransition))
	b, err := proto.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode transitions: %w", err)
	}
	return b, nil
}

// DecodeTransitions is the inverse of EncodeTransitions.
func DecodeTransitions(b []byte) ([]ticket.Transition, error) {
	m := &pb.Transitions{}
	if err := proto.Unmarshal(b, m); err != nil {
		return nil, fmt.Errorf("decode transitions: %w", err)
	}
	if n := len(m.GetTransitions()); n > limit.MaxTransitionsPerEnvelope {
		return nil, fmt.Errorf("decode %d transitions: %w", n, ErrTooLarge)
	}
	return mapSlice(m.GetTransitions(), fromTransition), nil
}

// EncodeReceipt returns the payload of down/receipt.
func EncodeReceipt(r Receipt) ([]byte, error) {
	m := &pb.Receipt{}
	m.SetSchema(SchemaVersion)
	m.SetEpoch(r.Epoch)
	m.SetLog(toLog(r.Log))
	m.SetSequences(mapSlice(r.Sequences, toRange))
	m.SetVerdict(pb.Verdict_VERDICT_STORED)
	if r.Verdict == Rejected {
		m.SetVerdict(pb.Verdict_VERDICT_REJECTED)
	}
	m.SetReason(r.Reason)
	m.SetCloudMs(r.CloudMS)
	b, err := proto.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode receipt: %w", err)
	}
	return b, nil
}

// DecodeReceipt is the inverse of EncodeReceipt. A verdict that this version
// does not know is an error: forgetting a record on a guess would lose it.
func DecodeReceipt(b []byte) (Receipt, error) {
	m := &pb.Receipt{}
	if err := proto.Unmarshal(b, m); err != nil {
		return Receipt{}, fmt.Errorf("decode receipt: %w", err)
	}
	r := Receipt{Epoch: m.GetEpoch(), Log: fromLog(m.GetLog()), Reason: m.GetReason(), CloudMS: m.GetCloudMs()}
	switch m.GetVerdict() {
	case pb.Verdict_VERDICT_STORED:
		r.Verdict = Stored
	case pb.Verdict_VERDICT_REJECTED:
		r.Verdict = Rejected
	default:
		return Receipt{}, fmt.Errorf("decode receipt: unknown verdict %d", m.GetVerdict())
	}
	var err error
	if r.Sequences, err = fromRanges(m.GetSequences()); err != nil {
		return Receipt{}, fmt.Errorf("decode receipt: %w", err)
	}
	return r, nil
}

// EncodeHello returns the payload of up/hello.
func EncodeHello(h Hello) ([]byte, error) {
	b, err := proto.Marshal(toHello(h))
	if err != nil {
		return nil, fmt.Errorf("encode hello: %w", err)
	}
	return b, nil
}

// DecodeHello is the inverse of EncodeHello.
func DecodeHello(b []byte) (Hello, error) {
	m := &pb.Hello{}
	if err := proto.Unmarshal(b, m); err != nil {
		return Hello{}, fmt.Errorf("decode hello: %w", err)
	}
	return fromHello(m), nil
}

// EncodeWelcome returns the payload of down/welcome.
func EncodeWelcome(w Welcome) ([]byte, error) {
	m := &pb.Welcome{}
	m.SetSchema(w.Schema)
	m.SetCapabilities(w.Capabilities)
	m.SetSession(w.Session)
	m.SetCloudMs(w.CloudMS)
	m.SetRefused(w.Refused)
	b, err := proto.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode welcome: %w", err)
	}
	return b, nil
}

// DecodeWelcome is the inverse of EncodeWelcome.
func DecodeWelcome(b []byte) (Welcome, error) {
	m := &pb.Welcome{}
	if err := proto.Unmarshal(b, m); err != nil {
		return Welcome{}, fmt.Errorf("decode welcome: %w", err)
	}
	return Welcome{
		Schema: m.GetSchema(), Capabilities: m.GetCapabilities(), Session: m.GetSession(), CloudMS: m.GetCloudMs(), Refused: m.GetRefused(),
	}, nil
}

// EncodeCommand returns the payload of down/command.
func EncodeCommand(c Command) ([]byte, error) {
	m := &pb.Command{}
	m.SetId(c.ID)
	m.SetDevice(c.Device)
	m.SetName(c.Name)
	m.SetArgs(c.Args)
	m.SetIssuedMs(c.IssuedMS)
	m.SetExpiresMs(c.ExpiresMS)
	b, err := proto.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode command: %w", err)
	}
	return b, nil
}

// DecodeCommand is the inverse of EncodeCommand.
func DecodeCommand(b []byte) (Command, error) {
	m := &pb.Command{}
	if err := proto.Unmarshal(b, m); err != nil {
		return Command{}, fmt.Errorf("decode command: %w", err)
	}
	return Command{
		ID: m.GetId(), Device: m.GetDevice(), Name: m.GetName(), Args: m.GetArgs(), IssuedMS: m.GetIssuedMs(), ExpiresMS: m.GetExpiresMs(),
	}, nil
}

func toEnvelope(e Envelope) *pb.Envelope {
	m := &pb.Envelope{}
	m.SetSchema(e.Schema)
	if e.LeastSchema != 0 {
		m.SetLeastSchema(e.LeastSchema)
	}
	m.SetEstate(e.Estate)
	m.SetEdge(e.Edge)
	m.SetEpoch(e.Epoch)
	m.SetLog(toLog(e.Log))
	m.SetLane(toLane(e.Lane))
	m.SetSequences(mapSlice(e.Sequences, toRange))
	m.SetMissing(mapSlice(e.Missing, toGap))
	m.SetHead(uint64(e.Head))
	m.SetRecord(toRecord(e.Record))
	return m
}

func fromEnvelope(m *pb.Envelope) (Envelope, error) {
	e := Envelope{
		Schema: m.GetSchema(), LeastSchema: m.GetLeastSchema(), Estate: m.GetEstate(), Edge: m.GetEdge(), Epoch: m.GetEpoch(),
		Log: fromLog(m.GetLog()), Lane: fromLane(m.GetLane()), Head: Sequence(m.GetHead()),
	}
	var err error
	if e.Sequences, err = fromRanges(m.GetSequences()); err != nil {
		return Envelope{}, fmt.Errorf("decode envelope: %w", err)
	}
	if len(m.GetMissing()) > limit.MaxRanges {
		return Envelope{}, fmt.Errorf("decode envelope with %d gaps: %w", len(m.GetMissing()), ErrTooLarge)
	}
	for _, g := range m.GetMissing() {
		r, err := fromRange(g.GetRange())
		if err != nil {
			return Envelope{}, fmt.Errorf("decode gap: %w", err)
		}
		e.Missing = append(e.Missing, Gap{Range: r, Reason: g.GetReason(), FromMS: g.GetFromMs(), ToMS: g.GetToMs()})
	}
	e.Record, err = fromRecord(m.GetRecord())
	return e, err
}

func toRecord(r Record) *pb.Record {
	m := &pb.Record{}
	m.SetOrigin(toOrigin(r.Origin))
	if s := encodeColumns(r.Samples); s != nil {
		m.SetSamples(s)
	}
	m.SetEvents(mapSlice(r.Events, toEvent))
	m.SetTransitions(mapSlice(r.Transitions, toTransition))
	m.SetLocal(r.Local)
	if r.Checkpoint != nil {
		m.SetCheckpoint(r.Checkpoint)
	}
	return m
}

func fromRecord(m *pb.Record) (Record, error) {
	samples, err := decodeColumns(m.GetSamples())
	if err != nil {
		return Record{}, fmt.Errorf("decode samples: %w", err)
	}
	return Record{
		Origin: fromOrigin(m.GetOrigin()), Samples: samples, Events: mapSlice(m.GetEvents(), fromEvent),
		Transitions: mapSlice(m.GetTransitions(), fromTransition), Local: m.GetLocal(), Checkpoint: m.GetCheckpoint(),
	}, nil
}

func toOrigin(o telemetry.Origin) *pb.Origin {
	m := &pb.Origin{}
	m.SetBoot(o.Boot)
	m.SetMonoMs(o.MonoMS)
	m.SetEdgeMs(o.EdgeMS)
	m.SetClockTrusted(o.ClockTrusted)
	if o.SkewKnown {
		m.SetSkewMs(o.SkewMS)
		m.SetSkewErrorMs(uint32(max(0, min(o.SkewErrorMS, math.MaxUint32))))
	}
	return m
}

func fromOrigin(m *pb.Origin) telemetry.Origin {
	return telemetry.Origin{
		Boot: m.GetBoot(), MonoMS: m.GetMonoMs(), EdgeMS: m.GetEdgeMs(), ClockTrusted: m.GetClockTrusted(),
		SkewKnown: m.HasSkewMs(), SkewMS: m.GetSkewMs(), SkewErrorMS: int64(m.GetSkewErrorMs()),
	}
}

func toEvent(e telemetry.Event) *pb.Event {
	m := &pb.Event{}
	m.SetDevice(e.Device)
	m.SetKind(e.Kind)
	m.SetName(e.Name)
	m.SetAtMs(e.AtMS)
	m.SetDeviceMs(e.DeviceMS)
	m.SetEdgeMs(e.EdgeMS)
	if e.Data != nil {
		m.SetData(e.Data)
	}
	m.SetMarks(uint32(e.Marks))
	return m
}

func fromEvent(m *pb.Event) telemetry.Event {
	return telemetry.Event{
		Device: m.GetDevice(), Kind: m.GetKind(), Name: m.GetName(), AtMS: m.GetAtMs(), DeviceMS: m.GetDeviceMs(),
		EdgeMS: m.GetEdgeMs(), Data: m.GetData(), Marks: telemetry.Marks(m.GetMarks()),
	}
}

// mapSlice converts element by element; nil for an empty slice, so that what
// goes out comes back equal.
func mapSlice[A, B any](in []A, f func(A) B) []B {
	if len(in) == 0 {
		return nil
	}
	out := make([]B, len(in))
	for i, x := range in {
		out[i] = f(x)
	}
	return out
}
