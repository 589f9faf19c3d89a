package console

import (
	"context"
	"strings"

	"github.com/linshao/linshao/cloud/internal/access"
)

// Paging is how a list is asked for.
type Paging struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"100" doc:"At most this many items"`
	Cursor string `query:"cursor" maxLength:"512" doc:"next_cursor of the page before"`
}

// InEstate asks for the things of one estate, or of all the caller sees.
type InEstate struct {
	Paging
	Estate string `query:"estate" maxLength:"64" doc:"Estate id; all you may see if absent"`
}

// query builds the scoped query of a list. Asking for an estate that is not
// yours answers an empty list, as an estate that does not exist does.
func (p InEstate) query(ctx context.Context) Query {
	return Query{Scope: who(ctx).Scope, Estate: p.Estate, Cursor: p.Cursor, Limit: p.Limit}
}

// Page is the body of a list's answer.
type Page[T any] struct{ Body List[T] }

func pageOf[A, B any](in []A, next string, f func(A) B) *Page[B] {
	return &Page[B]{Body: listOf(in, next, f)}
}

// One is the body of a single thing's answer.
type One[T any] struct{ Body T }

// Language is how the asker wants texts.
type Language struct {
	Accept string `header:"Accept-Language" doc:"zh (default) or en"`
	Lang   string `query:"lang" enum:"zh,en" doc:"Overrides Accept-Language"`
}

func (l Language) lang() string {
	if l.Lang != "" {
		return l.Lang
	}
	if strings.HasPrefix(strings.ToLower(l.Accept), "en") {
		return "en"
	}
	return "zh"
}

// mayPlan fails unless the caller may edit the plans of an estate.
func mayPlan(ctx context.Context, estate string) error {
	return allow(ctx, access.Plan, access.Target{Estate: estate})
}
