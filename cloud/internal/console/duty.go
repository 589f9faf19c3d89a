package console

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/linshao/linshao/cloud/internal/access"
	"github.com/linshao/linshao/cloud/internal/duty"
)

// DutyInput asks who is on duty.
type DutyInput struct {
	Estate string `query:"estate" required:"true" maxLength:"64"`
	At     string `query:"at" doc:"RFC 3339 or Unix ms; default now"`
}

// DutyView says who is on duty, and who is next.
type DutyView struct {
	Estate string       `json:"estate"`
	At     time.Time    `json:"at"`
	OnDuty []PersonView `json:"on_duty" doc:"Vanguard members first; empty means nobody"`
	Absent []PersonView `json:"absent" doc:"Rostered, but not signed on where the roster asks for it"`
	Next   *NextView    `json:"next" doc:"The next change; null if none within a week"`
}

// TransformSchema implements huma.SchemaTransformer: a reference alone would
// deny that there may be no next change.
func (DutyView) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	next := s.Properties["next"]
	s.Properties["next"] = &huma.Schema{Description: next.Description, OneOf: []*huma.Schema{{Ref: next.Ref}, {Type: "null"}}}
	return s
}

// PersonView is somebody on duty, and why.
type PersonView struct {
	Staff    string     `json:"staff"`
	Name     string     `json:"name"`
	Post     string     `json:"post"`
	Phone    string     `json:"phone,omitempty" doc:"For those who may see it"`
	Vanguard bool       `json:"vanguard"`
	Leader   bool       `json:"leader"`
	Roster   string     `json:"roster"`
	Shift    string     `json:"shift"`
	Covers   string     `json:"covers,omitempty" doc:"Staff id this person stands in for"`
	Until    *time.Time `json:"until"`
}

// NextView is who takes over, and when.
type NextView struct {
	At     time.Time    `json:"at"`
	OnDuty []PersonView `json:"on_duty"`
}

func (c *Console) registerDuty() {
	register(c, huma.Operation{OperationID: "get-duty", Method: http.MethodGet, Path: "/api/v1/duty", Summary: "Who is on duty, and next", Tags: []string{"Duty"}}, c.onDuty)
}

func (c *Console) onDuty(ctx context.Context, in *DutyInput) (*One[DutyView], error) {
	if err := allow(ctx, access.See, access.Target{Estate: in.Estate}); err != nil {
		return nil, err
	}
	at, err := instant("at", in.At, c.nowMS())
	if err != nil {
		return nil, err
	}
	plan, err := c.planning.DutyPlan(ctx, in.Estate)
	if err != nil {
		return nil, err
	}
	z := zoneNamed(plan.Timezone)
	personal := access.May(who(ctx), access.SeePersonal, access.Target{Estate: in.Estate})
	now := duty.At(plan, at)
	v := DutyView{Estate: in.Estate, At: z.at(at), OnDuty: people(now.People, z, personal), Absent: people(now.Absent, z, personal)}
	if next, ok := duty.Next(plan, at); ok {
		v.Next = &NextView{At: z.at(next.AtMS), OnDuty: people(next.People, z, personal)}
	}
	return &One[DutyView]{v}, nil
}

func people(list []duty.Person, z zone, personal bool) []PersonView {
	out := make([]PersonView, 0, len(list))
	for _, p := range list {
		v := PersonView{
			Staff: p.Staff.ID, Name: p.Staff.Name, Post: string(p.Staff.Post), Vanguard: p.Staff.Vanguard, Leader: p.Leader,
			Roster: p.Roster, Shift: p.Shift, Covers: p.Covers, Until: z.maybe(p.UntilMS),
		}
		if personal {
			v.Phone = p.Staff.Phone
		}
		out = append(out, v)
	}
	return out
}
