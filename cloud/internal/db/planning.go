package db

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"

	"github.com/linshao/linshao/cloud/internal/duty"
	"github.com/linshao/linshao/cloud/internal/routing"
)

// Staff, rosters, overrides, policies and mutes are small, and read as a whole
// by the pure packages duty and routing: each is one document under (estate,
// id), in a table of its own.
type planRow struct {
	bun.BaseModel `bun:"alias:plan"`

	Estate string `bun:"estate,pk"`
	ID     string `bun:"id,pk"`
	Doc    string `bun:"doc"`
}

func savePlan(ctx context.Context, tx *Tx, table, estate, id string, doc any, more ...column) error {
	packed, err := pack(doc)
	if err != nil {
		return err
	}
	names, values, sets := "estate, id, doc", "?, ?, ?", "doc = EXCLUDED.doc"
	args := []any{estate, id, packed}
	for _, c := range more {
		names += ", " + c.name
		values += ", ?"
		sets += ", " + c.name + " = EXCLUDED." + c.name
		args = append(args, c.value)
	}
	_, err = tx.db.NewRaw("INSERT INTO "+table+" ("+names+") VALUES ("+values+") ON CONFLICT (estate, id) DO UPDATE SET "+sets, args...).Exec(ctx)
	if err != nil {
		return fmt.Errorf("save %s %s/%s: %w", table, estate, id, err)
	}
	return nil
}

// column is one more column of a plan table; name is a constant.
type column struct {
	name  string
	value any
}

func deletePlan(ctx context.Context, tx *Tx, table, estate, id string) (bool, error) {
	res, err := tx.db.NewRaw("DELETE FROM "+table+" WHERE estate = ? AND id = ?", clean(estate), clean(id)).Exec(ctx)
	if err != nil {
		return false, fmt.Errorf("delete from %s: %w", table, err)
	}
	n, err := res.RowsAffected()
	return n > 0, err
}

func listPlan[N any](ctx context.Context, v *View, table string, p Page) ([]N, string, error) {
	q := p.within(v.db.NewSelect().ModelTableExpr(table + " AS plan"))
	rows, next, err := listByID(ctx, p, q, func(r planRow) cursor[string] { return cursor[string]{r.Estate, r.ID} })
	if err != nil {
		return nil, "", fmt.Errorf("list %s: %w", table, err)
	}
	out, err := nouns(rows, planNoun[N])
	return out, next, err
}

// allPlan returns everything of one estate, by id.
func allPlan[N any](ctx context.Context, v *View, table, estate string) ([]N, error) {
	var rows []planRow
	err := v.db.NewSelect().Model(&rows).ModelTableExpr(table+" AS plan").Where("estate = ?", clean(estate)).Order("id").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("read %s of %s: %w", table, estate, err)
	}
	return nouns(rows, planNoun[N])
}

func planNoun[N any](r planRow) (n N, err error) {
	err = unpack(r.Doc, &n)
	return n, err
}

// SaveStaff inserts or overwrites by (estate, id), as do all Save methods here.
func (tx *Tx) SaveStaff(ctx context.Context, s duty.Staff) error {
	return savePlan(ctx, tx, "staff", s.Estate, s.ID, s, column{"org", s.Org})
}

// DeleteStaff removes a person and their personal data; what they did stays,
// under their id. It reports whether there was one, as do all Delete methods.
func (tx *Tx) DeleteStaff(ctx context.Context, estate, id string) (bool, error) {
	return deletePlan(ctx, tx, "staff", estate, id)
}

// Staff lists people.
func (v *View) Staff(ctx context.Context, p Page) ([]duty.Staff, string, error) {
	return listPlan[duty.Staff](ctx, v, "staff", p)
}

// SaveRoster saves a roster.
func (tx *Tx) SaveRoster(ctx context.Context, r duty.Roster) error {
	return savePlan(ctx, tx, "rosters", r.Estate, r.ID, r)
}

// DeleteRoster removes a roster.
func (tx *Tx) DeleteRoster(ctx context.Context, estate, id string) (bool, error) {
	return deletePlan(ctx, tx, "rosters", estate, id)
}

// Rosters lists rosters.
func (v *View) Rosters(ctx context.Context, p Page) ([]duty.Roster, string, error) {
	return listPlan[duty.Roster](ctx, v, "rosters", p)
}

// SaveOverride saves an override.
func (tx *Tx) SaveOverride(ctx context.Context, o duty.Override) error {
	return savePlan(ctx, tx, "overrides", o.Estate, o.ID, o, column{"from_ms", o.FromMS}, column{"to_ms", o.ToMS})
}

// DeleteOverride removes an override.
func (tx *Tx) DeleteOverride(ctx context.Context, estate, id string) (bool, error) {
	return deletePlan(ctx, tx, "overrides", estate, id)
}

// Overrides lists overrides.
func (v *View) Overrides(ctx context.Context, p Page) ([]duty.Override, string, error) {
	return listPlan[duty.Override](ctx, v, "overrides", p)
}

// SavePolicy saves a policy.
func (tx *Tx) SavePolicy(ctx context.Context, p routing.Policy) error {
	return savePlan(ctx, tx, "policies", p.Estate, p.ID, p)
}

// DeletePolicy removes a policy.
func (tx *Tx) DeletePolicy(ctx context.Context, estate, id string) (bool, error) {
	return deletePlan(ctx, tx, "policies", estate, id)
}

// ListPolicies lists policies.
func (v *View) ListPolicies(ctx context.Context, p Page) ([]routing.Policy, string, error) {
	return listPlan[routing.Policy](ctx, v, "policies", p)
}

// Policies returns all policies of an estate, by id.
func (v *View) Policies(ctx context.Context, estate string) ([]routing.Policy, error) {
	return allPlan[routing.Policy](ctx, v, "policies", estate)
}

// SaveMute saves a mute.
func (tx *Tx) SaveMute(ctx context.Context, m routing.Mute) error {
	return savePlan(ctx, tx, "mutes", m.Estate, m.ID, m, column{"from_ms", m.FromMS}, column{"to_ms", m.ToMS})
}

// DeleteMute removes a mute.
func (tx *Tx) DeleteMute(ctx context.Context, estate, id string) (bool, error) {
	return deletePlan(ctx, tx, "mutes", estate, id)
}

// ListMutes lists mutes, ended ones too.
func (v *View) ListMutes(ctx context.Context, p Page) ([]routing.Mute, string, error) {
	return listPlan[routing.Mute](ctx, v, "mutes", p)
}

// Mutes returns all mutes of an estate, by id.
func (v *View) Mutes(ctx context.Context, estate string) ([]routing.Mute, error) {
	return allPlan[routing.Mute](ctx, v, "mutes", estate)
}

type signOnRow struct {
	bun.BaseModel `bun:"table:sign_ons,alias:s"`

	Estate string `bun:"estate,pk"`
	Staff  string `bun:"staff,pk"`
	AtMS   int64  `bun:"at_ms,pk"`
	On     bool   `bun:"on_duty"`
}

// SignOn keeps one press of 上岗 or 下岗.
func (tx *Tx) SignOn(ctx context.Context, s duty.SignOn) error {
	return tx.upsert(ctx, &signOnRow{Estate: s.Estate, Staff: s.Staff, AtMS: s.AtMS, On: s.On}, "estate, staff, at_ms")
}

// DutyPlan returns everything that duty depends on in one estate; of each
// person the newest press.
func (v *View) DutyPlan(ctx context.Context, estate string) (duty.Plan, error) {
	var plan duty.Plan
	e, _, err := v.Estate(ctx, estate)
	if err != nil {
		return plan, fmt.Errorf("read estate %s: %w", estate, err)
	}
	plan.Timezone = e.Timezone
	if plan.Staff, err = allPlan[duty.Staff](ctx, v, "staff", estate); err != nil {
		return plan, err
	}
	if plan.Rosters, err = allPlan[duty.Roster](ctx, v, "rosters", estate); err != nil {
		return plan, err
	}
	if plan.Overrides, err = allPlan[duty.Override](ctx, v, "overrides", estate); err != nil {
		return plan, err
	}
	var rows []signOnRow
	err = v.db.NewSelect().Model(&rows).Where("estate = ?", clean(estate)).
		Where("at_ms = (SELECT MAX(n.at_ms) FROM sign_ons AS n WHERE n.estate = s.estate AND n.staff = s.staff)").
		Order("staff").Scan(ctx)
	if err != nil {
		return plan, fmt.Errorf("read sign-ons of %s: %w", estate, err)
	}
	for _, r := range rows {
		plan.SignOns = append(plan.SignOns, duty.SignOn{Estate: r.Estate, Staff: r.Staff, AtMS: r.AtMS, On: r.On})
	}
	return plan, nil
}
