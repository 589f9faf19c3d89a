package db

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"

	"github.com/linshao/linshao/cloud/internal/access"
)

type userRow struct {
	bun.BaseModel `bun:"table:users"`

	Name         string `bun:"name,pk"`
	Role         string `bun:"role"`
	Staff        string `bun:"staff"`
	Estates      string `bun:"estates_doc"`
	PasswordHash string `bun:"password_hash"`
	Disabled     bool   `bun:"disabled"`
	CreatedMS    int64  `bun:"created_ms"`
}

func (r userRow) noun() (access.Account, error) {
	a := access.Account{
		Name: r.Name, Role: access.Role(r.Role), Staff: r.Staff, PasswordHash: r.PasswordHash, Disabled: r.Disabled, CreatedMS: r.CreatedMS,
	}
	return a, unpack(r.Estates, &a.Estates)
}

// SaveAccount inserts or overwrites by name. Every session of the account
// ends: they were begun with what it was before.
func (tx *Tx) SaveAccount(ctx context.Context, a access.Account) error {
	estates, err := pack(a.Estates)
	if err != nil {
		return err
	}
	r := userRow{
		Name: a.Name, Role: string(a.Role), Staff: a.Staff, Estates: estates, PasswordHash: a.PasswordHash,
		Disabled: a.Disabled, CreatedMS: a.CreatedMS,
	}
	if err := tx.upsert(ctx, &r, "name"); err != nil {
		return fmt.Errorf("account: %w", err)
	}
	if _, err := tx.db.NewRaw("DELETE FROM sessions WHERE account = ?", a.Name).Exec(ctx); err != nil {
		return fmt.Errorf("end sessions: %w", err)
	}
	return nil
}

// Account implements access.Store.
func (v *View) Account(ctx context.Context, name string) (access.Account, bool, error) {
	var r userRow
	ok, err := found(v.db.NewSelect().Model(&r).Where("name = ?", clean(name)).Scan(ctx))
	if !ok || err != nil || r.Name != name {
		return access.Account{}, false, err
	}
	a, err := r.noun()
	return a, err == nil, err
}

// Accounts lists all accounts by name.
func (v *View) Accounts(ctx context.Context) ([]access.Account, error) {
	var rows []userRow
	if err := v.db.NewSelect().Model(&rows).Order("name").Scan(ctx); err != nil {
		return nil, fmt.Errorf("list accounts: %w", err)
	}
	return nouns(rows, userRow.noun)
}

type sessionRow struct {
	bun.BaseModel `bun:"table:sessions"`

	Hash      string `bun:"hash,pk"`
	Account   string `bun:"account"`
	CreatedMS int64  `bun:"created_ms"`
	SeenMS    int64  `bun:"seen_ms"`
	ExpiresMS int64  `bun:"expires_ms"`
}

type tokenRow struct {
	bun.BaseModel `bun:"table:tokens"`

	Hash      string `bun:"hash,pk"`
	ID        string `bun:"id"`
	Name      string `bun:"name"`
	Role      string `bun:"role"`
	Estates   string `bun:"estates_doc"`
	CreatedMS int64  `bun:"created_ms"`
	ExpiresMS int64  `bun:"expires_ms"`
	RevokedMS int64  `bun:"revoked_ms"`
}

func (r tokenRow) noun() (access.APIToken, error) {
	t := access.APIToken{
		ID: r.ID, Name: r.Name, Hash: r.Hash, Role: access.Role(r.Role), CreatedMS: r.CreatedMS, ExpiresMS: r.ExpiresMS, RevokedMS: r.RevokedMS,
	}
	return t, unpack(r.Estates, &t.Estates)
}

// AddToken keeps a new token.
func (tx *Tx) AddToken(ctx context.Context, t access.APIToken) error {
	estates, err := pack(t.Estates)
	if err != nil {
		return err
	}
	r := tokenRow{
		Hash: t.Hash, ID: t.ID, Name: clean(t.Name), Role: string(t.Role), Estates: estates,
		CreatedMS: t.CreatedMS, ExpiresMS: t.ExpiresMS, RevokedMS: t.RevokedMS,
	}
	if _, err := tx.db.NewInsert().Model(&r).Returning("NULL").Exec(ctx); err != nil {
		return fmt.Errorf("add token: %w", err)
	}
	return nil
}

// RevokeToken ends a token; it reports whether there was one.
func (tx *Tx) RevokeToken(ctx context.Context, id string) (bool, error) {
	return tx.affects(ctx, "UPDATE tokens SET revoked_ms = ? WHERE id = ? AND revoked_ms = 0", tx.nowMS, clean(id))
}

// Tokens lists all tokens, the newest first.
func (v *View) Tokens(ctx context.Context) ([]access.APIToken, error) {
	var rows []tokenRow
	if err := v.db.NewSelect().Model(&rows).Order("created_ms DESC", "id").Scan(ctx); err != nil {
		return nil, fmt.Errorf("list tokens: %w", err)
	}
	return nouns(rows, tokenRow.noun)
}

type credentialRow struct {
	bun.BaseModel `bun:"table:edge_credentials"`

	ID        string `bun:"id,pk"`
	Estate    string `bun:"estate"`
	Edge      string `bun:"edge"`
	Hash      string `bun:"hash"`
	CreatedMS int64  `bun:"created_ms"`
	RevokedMS int64  `bun:"revoked_ms"`
}

// AddCredential keeps a new edge credential beside those the edge has.
func (tx *Tx) AddCredential(ctx context.Context, c access.Credential) error {
	r := credentialRow{ID: c.ID, Estate: c.Estate, Edge: c.Edge, Hash: c.Hash, CreatedMS: c.CreatedMS}
	if _, err := tx.db.NewInsert().Model(&r).Returning("NULL").Exec(ctx); err != nil {
		return fmt.Errorf("add edge credential: %w", err)
	}
	return nil
}

// RevokeCredential ends an edge credential; it reports whether there was one.
func (tx *Tx) RevokeCredential(ctx context.Context, estate, id string) (bool, error) {
	return tx.affects(ctx, "UPDATE edge_credentials SET revoked_ms = ? WHERE estate = ? AND id = ? AND revoked_ms = 0", tx.nowMS, clean(estate), clean(id))
}

func (tx *Tx) affects(ctx context.Context, query string, args ...any) (bool, error) {
	res, err := tx.db.NewRaw(query, args...).Exec(ctx)
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n > 0, err
}

type linkRow struct {
	bun.BaseModel `bun:"table:links"`

	Hash      string `bun:"hash,pk"`
	Estate    string `bun:"estate"`
	Ticket    string `bun:"ticket"`
	Staff     string `bun:"staff"`
	Delivery  string `bun:"delivery"`
	ExpiresMS int64  `bun:"expires_ms"`
}

// AddLink keeps an acknowledge link; adding it again changes nothing.
func (tx *Tx) AddLink(ctx context.Context, l access.Link) error {
	tx.concerns(linkConcern)
	r := linkRow{Hash: l.Hash, Estate: l.Estate, Ticket: l.Ticket, Staff: l.Staff, Delivery: l.Delivery, ExpiresMS: l.ExpiresMS}
	if _, err := tx.db.NewInsert().Model(&r).On("CONFLICT DO NOTHING").Returning("NULL").Exec(ctx); err != nil {
		return fmt.Errorf("add link: %w", err)
	}
	return nil
}
