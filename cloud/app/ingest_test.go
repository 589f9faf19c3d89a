package app

import (
	"math"
	"testing"

	"github.com/linshao/linshao/cloud/internal/ingest"
	"github.com/linshao/linshao/protocol/ticket"
)

// A sensor that reads nonsense while somebody is in the lift: the ticket opens.
func TestEvidenceThatIsNoNumberKeepsNoTicketBack(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c, _ := s.run()
	raised := ticket.Transition{
		ID: "x1", Ticket: "t1", Kind: ticket.Raise, AtMS: start.UnixMilli(), Stamp: ticket.Stamp{WallMS: start.UnixMilli(), Origin: "sunrise/s1"},
		Subject:  &ticket.Subject{Estate: "sunrise", Edge: "s1", Device: "lift-1", DeviceKind: "elevator", Rule: "r", Fault: ticket.Entrapment, Severity: ticket.Critical, Title: ticket.Title{Code: "entrapment"}},
		Evidence: []ticket.Evidence{{Metric: "speed", Value: math.NaN()}, {Metric: "load", Value: math.Inf(1)}, {Metric: "floor", Value: 3}},
	}
	err := inTx(c.store, c.desk)(t.Context(), func(tx ingest.Tx) error {
		return tx.ApplyTransitions(t.Context(), "sunrise", "s1", false, []ticket.Transition{raised})
	})
	if err != nil {
		t.Fatal(err)
	}
	rows := tickets(t, c.store)
	if len(rows) != 1 || len(rows[0].Evidence) != 3 || rows[0].Evidence[0].Text != "NaN" || rows[0].Evidence[1].Text != "+Inf" || rows[0].Evidence[2].Value != 3 {
		t.Errorf("%+v", rows)
	}
	if !math.IsNaN(raised.Evidence[0].Value) {
		t.Error("what was handed over was changed")
	}
}
