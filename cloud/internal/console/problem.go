package console

import (
	"context"
	"errors"
	"net/http"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"github.com/linshao/linshao/cloud/internal/access"
	"github.com/linshao/linshao/protocol/ticket"
)

// Problem is an RFC 9457 problem detail. Code is stable and for programs;
// Title and Detail are for people.
type Problem struct {
	Status int                 `json:"status" doc:"HTTP status" example:"409"`
	Code   string              `json:"code" doc:"Stable word for programs" example:"transition_not_allowed"`
	Title  string              `json:"title" doc:"What kind of problem" example:"Conflict"`
	Detail string              `json:"detail,omitempty" doc:"What is wrong here, and the mend"`
	Errors []*huma.ErrorDetail `json:"errors,omitempty" doc:"Where in the request it is wrong"`
}

var _ huma.StatusError = (*Problem)(nil)

func (p *Problem) Error() string { return p.Detail }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(ct string) string {
	if ct == "application/json" {
		return "application/problem+json"
	}
	return ct
}

// codes are what a status means where nothing more precise is known.
func codeOf(status int) string {
	switch status {
	case http.StatusBadRequest:
		return "bad_request"
	case http.StatusUnauthorized:
		return "not_signed_in"
	case http.StatusForbidden:
		return "forbidden"
	case http.StatusNotFound:
		return "not_found"
	case http.StatusConflict:
		return "conflict"
	case http.StatusUnprocessableEntity:
		return "invalid"
	case http.StatusTooManyRequests:
		return "too_many_tries"
	case http.StatusRequestEntityTooLarge:
		return "too_large"
	}
	return "internal"
}

func problem(status int, code, detail string) *Problem {
	return &Problem{Status: status, Code: code, Title: http.StatusText(status), Detail: detail}
}

// teachHuma makes huma's own errors (validation, unknown routes) Problems.
// huma keeps its error constructor in a variable of its package.
var teachHuma = sync.OnceFunc(func() {
	huma.NewError = func(status int, msg string, errs ...error) huma.StatusError {
		p := problem(status, codeOf(status), msg)
		for _, err := range errs {
			var d huma.ErrorDetailer
			switch {
			case errors.As(err, &d):
				p.Errors = append(p.Errors, d.ErrorDetail())
			case err != nil:
				p.Errors = append(p.Errors, &huma.ErrorDetail{Message: err.Error()})
			}
		}
		return p
	}
})

var (
	errNotFound    = problem(http.StatusNotFound, "not_found", "there is no such thing, or it is not yours to see")
	errForbidden   = problem(http.StatusForbidden, "forbidden", "your role does not allow this")
	errNotSignedIn = problem(http.StatusUnauthorized, "not_signed_in", "sign in, or send a token: Authorization: Bearer …")
)

// fail turns an error of the inside into what a client may see: known kinds
// keep their words, everything else is logged and becomes a 500.
func (c *Console) fail(ctx context.Context, err error) error {
	var known *Problem
	var refused *ticket.NotAllowedError
	var locked *access.LockedError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return known
	case errors.As(err, &refused):
		return problem(http.StatusConflict, "transition_not_allowed", refused.Error())
	case errors.As(err, &locked):
		return problem(http.StatusTooManyRequests, "too_many_tries", locked.Error())
	case errors.Is(err, access.ErrBusy):
		return problem(http.StatusServiceUnavailable, "busy", err.Error())
	case errors.Is(err, context.Canceled):
		return problem(http.StatusServiceUnavailable, "cancelled", "the request was cancelled")
	}
	c.log.ErrorContext(ctx, "request failed", "err", err)
	return problem(http.StatusInternalServerError, "internal", "something failed here; it is in the log")
}
