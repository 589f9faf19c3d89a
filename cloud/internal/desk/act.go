package desk

import (
	"context"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/linshao/linshao/protocol/kit/chaos"
	"github.com/linshao/linshao/protocol/ticket"
)

// Act is what a person (or a token in their place) decides about a ticket.
// Who may do it, and in whose name, the caller has decided.
type Act struct {
	// ID is the Transition's id; the same id acts once. Empty: a new one.
	ID     string
	Estate string
	Ticket ticket.ID
	Kind   ticket.Kind
	// AtMS is when it happened (a tap in a lift shaft may reach us an hour
	// later); 0 is now.
	AtMS     int64
	By       ticket.Actor
	Note     string
	Reason   string
	Outcome  ticket.Outcome
	To       string
	Evidence []ticket.Evidence
}

const (
	// maxText bounds notes and reasons.
	maxText = 4000
	// slack forgives the difference between a phone's clock and ours.
	slack = time.Minute
)

// Act makes the Transition and returns the ticket after it. Errors for the
// person are ErrNotFound, *InvalidError and *ticket.NotAllowedError.
func (d *Desk) Act(ctx context.Context, tx Tx, a Act) (Row, error) {
	if err := a.valid(); err != nil {
		return Row{}, err
	}
	if err := tx.LockTickets(ctx, a.Estate); err != nil {
		return Row{}, fmt.Errorf("lock tickets of %s: %w", a.Estate, err)
	}
	row, ok, err := tx.TicketRow(ctx, a.Estate, a.Ticket)
	if err != nil {
		return Row{}, fmt.Errorf("read ticket %s: %w", a.Ticket, err)
	}
	if !ok {
		return Row{}, ErrNotFound
	}
	if a.ID == "" {
		a.ID = newID(tx)
	} else if known, err := tx.KnownTransitions(ctx, a.Estate, []string{a.ID}); err != nil || known[a.ID] {
		return row, err
	}
	if err := d.allowed(ctx, tx, row, a.Kind); err != nil {
		return Row{}, err
	}
	at, err := instant(a.AtMS, row.RaisedMS, tx.NowMS())
	if err != nil {
		return Row{}, err
	}
	chaos.At("desk.act.before")
	row, err = d.make(ctx, tx, a.Estate, ticket.Transition{
		ID: a.ID, Ticket: row.ID, Kind: a.Kind, AtMS: at, By: a.By, Note: a.Note, Reason: a.Reason,
		Outcome: a.Outcome, To: a.To, Evidence: a.Evidence,
	})
	chaos.At("desk.act.after")
	return row, err
}

func (a Act) valid() error {
	texts := []struct{ field, text string }{{"note", a.Note}, {"reason", a.Reason}}
	for _, t := range texts {
		if utf8.RuneCountInString(t.text) > maxText {
			return &InvalidError{Field: t.field, Why: fmt.Sprintf("longer than %d characters", maxText)}
		}
	}
	switch {
	case len(a.ID) > maxID:
		return &InvalidError{Field: "id", Why: "too long"}
	case a.Kind == ticket.MarkFalseAlarm && a.Reason == "":
		return &InvalidError{Field: "reason", Why: "a false alarm needs a reason"}
	case a.Kind == ticket.Comment && a.Note == "":
		return &InvalidError{Field: "note", Why: "a comment says something"}
	case a.Outcome != "" && a.Kind != ticket.Resolve:
		return &InvalidError{Field: "outcome", Why: "only resolving has an outcome"}
	case a.Outcome != "" && !slices.Contains([]ticket.Outcome{ticket.Fixed, ticket.NoFaultFound, ticket.Duplicate}, a.Outcome):
		return &InvalidError{Field: "outcome", Why: "fixed, no_fault_found or duplicate"}
	}
	return nil
}

// allowed adds to the ticket's own rules that one condition has at most one
// unresolved ticket: only its newest can be reopened, since what the edge still
// has to tell may reopen that one.
func (d *Desk) allowed(ctx context.Context, tx Tx, row Row, k ticket.Kind) error {
	if err := ticket.Allowed(row.Ticket, k); err != nil {
		return err
	}
	if k != ticket.Reopen {
		return nil
	}
	other, ok, err := tx.TicketByKey(ctx, row.Key())
	if err != nil {
		return fmt.Errorf("look for a ticket of %s: %w", row.Key(), err)
	}
	if ok && other.ID != row.ID {
		return &ticket.NotAllowedError{Kind: k, State: row.State, Why: "the condition has a newer ticket: " + string(other.ID)}
	}
	return nil
}

// instant accepts what a person says about when something happened: between
// the raise and now, give or take their clock's error.
func instant(atMS, raisedMS, nowMS int64) (int64, error) {
	if atMS == 0 {
		return nowMS, nil
	}
	earliest := min(raisedMS, nowMS) // an edge's clock may run ahead of ours
	if atMS < earliest-slack.Milliseconds() || atMS > nowMS+slack.Milliseconds() {
		return 0, &InvalidError{Field: "at", Why: "between the raise of the ticket and now"}
	}
	return min(max(atMS, earliest), nowMS), nil
}

// Report is what a person noticed.
type Report struct {
	// ID, if given, makes reporting it twice one ticket.
	ID       ticket.ID
	Estate   string
	Edge     string
	Device   string
	Kind     string // of the device
	Location string
	Fault    ticket.Fault
	Severity ticket.Severity
	AtMS     int64
	By       ticket.Actor
	Text     string
}

// Report opens a ticket of its own for what a person noticed: two residents
// who report the same thing are both answered.
func (d *Desk) Report(ctx context.Context, tx Tx, r Report) (Row, error) {
	if r.Text == "" || utf8.RuneCountInString(r.Text) > maxText {
		return Row{}, &InvalidError{Field: "text", Why: fmt.Sprintf("1 to %d characters", maxText)}
	}
	if len(r.ID) > maxID {
		return Row{}, &InvalidError{Field: "id", Why: "too long"}
	}
	if r.ID != "" {
		if row, ok, err := tx.TicketRow(ctx, r.Estate, r.ID); err != nil || ok {
			return row, err
		}
	} else {
		r.ID = ticket.ID(newID(tx))
	}
	at, err := instant(r.AtMS, 0, tx.NowMS())
	if err != nil {
		return Row{}, err
	}
	s := ticket.Subject{
		Estate: r.Estate, Edge: r.Edge, Device: r.Device, DeviceKind: r.Kind, Location: r.Location,
		Rule: string(ticket.HumanReported), Metric: string(r.ID), Fault: r.Fault, Severity: r.Severity,
		Title: ticket.Title{Code: string(r.Fault)},
	}
	if s.Fault == "" {
		s.Fault = ticket.HumanReported
		s.Title.Code = string(ticket.HumanReported)
	}
	if s.Severity == "" {
		s.Severity = ticket.Minor
	}
	return d.Raise(ctx, tx, r.ID, s, at, r.By, r.Text)
}

// newID returns a UUIDv7 of the transaction's instant.
func newID(tx Tx) string { return string(ticket.NewID(time.UnixMilli(tx.NowMS()))) }
