package envelope

import (
	"fmt"
	"math"

	"github.com/linshao/linshao/protocol/limit"
	pb "github.com/linshao/linshao/protocol/linshaopb"
	"github.com/linshao/linshao/protocol/telemetry"
	"github.com/linshao/linshao/protocol/ticket"
)

func toLog(l Log) pb.Log {
	switch l {
	case Alarm:
		return pb.Log_LOG_ALARM
	case Samples:
		return pb.Log_LOG_SAMPLES
	}
	return pb.Log_LOG_UNSPECIFIED
}

func fromLog(l pb.Log) Log {
	switch l {
	case pb.Log_LOG_ALARM:
		return Alarm
	case pb.Log_LOG_SAMPLES:
		return Samples
	}
	return ""
}

func toLane(l Lane) pb.Lane {
	switch l {
	case LaneAlarm:
		return pb.Lane_LANE_ALARM
	case LaneLive:
		return pb.Lane_LANE_LIVE
	case LaneBackfill:
		return pb.Lane_LANE_BACKFILL
	}
	return pb.Lane_LANE_UNSPECIFIED
}

func fromLane(l pb.Lane) Lane {
	switch l {
	case pb.Lane_LANE_ALARM:
		return LaneAlarm
	case pb.Lane_LANE_LIVE:
		return LaneLive
	case pb.Lane_LANE_BACKFILL:
		return LaneBackfill
	}
	return ""
}

func toRange(r Range) *pb.Range {
	m := &pb.Range{}
	m.SetFirst(uint64(r.First))
	m.SetMore(uint64(r.Last - r.First))
	return m
}

func fromRange(m *pb.Range) (Range, error) {
	if m.GetFirst() == 0 || m.GetMore() > math.MaxUint64-m.GetFirst() {
		return Range{}, fmt.Errorf("range from %d with %d more is not one of Sequences", m.GetFirst(), m.GetMore())
	}
	return Range{First: Sequence(m.GetFirst()), Last: Sequence(m.GetFirst() + m.GetMore())}, nil
}

func fromRanges(ms []*pb.Range) ([]Range, error) {
	if len(ms) > limit.MaxRanges {
		return nil, fmt.Errorf("%d ranges: %w", len(ms), ErrTooLarge)
	}
	var out []Range
	for _, m := range ms {
		r, err := fromRange(m)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

func toGap(g Gap) *pb.Gap {
	m := &pb.Gap{}
	m.SetRange(toRange(g.Range))
	m.SetReason(g.Reason)
	m.SetFromMs(g.FromMS)
	m.SetToMs(g.ToMS)
	return m
}

func toTransition(t ticket.Transition) *pb.Transition {
	m := &pb.Transition{}
	m.SetId(t.ID)
	m.SetTicket(string(t.Ticket))
	m.SetKind(string(t.Kind))
	m.SetStamp(toStamp(t.Stamp))
	m.SetAtMs(t.AtMS)
	m.SetByKind(string(t.By.Kind))
	m.SetById(t.By.ID)
	if t.Subject != nil {
		m.SetSubject(toSubject(*t.Subject))
	}
	m.SetEvidence(mapSlice(t.Evidence, toEvidence))
	m.SetOutcome(string(t.Outcome))
	m.SetNote(t.Note)
	m.SetReason(t.Reason)
	m.SetTo(t.To)
	m.SetAlias(string(t.AliasID))
	if o := t.Origin; o != nil {
		m.SetOrigin(toOrigin(telemetry.Origin{Boot: o.Boot, MonoMS: o.MonoMS, EdgeMS: o.EdgeMS, ClockTrusted: o.ClockTrusted}))
	}
	return m
}

func fromTransition(m *pb.Transition) ticket.Transition {
	t := ticket.Transition{
		ID: m.GetId(), Ticket: ticket.ID(m.GetTicket()), Kind: ticket.Kind(m.GetKind()), Stamp: fromStamp(m.GetStamp()),
		AtMS: m.GetAtMs(), By: ticket.Actor{Kind: ticket.ActorKind(m.GetByKind()), ID: m.GetById()},
		Evidence: mapSlice(m.GetEvidence(), fromEvidence), Outcome: ticket.Outcome(m.GetOutcome()),
		Note: m.GetNote(), Reason: m.GetReason(), To: m.GetTo(), AliasID: ticket.ID(m.GetAlias()),
	}
	if m.HasSubject() {
		s := fromSubject(m.GetSubject())
		t.Subject = &s
	}
	if m.HasOrigin() {
		o := m.GetOrigin()
		t.Origin = &ticket.OriginRef{Boot: o.GetBoot(), MonoMS: o.GetMonoMs(), EdgeMS: o.GetEdgeMs(), ClockTrusted: o.GetClockTrusted()}
	}
	return t
}

func toStamp(s ticket.Stamp) *pb.Stamp {
	m := &pb.Stamp{}
	m.SetWallMs(s.WallMS)
	m.SetCounter(s.Counter)
	m.SetOrigin(s.Origin)
	m.SetNumber(s.Number)
	return m
}

func fromStamp(m *pb.Stamp) ticket.Stamp {
	return ticket.Stamp{WallMS: m.GetWallMs(), Counter: m.GetCounter(), Origin: m.GetOrigin(), Number: m.GetNumber()}
}

func toEvidence(e ticket.Evidence) *pb.Evidence {
	m := &pb.Evidence{}
	m.SetMetric(e.Metric)
	m.SetAtMs(e.AtMS)
	m.SetValue(e.Value)
	m.SetText(e.Text)
	return m
}

func fromEvidence(m *pb.Evidence) ticket.Evidence {
	return ticket.Evidence{Metric: m.GetMetric(), AtMS: m.GetAtMs(), Value: m.GetValue(), Text: m.GetText()}
}

func toSubject(s ticket.Subject) *pb.Subject {
	m := &pb.Subject{}
	m.SetEstate(s.Estate)
	m.SetEdge(s.Edge)
	m.SetDevice(s.Device)
	m.SetDeviceKind(s.DeviceKind)
	m.SetLocation(s.Location)
	m.SetRule(s.Rule)
	m.SetMetric(s.Metric)
	m.SetFault(string(s.Fault))
	m.SetSeverity(string(s.Severity))
	m.SetTitleCode(s.Title.Code)
	m.SetTitleParams(s.Title.Params)
	return m
}

func fromSubject(m *pb.Subject) ticket.Subject {
	return ticket.Subject{
		Estate: m.GetEstate(), Edge: m.GetEdge(), Device: m.GetDevice(), DeviceKind: m.GetDeviceKind(), Location: m.GetLocation(),
		Rule: m.GetRule(), Metric: m.GetMetric(), Fault: ticket.Fault(m.GetFault()), Severity: ticket.Severity(m.GetSeverity()),
		Title: ticket.Title{Code: m.GetTitleCode(), Params: m.GetTitleParams()},
	}
}

func toHello(h Hello) *pb.Hello {
	m := &pb.Hello{}
	m.SetSchema(h.Schema)
	if h.LeastSchema != 0 {
		m.SetLeastSchema(h.LeastSchema)
	}
	m.SetCapabilities(h.Capabilities)
	m.SetEstate(h.Estate)
	m.SetEdge(h.Edge)
	m.SetVersion(h.Version)
	m.SetEpoch(h.Epoch)
	m.SetSession(h.Session)
	m.SetPrevious(h.Previous)
	m.SetBoot(h.Boot)
	m.SetEdgeMs(h.EdgeMS)
	m.SetClockTrusted(h.ClockTrusted)
	m.SetHeads(mapSlice(h.Heads, func(l LogHead) *pb.LogHead {
		p := &pb.LogHead{}
		p.SetLog(toLog(l.Log))
		p.SetHead(uint64(l.Head))
		p.SetOldest(uint64(l.Oldest))
		return p
	}))
	m.SetDevices(mapSlice(h.Devices, toDevice))
	return m
}

func fromHello(m *pb.Hello) Hello {
	return Hello{
		Schema: m.GetSchema(), LeastSchema: m.GetLeastSchema(), Capabilities: m.GetCapabilities(), Estate: m.GetEstate(), Edge: m.GetEdge(), Version: m.GetVersion(),
		Epoch: m.GetEpoch(), Session: m.GetSession(), Previous: m.GetPrevious(), Boot: m.GetBoot(), EdgeMS: m.GetEdgeMs(),
		ClockTrusted: m.GetClockTrusted(),
		Heads: mapSlice(m.GetHeads(), func(p *pb.LogHead) LogHead {
			return LogHead{Log: fromLog(p.GetLog()), Head: Sequence(p.GetHead()), Oldest: Sequence(p.GetOldest())}
		}),
		Devices: mapSlice(m.GetDevices(), fromDevice),
	}
}

func toDevice(d Device) *pb.Device {
	m := &pb.Device{}
	m.SetId(d.ID)
	m.SetKind(d.Kind)
	m.SetProfile(d.Profile)
	m.SetLocation(d.Location)
	m.SetPoints(mapSlice(d.Points, func(p Point) *pb.Point {
		q := &pb.Point{}
		q.SetMetric(p.Metric)
		q.SetUnit(p.Unit)
		q.SetEnum(p.Enum)
		return q
	}))
	return m
}

func fromDevice(m *pb.Device) Device {
	return Device{
		ID: m.GetId(), Kind: m.GetKind(), Profile: m.GetProfile(), Location: m.GetLocation(),
		Points: mapSlice(m.GetPoints(), func(q *pb.Point) Point {
			return Point{Metric: q.GetMetric(), Unit: q.GetUnit(), Enum: q.GetEnum()}
		}),
	}
}
