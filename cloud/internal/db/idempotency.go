package db

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"
)

// AnswersKeptMS is how long an Idempotency-Key is good for: 24 h.
const AnswersKeptMS = 24 * 3600 * 1000

// Answer is what a request with an Idempotency-Key was answered.
type Answer struct {
	// Principal is access.Principal.Key(): a key is one caller's own.
	Principal, Key string
	// Request is a digest of what was asked: the same key with another
	// request is the caller's mistake.
	Request string
	Status  int
	Body    []byte
}

type answerRow struct {
	bun.BaseModel `bun:"table:idempotency"`

	Principal string `bun:"principal,pk"`
	Key       string `bun:"key,pk"`
	Request   string `bun:"request"`
	Status    int    `bun:"status"`
	Body      []byte `bun:"body"`
	AtMS      int64  `bun:"at_ms"`
}

// Answer returns what was answered to this key within the last 24 h.
func (v *View) Answer(ctx context.Context, principal, key string) (Answer, bool, error) {
	var r answerRow
	ok, err := found(v.db.NewSelect().Model(&r).Where("principal = ? AND key = ?", clean(principal), clean(key)).
		Where("at_ms > ?", v.nowMS-AnswersKeptMS).Scan(ctx))
	return Answer{Principal: r.Principal, Key: r.Key, Request: r.Request, Status: r.Status, Body: r.Body}, ok, err
}

// SaveAnswer keeps an answer, in the transaction of what it answers.
func (tx *Tx) SaveAnswer(ctx context.Context, a Answer) error {
	r := answerRow{
		Principal: clean(a.Principal), Key: clean(a.Key), Request: a.Request, Status: a.Status, Body: a.Body, AtMS: tx.nowMS,
	}
	if r.Body == nil {
		r.Body = []byte{}
	}
	if err := tx.upsert(ctx, &r, "principal, key"); err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	return nil
}
