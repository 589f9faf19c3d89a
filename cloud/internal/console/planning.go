package console

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/linshao/linshao/cloud/internal/access"
	"github.com/linshao/linshao/cloud/internal/duty"
	"github.com/linshao/linshao/cloud/internal/routing"
)

// Named names one thing of an estate.
type Named struct {
	ID     string `path:"id" maxLength:"64"`
	Estate string `query:"estate" required:"true" maxLength:"64"`
}

// plan describes one kind of planning thing to the API: T as the store keeps
// it, V as people see it.
type plan[T, V any] struct {
	word, plural string
	list         func(context.Context, Query) ([]T, string, error)
	save         func(context.Context, T) error
	drop         func(ctx context.Context, estate, id string) (bool, error)
	// show and read translate; read may refuse.
	show func(context.Context, T) V
	read func(context.Context, V) (T, error)
	// id returns the estate and the id of a T.
	id func(T) (estate, id string)
	// rename sets the id that a PUT's path names.
	rename func(*V, string)
}

// registerPlan adds list, create, replace and delete of one kind.
func registerPlan[T, V any](c *Console, p plan[T, V]) {
	tags, path := []string{"Planning"}, "/api/v1/"+p.plural
	register(c, huma.Operation{OperationID: "list-" + p.plural, Method: http.MethodGet, Path: path, Summary: "List " + p.plural, Tags: tags},
		func(ctx context.Context, in *InEstate) (*Page[V], error) {
			list, next, err := p.list(ctx, in.query(ctx))
			return pageOf(list, next, func(t T) V { return p.show(ctx, t) }), err
		})
	write := func(ctx context.Context, v V) (*One[V], error) {
		t, err := p.read(ctx, v)
		if err != nil {
			return nil, err
		}
		estate, id := p.id(t)
		if estate == "" || id == "" {
			return nil, problem(http.StatusUnprocessableEntity, "invalid", "name the estate and the id of the "+p.word)
		}
		if err := mayPlan(ctx, estate); err != nil {
			return nil, err
		}
		if err := p.save(ctx, t); err != nil {
			return nil, err
		}
		return &One[V]{p.show(ctx, t)}, nil
	}
	register(c, huma.Operation{OperationID: "create-" + p.word, Method: http.MethodPost, Path: path, Summary: "Add or replace a " + p.word + "; without an id it gets one", Tags: tags},
		func(ctx context.Context, in *struct{ Body V }) (*One[V], error) {
			if t, err := p.read(ctx, in.Body); err == nil {
				if _, id := p.id(t); id == "" {
					p.rename(&in.Body, uuid.NewString())
				}
			}
			return write(ctx, in.Body)
		})
	register(c, huma.Operation{OperationID: "save-" + p.word, Method: http.MethodPut, Path: path, Summary: "Add or replace the " + p.word + " that the body names", Tags: tags},
		func(ctx context.Context, in *struct{ Body V }) (*One[V], error) { return write(ctx, in.Body) })
	register(c, huma.Operation{OperationID: "put-" + p.word, Method: http.MethodPut, Path: path + "/{id}", Summary: "Replace a " + p.word, Tags: tags},
		func(ctx context.Context, in *struct {
			ID   string `path:"id" maxLength:"64"`
			Body V
		},
		) (*One[V], error) {
			p.rename(&in.Body, in.ID)
			return write(ctx, in.Body)
		})
	register(c, huma.Operation{OperationID: "delete-" + p.word, Method: http.MethodDelete, Path: path + "/{id}", Summary: "Delete a " + p.word, Tags: tags, DefaultStatus: http.StatusNoContent},
		func(ctx context.Context, in *Named) (*struct{}, error) {
			if err := mayPlan(ctx, in.Estate); err != nil {
				return nil, err
			}
			ok, err := p.drop(ctx, in.Estate, in.ID)
			if err == nil && !ok {
				err = errNotFound
			}
			return nil, err
		})
}

// OverrideView is an exception to the rosters.
type OverrideView struct {
	ID     string    `json:"id" required:"false"`
	Estate string    `json:"estate"`
	Roster string    `json:"roster,omitempty" doc:"Empty: all rosters of the estate"`
	Out    string    `json:"out,omitempty" doc:"Staff id taken off duty"`
	In     string    `json:"in,omitempty" doc:"Staff id put on duty"`
	From   time.Time `json:"from"`
	To     time.Time `json:"to" doc:"Excluded"`
	Reason string    `json:"reason,omitempty"`
}

// MuteView suppresses paging; life safety ignores it.
type MuteView struct {
	ID     string    `json:"id" required:"false"`
	Estate string    `json:"estate"`
	Device string    `json:"device,omitempty"`
	Kind   string    `json:"kind,omitempty"`
	Rule   string    `json:"rule,omitempty"`
	From   time.Time `json:"from"`
	To     time.Time `json:"to" doc:"Excluded"`
	Reason string    `json:"reason" minLength:"1"`
	By     string    `json:"by,omitempty" readOnly:"true"`
}

// PolicyView says who is paged for what.
type PolicyView struct {
	ID     string        `json:"id"`
	Estate string        `json:"estate"`
	Match  routing.Match `json:"match" required:"false"`
	Steps  []StepView    `json:"steps"`
}

// StepView is one escalation stage.
type StepView struct {
	To    string `json:"to" doc:"duty, leader, manager, desk, maintainer or staff:ID"`
	After string `json:"after" doc:"0s, 60s, 5m …" example:"60s"`
	Track string `json:"track,omitempty" doc:"Parallel ladder; an acceptance stops only its own"`
}

func (c *Console) registerPlanning() {
	registerPlan(c, plan[duty.Staff, StaffView]{
		word: "person", plural: "staff", list: c.planning.Staff, save: c.saveStaff, drop: c.planning.DeleteStaff,
		show: func(ctx context.Context, s duty.Staff) StaffView {
			return staffView(s, access.May(who(ctx), access.SeePersonal, access.Target{Estate: s.Estate}))
		},
		read:   func(_ context.Context, v StaffView) (duty.Staff, error) { return v.staff(), nil },
		id:     func(s duty.Staff) (string, string) { return s.Estate, s.ID },
		rename: func(v *StaffView, id string) { v.ID = id },
	})
	registerPlan(c, plan[duty.Roster, duty.Roster]{
		word: "roster", plural: "rosters", list: c.planning.Rosters, save: c.planning.SaveRoster, drop: c.planning.DeleteRoster,
		show:   func(_ context.Context, r duty.Roster) duty.Roster { return r },
		read:   func(_ context.Context, r duty.Roster) (duty.Roster, error) { return r, nil },
		id:     func(r duty.Roster) (string, string) { return r.Estate, r.ID },
		rename: func(r *duty.Roster, id string) { r.ID = id },
	})
	registerPlan(c, plan[duty.Override, OverrideView]{
		word: "override", plural: "overrides", list: c.planning.Overrides, save: c.planning.SaveOverride, drop: c.planning.DeleteOverride,
		show: c.overrideView, read: readOverride,
		id:     func(o duty.Override) (string, string) { return o.Estate, o.ID },
		rename: func(v *OverrideView, id string) { v.ID = id },
	})
	registerPlan(c, plan[routing.Policy, PolicyView]{
		word: "policy", plural: "policies", list: c.planning.Policies, save: c.planning.SavePolicy, drop: c.planning.DeletePolicy,
		show: policyView, read: readPolicy,
		id:     func(p routing.Policy) (string, string) { return p.Estate, p.ID },
		rename: func(v *PolicyView, id string) { v.ID = id },
	})
	registerPlan(c, plan[routing.Mute, MuteView]{
		word: "mute", plural: "mutes", list: c.planning.Mutes, save: c.planning.SaveMute, drop: c.planning.DeleteMute,
		show: c.muteView, read: readMute,
		id:     func(m routing.Mute) (string, string) { return m.Estate, m.ID },
		rename: func(v *MuteView, id string) { v.ID = id },
	})
	c.registerShifts()
}

func (v StaffView) staff() duty.Staff {
	return duty.Staff{
		ID: v.ID, Name: v.Name, Estate: v.Estate, Org: v.Org, Phone: v.Phone, Post: duty.Post(cmp.Or(v.Post, string(duty.Patrol))), PartyMember: v.PartyMember,
		Vanguard: v.Vanguard, Skills: v.Skills, Channels: v.Channels,
	}
}

// saveStaff keeps the secrets that the API never shows: a channel that comes
// without one keeps what it had.
func (c *Console) saveStaff(ctx context.Context, s duty.Staff) error {
	q := Query{Scope: access.Scope{Estates: []string{s.Estate}}, Estate: s.Estate, Limit: 500}
	for {
		list, next, err := c.planning.Staff(ctx, q)
		if err != nil {
			return err
		}
		for _, old := range list {
			if old.ID == s.ID {
				keepSecrets(s.Channels, old.Channels)
			}
		}
		if next == "" {
			return c.planning.SaveStaff(ctx, s)
		}
		q.Cursor = next
	}
}

func keepSecrets(channels, old []duty.Channel) {
	for i := range channels {
		for _, o := range old {
			if channels[i].Secret == "" && o.Kind == channels[i].Kind && o.URL == channels[i].URL {
				channels[i].Secret = o.Secret
			}
		}
	}
}

func (c *Console) overrideView(ctx context.Context, o duty.Override) OverrideView {
	z := c.zoneOf(ctx, o.Estate)
	return OverrideView{
		ID: o.ID, Estate: o.Estate, Roster: o.Roster, Out: o.Out, In: o.In, From: z.at(o.FromMS), To: z.at(o.ToMS), Reason: o.Reason,
	}
}

func readOverride(_ context.Context, v OverrideView) (duty.Override, error) {
	return duty.Override{
		ID: v.ID, Estate: v.Estate, Roster: v.Roster, Out: v.Out, In: v.In, FromMS: v.From.UnixMilli(), ToMS: v.To.UnixMilli(), Reason: v.Reason,
	}, span(v.From, v.To)
}

func span(from, to time.Time) error {
	if !from.Before(to) {
		return problem(http.StatusUnprocessableEntity, "invalid", "to must be after from")
	}
	return nil
}

func (c *Console) muteView(ctx context.Context, m routing.Mute) MuteView {
	z := c.zoneOf(ctx, m.Estate)
	return MuteView{
		ID: m.ID, Estate: m.Estate, Device: m.Device, Kind: m.Kind, Rule: m.Rule, From: z.at(m.FromMS), To: z.at(m.ToMS), Reason: m.Reason, By: m.By,
	}
}

func readMute(ctx context.Context, v MuteView) (routing.Mute, error) {
	return routing.Mute{
		ID: v.ID, Estate: v.Estate, Device: v.Device, Kind: v.Kind, Rule: v.Rule, FromMS: v.From.UnixMilli(), ToMS: v.To.UnixMilli(),
		Reason: v.Reason, By: who(ctx).Key(),
	}, span(v.From, v.To)
}

func policyView(_ context.Context, p routing.Policy) PolicyView {
	v := PolicyView{ID: p.ID, Estate: p.Estate, Match: p.Match, Steps: make([]StepView, 0, len(p.Steps))}
	for _, s := range p.Steps {
		v.Steps = append(v.Steps, StepView{To: s.To, After: s.After.String(), Track: s.Track})
	}
	return v
}

func readPolicy(_ context.Context, v PolicyView) (routing.Policy, error) {
	p := routing.Policy{ID: v.ID, Estate: v.Estate, Match: v.Match}
	for _, s := range v.Steps {
		after, err := time.ParseDuration(s.After)
		if err != nil || after < 0 {
			return p, problem(http.StatusUnprocessableEntity, "invalid", "after of the step to "+s.To+" is a length of time such as 0s, 60s or 5m")
		}
		p.Steps = append(p.Steps, routing.Step{To: s.To, After: after, Track: s.Track})
	}
	return p, nil
}
