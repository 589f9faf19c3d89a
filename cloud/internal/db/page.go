package db

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/uptrace/bun"

	"github.com/linshao/linshao/cloud/internal/access"
)

// Page asks for one page of a list: only what Scope holds, in a stable order.
type Page struct {
	Scope access.Scope
	// Estate narrows to one estate.
	Estate string
	// Cursor is where the page before ended; empty for the first.
	Cursor string
	// Limit is at most maxLimit; 0 is defaultLimit.
	Limit int
}

const (
	defaultLimit = 100
	maxLimit     = 1000
)

// ErrBadCursor means that a cursor was not made by the list it was given to.
var ErrBadCursor = errors.New("cursor is not one of this list")

func (p Page) limit() int {
	if p.Limit <= 0 {
		return defaultLimit
	}
	return min(p.Limit, maxLimit)
}

// within restricts q to the page's estates. The column is named estate.
func (p Page) within(q *bun.SelectQuery) *bun.SelectQuery {
	if !p.Scope.AllEstates {
		q = q.Where("estate IN (?)", bun.List(p.Scope.Estates))
	}
	if p.Estate != "" {
		q = q.Where("estate = ?", p.Estate)
	}
	return q
}

// looksAfter restricts q further to a contractor's devices.
func (p Page) looksAfter(q *bun.SelectQuery, device, kind string) *bun.SelectQuery {
	if !p.Scope.Limited {
		return q
	}
	return q.Where("(? IN (?) OR ? IN (?))",
		bun.Ident(device), bun.List(p.Scope.Devices), bun.Ident(kind), bun.List(p.Scope.Kinds))
}

// byID orders q by (estate, id) and goes on behind the cursor.
func (p Page) byID(q *bun.SelectQuery) (*bun.SelectQuery, error) {
	if p.Cursor != "" {
		at, err := parseCursor[string](p.Cursor)
		if err != nil {
			return nil, err
		}
		q = q.Where("(estate, id) > (?, ?)", clean(at.First), clean(at.Second))
	}
	return q.Order("estate", "id").Limit(int64(p.limit() + 1)), nil
}

// newest orders q by (ms column, id), newest first, and goes on behind the
// cursor.
func (p Page) newest(q *bun.SelectQuery, ms string) (*bun.SelectQuery, error) {
	if p.Cursor != "" {
		at, err := parseCursor[int64](p.Cursor)
		if err != nil {
			return nil, err
		}
		q = q.Where("(?, id) < (?, ?)", bun.Ident(ms), at.First, clean(at.Second))
	}
	return q.OrderExpr("? DESC, id DESC", bun.Ident(ms)).Limit(int64(p.limit() + 1)), nil
}

// cursor is where a page ended: the values that its list is ordered by.
type cursor[T any] struct {
	First  T      `json:"a"`
	Second string `json:"b"`
}

// cut drops the row that only tells that there are more, and returns the
// cursor behind the last one kept.
func cut[R, T any](p Page, rows []R, at func(R) cursor[T]) ([]R, string, error) {
	if len(rows) <= p.limit() {
		return rows, "", nil
	}
	rows = rows[:p.limit()]
	b, err := json.Marshal(at(rows[len(rows)-1]))
	if err != nil {
		return nil, "", fmt.Errorf("encode cursor: %w", err)
	}
	return rows, base64.RawURLEncoding.EncodeToString(b), nil
}

func parseCursor[T any](s string) (at cursor[T], err error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return at, ErrBadCursor
	}
	if err := json.Unmarshal(b, &at); err != nil {
		return at, ErrBadCursor
	}
	return at, nil
}

// clean makes a string from outside fit for every engine: valid UTF-8 without
// NUL and other controls.
func clean(s string) string {
	ok := utf8.ValidString(s)
	for i := 0; ok && i < len(s); i++ {
		ok = s[i] >= ' ' && s[i] != 0x7f
	}
	if ok {
		return s
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// pack and unpack turn nested parts into a _doc column and back. JSON escapes
// what the engines can't take.
func pack(v any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("encode document: %w", err)
	}
	return string(b), nil
}

func unpack(doc string, v any) error {
	if err := json.Unmarshal([]byte(doc), v); err != nil {
		return fmt.Errorf("decode document: %w", err)
	}
	return nil
}
