package app

import (
	"context"
	"errors"
	"net/http"

	"github.com/linshao/linshao/cloud/internal/console"
	"github.com/linshao/linshao/cloud/internal/db"
	"github.com/linshao/linshao/cloud/internal/desk"
	"github.com/linshao/linshao/cloud/internal/duty"
	"github.com/linshao/linshao/cloud/internal/routing"
)

// changing lets the console act on tickets, each in one transaction.
type changing struct {
	store *db.Store
	desk  *desk.Desk
}

var _ console.Desk = changing{}

func (c changing) Act(ctx context.Context, a console.Act) (console.TicketRow, error) {
	return c.row(ctx, func(tx *db.Tx) (desk.Row, error) {
		return c.desk.Act(ctx, tx, desk.Act{
			ID: a.TransitionID, Estate: a.Estate, Ticket: a.Ticket, Kind: a.Kind, AtMS: a.AtMS, By: a.By, Note: a.Note,
			Reason: a.Reason, Outcome: a.Outcome, To: a.To,
		})
	})
}

func (c changing) Report(ctx context.Context, r console.Report) (console.TicketRow, error) {
	return c.row(ctx, func(tx *db.Tx) (desk.Row, error) {
		return c.desk.Report(ctx, tx, desk.Report{
			ID: r.ID, Estate: r.Device.Estate, Edge: r.Device.Edge, Device: r.Device.ID, Kind: r.Device.Kind, Location: r.Device.Location,
			Fault: r.Fault, Severity: r.Severity, AtMS: r.AtMS, By: r.By, Text: r.Text,
		})
	})
}

// row runs one change and returns the ticket after it, with its log.
func (c changing) row(ctx context.Context, f func(*db.Tx) (desk.Row, error)) (console.TicketRow, error) {
	var out desk.Row
	err := c.store.InTx(ctx, func(tx *db.Tx) error {
		row, err := f(tx)
		if err != nil {
			return err
		}
		out, _, err = tx.TicketWithLog(ctx, row.Estate, row.ID)
		return err
	})
	return rowOf(out), asProblem(err)
}

// asProblem tells a client what of an error is theirs to know.
func asProblem(err error) error {
	var invalid *desk.InvalidError
	switch {
	case errors.As(err, &invalid):
		return &console.Problem{Status: http.StatusUnprocessableEntity, Code: "invalid", Title: "Unprocessable Entity", Detail: invalid.Error()}
	case errors.Is(err, desk.ErrNotFound):
		return &console.Problem{Status: http.StatusNotFound, Code: "not_found", Title: "Not Found", Detail: "there is no such ticket"}
	case errors.Is(err, db.ErrBadCursor):
		return &console.Problem{Status: http.StatusUnprocessableEntity, Code: "invalid", Title: "Unprocessable Entity", Detail: err.Error()}
	}
	return err
}

// listed passes on a list, with a bad cursor told as the client's mistake.
func listed[T any](list []T, next string, err error) ([]T, string, error) {
	return list, next, asProblem(err)
}

func (p planning) SaveStaff(ctx context.Context, s duty.Staff) error {
	if ps := s.Validate(); len(ps) > 0 {
		return invalid(ps)
	}
	return p.change(ctx, s.Estate, func(tx *db.Tx) error { return tx.SaveStaff(ctx, s) })
}

func (p planning) SaveRoster(ctx context.Context, r duty.Roster) error {
	plan, err := p.DutyPlan(ctx, r.Estate)
	if err != nil {
		return err
	}
	if ps := r.Validate(knows(plan.Staff, func(s duty.Staff) string { return s.ID })); len(ps) > 0 {
		return invalid(ps)
	}
	return p.change(ctx, r.Estate, func(tx *db.Tx) error { return tx.SaveRoster(ctx, r) })
}

func (p planning) SaveOverride(ctx context.Context, o duty.Override) error {
	plan, err := p.DutyPlan(ctx, o.Estate)
	if err != nil {
		return err
	}
	if ps := o.Validate(knows(plan.Staff, func(s duty.Staff) string { return s.ID }), knows(plan.Rosters, func(r duty.Roster) string { return r.ID })); len(ps) > 0 {
		return invalid(ps)
	}
	return p.change(ctx, o.Estate, func(tx *db.Tx) error { return tx.SaveOverride(ctx, o) })
}

func (p planning) SavePolicy(ctx context.Context, x routing.Policy) error {
	plan, err := p.DutyPlan(ctx, x.Estate)
	if err != nil {
		return err
	}
	if ps := x.Validate(knows(plan.Staff, func(s duty.Staff) string { return s.ID })); len(ps) > 0 {
		return invalid(ps)
	}
	return p.change(ctx, x.Estate, func(tx *db.Tx) error { return tx.SavePolicy(ctx, x) })
}

func (p planning) SaveMute(ctx context.Context, m routing.Mute) error {
	if ps := m.Validate(); len(ps) > 0 {
		return invalid(ps)
	}
	return p.change(ctx, m.Estate, func(tx *db.Tx) error { return tx.SaveMute(ctx, m) })
}

func (p planning) DeleteStaff(ctx context.Context, estate, id string) (bool, error) {
	return p.drop(ctx, estate, id, (*db.Tx).DeleteStaff)
}

func (p planning) DeleteRoster(ctx context.Context, estate, id string) (bool, error) {
	return p.drop(ctx, estate, id, (*db.Tx).DeleteRoster)
}

func (p planning) DeleteOverride(ctx context.Context, estate, id string) (bool, error) {
	return p.drop(ctx, estate, id, (*db.Tx).DeleteOverride)
}

func (p planning) DeletePolicy(ctx context.Context, estate, id string) (bool, error) {
	return p.drop(ctx, estate, id, (*db.Tx).DeletePolicy)
}

func (p planning) DeleteMute(ctx context.Context, estate, id string) (bool, error) {
	return p.drop(ctx, estate, id, (*db.Tx).DeleteMute)
}

func (p planning) SignOn(ctx context.Context, s duty.SignOn) error {
	return p.change(ctx, s.Estate, func(tx *db.Tx) error { return tx.SignOn(ctx, s) })
}

func (p planning) drop(ctx context.Context, estate, id string, f func(*db.Tx, context.Context, string, string) (bool, error)) (ok bool, err error) {
	err = p.change(ctx, estate, func(tx *db.Tx) error {
		ok, err = f(tx, ctx, estate, id)
		return err
	})
	return ok, err
}

// change alters the plans of an estate and has its open tickets planned anew:
// whoever just came on duty, or is muted no longer, is paged now and not at
// the next look that the old plan led to.
func (p planning) change(ctx context.Context, estate string, f func(*db.Tx) error) error {
	return p.store.InTx(ctx, func(tx *db.Tx) error {
		if err := f(tx); err != nil {
			return err
		}
		return reroute(ctx, tx, estate)
	})
}

func knows[T any](all []T, id func(T) string) func(string) bool {
	known := make(map[string]bool, len(all))
	for _, x := range all {
		known[id(x)] = true
	}
	return func(s string) bool { return known[s] }
}

// invalid joins what is wrong with a plan into one answer.
func invalid(ps []duty.Problem) error {
	p := &console.Problem{Status: http.StatusUnprocessableEntity, Code: "invalid", Title: "Unprocessable Entity"}
	for i, x := range ps {
		if i > 0 {
			p.Detail += "\n"
		}
		p.Detail += x.Error()
	}
	return p
}
