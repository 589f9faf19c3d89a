package db

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"

	"github.com/linshao/linshao/cloud/internal/audit"
)

type auditRow struct {
	bun.BaseModel `bun:"table:audit"`

	Estate string `bun:"estate,pk"`
	Chain  string `bun:"chain,pk"`
	N      int64  `bun:"n,pk"`
	AtMS   int64  `bun:"at_ms"`
	Ref    string `bun:"ref"`
	Kind   string `bun:"kind"`
	ByKind string `bun:"by_kind"`
	By     string `bun:"by_id"`
	Digest string `bun:"digest"`
	Prev   string `bun:"prev"`
	Hash   string `bun:"hash"`
}

type auditHeadRow struct {
	bun.BaseModel `bun:"table:audit_heads"`

	Estate string `bun:"estate,pk"`
	Chain  string `bun:"chain,pk"`
	N      int64  `bun:"n"`
	Hash   string `bun:"hash"`
}

// AuditHead returns the end of a chain, the zero Head if there is none yet.
func (v *View) AuditHead(ctx context.Context, estate, chain string) (audit.Head, error) {
	var r auditHeadRow
	_, err := found(v.db.NewSelect().Model(&r).Where("estate = ? AND chain = ?", clean(estate), clean(chain)).Scan(ctx))
	return audit.Head{N: r.N, Hash: r.Hash}, err
}

// SaveAudit stores the entry and makes it the head. Its fields must hold
// nothing that clean would change: they are hashed as they are.
func (tx *Tx) SaveAudit(ctx context.Context, e audit.Entry) error {
	r := auditRow{
		Estate: e.Estate, Chain: e.Chain, N: e.N, AtMS: e.AtMS, Ref: e.Ref, Kind: e.Kind, ByKind: e.ByKind, By: e.By,
		Digest: e.Digest, Prev: e.Prev, Hash: e.Hash,
	}
	if _, err := tx.db.NewInsert().Model(&r).Returning("NULL").Exec(ctx); err != nil {
		return fmt.Errorf("save audit entry: %w", err)
	}
	return tx.upsert(ctx, &auditHeadRow{Estate: e.Estate, Chain: e.Chain, N: e.N, Hash: e.Hash}, "estate, chain")
}

// Audit returns a whole chain, in order.
func (v *View) Audit(ctx context.Context, estate, chain string) ([]audit.Entry, error) {
	var rows []auditRow
	err := v.db.NewSelect().Model(&rows).Where("estate = ? AND chain = ?", clean(estate), clean(chain)).Order("n").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("read audit chain: %w", err)
	}
	return nouns(rows, func(r auditRow) (audit.Entry, error) {
		return audit.Entry{
			Estate: r.Estate, Chain: r.Chain, N: r.N, AtMS: r.AtMS, Ref: r.Ref, Kind: r.Kind, ByKind: r.ByKind, By: r.By,
			Digest: r.Digest, Prev: r.Prev, Hash: r.Hash,
		}, nil
	})
}

// VerifyAudit checks a ticket's chain and what it vouches for; the error is a
// *audit.BrokenError if it does not hold.
func (v *View) VerifyAudit(ctx context.Context, estate, chain string) error {
	entries, err := v.Audit(ctx, estate, chain)
	if err != nil {
		return err
	}
	head, err := v.AuditHead(ctx, estate, chain)
	if err != nil {
		return fmt.Errorf("read audit head: %w", err)
	}
	if err := audit.Verify(entries, head); err != nil {
		return err
	}
	refs := make([]string, 0, len(entries))
	for _, e := range entries {
		refs = append(refs, e.Ref)
	}
	docs, err := v.TransitionDocs(ctx, estate, refs)
	if err != nil {
		return err
	}
	return audit.VerifyDocs(entries, func(ref string) []byte { return docs[ref] })
}
