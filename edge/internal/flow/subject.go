package flow

import (
	"cmp"

	"github.com/linshao/linshao/edge/internal/detect"
	"github.com/linshao/linshao/edge/internal/device"
	"github.com/linshao/linshao/edge/internal/triage"
	"github.com/linshao/linshao/protocol/telemetry"
	"github.com/linshao/linshao/protocol/ticket"
)

// subjects knows what a ticket says about a device besides the Finding.
type subjects struct {
	estate, edge string
	places       map[string]string
}

func newSubjects(o Options) subjects {
	s := subjects{estate: o.Estate, edge: o.Edge, places: make(map[string]string, len(o.Devices))}
	for _, d := range o.Devices {
		s.places[d.ID] = d.Location
	}
	return s
}

// finding translates what a detector says into what triage takes.
func (s subjects) finding(f *detect.Finding) triage.Finding {
	r := f.Rule
	fault := cmp.Or(r.Fault, ticket.Fault(r.ID))
	params := f.Reason.Params
	params["reason"] = f.Reason.Code
	return triage.Finding{
		Subject: ticket.Subject{
			Estate: s.estate, Edge: s.edge, Device: f.Device, DeviceKind: f.Kind, Location: s.places[f.Device],
			Rule: r.ID, Metric: f.Metric, Fault: fault, Severity: r.Severity,
			Title: ticket.Title{Code: cmp.Or(r.Title, string(fault)), Params: params},
		},
		Active: f.Active, Event: r.Detector == device.OnEvent, AtMS: f.AtMS, Evidence: f.Evidence,
	}
}

// maintenance reads from a Sample whether somebody works on the device, if it
// says anything about that. The words are those of the lift trade (GB/T
// 24476): an inspection switch, or a service mode of which 2 is inspection;
// `maintenance` is for everything else.
func maintenance(s *telemetry.Sample) (on, known bool) {
	if s.Marks.Has(telemetry.Historical) || !s.Numeric() {
		return false, false
	}
	switch s.Key.Metric {
	case "inspection", "maintenance":
		return s.Value != 0, true
	case "service_mode":
		return s.Value == 2, true
	}
	return false, false
}
