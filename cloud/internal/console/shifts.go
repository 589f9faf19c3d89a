package console

import (
	"context"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/linshao/linshao/cloud/internal/access"
	"github.com/linshao/linshao/cloud/internal/duty"
)

// ShiftView is one shift with the roster it belongs to.
type ShiftView struct {
	ID     string   `json:"id,omitempty"`
	Estate string   `json:"estate"`
	Roster string   `json:"roster"`
	From   string   `json:"from" pattern:"^[0-2][0-9]:[0-5][0-9]$" example:"20:00"`
	To     string   `json:"to" pattern:"^[0-2][0-9]:[0-5][0-9]$" example:"08:00"`
	Days   []string `json:"days" doc:"mon … sun"`
	Staff  []string `json:"staff"`
	Leader string   `json:"leader,omitempty"`
}

func shiftView(r duty.Roster, s duty.Shift) ShiftView {
	return ShiftView{ID: s.ID, Estate: r.Estate, Roster: r.ID, From: s.From, To: s.To, Days: s.Days, Staff: s.Staff, Leader: s.Leader}
}

// A shift lives in its roster; these operations edit the roster around it.
func (c *Console) registerShifts() {
	registerPlan(c, plan[ShiftView, ShiftView]{
		word: "shift", plural: "shifts", list: c.shifts, save: c.saveShift, drop: c.dropShift,
		show: func(_ context.Context, v ShiftView) ShiftView { return v },
		read: func(_ context.Context, v ShiftView) (ShiftView, error) {
			if v.ID == "" {
				v.ID = uuid.NewString()
			}
			return v, nil
		},
		id:     func(v ShiftView) (string, string) { return v.Estate, v.ID },
		rename: func(v *ShiftView, id string) { v.ID = id },
	})
	register(c, huma.Operation{
		OperationID: "sign-on", Method: http.MethodPost, Path: "/api/v1/duty/sign-on", Summary: "Go on duty (上岗) or off (下岗)",
		Tags: []string{"Planning"}, DefaultStatus: http.StatusNoContent,
	}, c.signOn)
}

func (c *Console) shifts(ctx context.Context, q Query) ([]ShiftView, string, error) {
	rosters, next, err := c.planning.Rosters(ctx, q)
	if err != nil {
		return nil, "", err
	}
	var out []ShiftView
	for _, r := range rosters {
		for _, s := range r.Shifts {
			out = append(out, shiftView(r, s))
		}
	}
	return out, next, nil
}

// roster finds one roster of an estate.
func (c *Console) roster(ctx context.Context, estate string, match func(duty.Roster) bool) (duty.Roster, error) {
	q := Query{Scope: access.Scope{Estates: []string{estate}}, Estate: estate, Limit: 500}
	for {
		list, next, err := c.planning.Rosters(ctx, q)
		if err != nil {
			return duty.Roster{}, err
		}
		if i := slices.IndexFunc(list, match); i >= 0 {
			return list[i], nil
		}
		if next == "" {
			return duty.Roster{}, errNotFound
		}
		q.Cursor = next
	}
}

func (c *Console) saveShift(ctx context.Context, v ShiftView) error {
	c.editing.Lock()
	defer c.editing.Unlock()
	r, err := c.roster(ctx, v.Estate, func(r duty.Roster) bool { return r.ID == v.Roster })
	if err != nil {
		return err
	}
	s := duty.Shift{ID: v.ID, From: v.From, To: v.To, Days: v.Days, Staff: v.Staff, Leader: v.Leader}
	if i := slices.IndexFunc(r.Shifts, func(s duty.Shift) bool { return s.ID == v.ID }); i >= 0 {
		r.Shifts[i] = s
	} else {
		r.Shifts = append(r.Shifts, s)
	}
	return c.planning.SaveRoster(ctx, r)
}

func (c *Console) dropShift(ctx context.Context, estate, id string) (bool, error) {
	c.editing.Lock()
	defer c.editing.Unlock()
	has := func(s duty.Shift) bool { return s.ID == id }
	r, err := c.roster(ctx, estate, func(r duty.Roster) bool { return slices.ContainsFunc(r.Shifts, has) })
	if err != nil {
		return false, err
	}
	r.Shifts = slices.DeleteFunc(r.Shifts, has)
	return true, c.planning.SaveRoster(ctx, r)
}

// SignOnInput is one press of 上岗 or 下岗.
type SignOnInput struct {
	Body struct {
		Estate string `json:"estate" maxLength:"64"`
		On     bool   `json:"on"`
		As     string `json:"as,omitempty" maxLength:"64" doc:"Staff id; dispatcher and admin only"`
	}
}

func (c *Console) signOn(ctx context.Context, in *SignOnInput) (*struct{}, error) {
	p, a := who(ctx), access.SignOn
	staff := p.Staff
	if in.Body.As != "" && in.Body.As != staff {
		staff, a = in.Body.As, access.Plan
	}
	if err := allow(ctx, a, access.Target{Estate: in.Body.Estate}); err != nil {
		return nil, err
	}
	if staff == "" {
		return nil, problem(http.StatusUnprocessableEntity, "invalid", "this login is not bound to a person: say as whom")
	}
	return nil, c.planning.SignOn(ctx, duty.SignOn{Estate: in.Body.Estate, Staff: staff, AtMS: c.nowMS(), On: in.Body.On})
}
