package console

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/linshao/linshao/cloud/internal/access"
)

// cookieName is the session cookie's name.
const cookieName = "linshao_session"

type principalKey struct{}

// who returns the principal that authenticate found. Operations that may be
// called without one do not ask.
func who(ctx context.Context) access.Principal {
	p, _ := ctx.Value(principalKey{}).(access.Principal)
	return p
}

// authenticate finds out who asks, by bearer token or session cookie, and
// refuses what has neither; a wrong credential is refused even where a right
// one stands beside it.
func (c *Console) authenticate(r *http.Request) (access.Principal, error) {
	if h := r.Header.Get("Authorization"); h != "" {
		scheme, token, _ := strings.Cut(h, " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return access.Principal{}, errNotSignedIn
		}
		return c.identity(c.door.ByToken(r.Context(), strings.TrimSpace(token)))
	}
	if k, err := r.Cookie(cookieName); err == nil && k.Value != "" {
		return c.identity(c.door.BySession(r.Context(), k.Value))
	}
	return access.Principal{}, errNotSignedIn
}

func (c *Console) identity(p access.Principal, err error) (access.Principal, error) {
	if errors.Is(err, access.ErrUnknown) {
		return p, errNotSignedIn
	}
	return p, err
}

// guard is the API's middleware: it lets nobody pass into an operation that
// declares security without knowing who they are.
func (c *Console) guard(ctx huma.Context, next func(huma.Context)) {
	if len(ctx.Operation().Security) == 0 {
		next(ctx)
		return
	}
	r, _ := unwrap(ctx)
	p, err := c.authenticate(r)
	if err != nil {
		c.writeError(ctx, err)
		return
	}
	next(huma.WithValue(ctx, principalKey{}, p))
}

func (c *Console) writeError(ctx huma.Context, err error) {
	var p *Problem
	if !errors.As(c.fail(ctx.Context(), err), &p) {
		p = problem(http.StatusInternalServerError, "internal", "something failed here; it is in the log")
	}
	ctx.SetHeader("Content-Type", "application/problem+json")
	ctx.SetStatus(p.Status)
	_ = c.api.Marshal(ctx.BodyWriter(), "application/json", p) // the client is gone; nobody is left to tell
}

// SignInInput is what POST /login takes.
type SignInInput struct {
	remote
	Body struct {
		User     string `json:"user" maxLength:"64" doc:"Login name"`
		Password string `json:"password" maxLength:"256"`
	}
}

// remote learns the caller's address from the request.
type remote struct{ addr string }

// Resolve implements huma.Resolver.
func (r *remote) Resolve(ctx huma.Context) []error {
	host, _, err := net.SplitHostPort(ctx.RemoteAddr())
	if err != nil {
		host = ctx.RemoteAddr()
	}
	r.addr = host
	return nil
}

// Me says who is signed in.
type Me struct {
	Kind    string   `json:"kind" enum:"user,token"`
	Name    string   `json:"name"`
	Role    string   `json:"role" enum:"admin,dispatcher,patrol,maintainer,viewer"`
	Staff   string   `json:"staff" doc:"staff id the login is bound to, or empty"`
	Estates []string `json:"estates" doc:"empty means all"`
}

// MeOutput answers who somebody is; SetCookie begins or ends a session.
type MeOutput struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
	Body      Me
}

func meOf(p access.Principal) Me {
	return Me{Kind: string(p.Kind), Name: p.ID, Role: string(p.Role), Staff: p.Staff, Estates: append([]string{}, p.Scope.Estates...)}
}

func (c *Console) registerAuth() {
	huma.Register(c.api, huma.Operation{
		OperationID: "login", Method: http.MethodPost, Path: "/api/v1/login", Summary: "Sign in with a password", Tags: []string{"Session"},
	}, c.login)
	register(c, huma.Operation{
		OperationID: "logout", Method: http.MethodPost, Path: "/api/v1/logout", Summary: "Sign out", Tags: []string{"Session"}, DefaultStatus: http.StatusNoContent,
	}, c.logout)
	register(c, huma.Operation{
		OperationID: "me", Method: http.MethodGet, Path: "/api/v1/me", Summary: "Who am I", Tags: []string{"Session"},
	}, func(ctx context.Context, _ *struct{}) (*struct{ Body Me }, error) {
		return &struct{ Body Me }{meOf(who(ctx))}, nil
	})
}

func (c *Console) login(ctx context.Context, in *SignInInput) (*MeOutput, error) {
	p, cookie, err := c.door.SignIn(ctx, in.Body.User, in.Body.Password, in.addr)
	if errors.Is(err, access.ErrRefused) {
		return nil, problem(http.StatusUnauthorized, "wrong_password", "the name or the password is wrong")
	}
	if err != nil {
		return nil, c.fail(ctx, err)
	}
	return &MeOutput{SetCookie: c.cookie(cookie, 30*24*3600), Body: meOf(p)}, nil
}

// LogoutInput carries the session to end.
type LogoutInput struct {
	Session http.Cookie `cookie:"linshao_session"`
}

// CookieOutput only sets the cookie.
type CookieOutput struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
}

func (c *Console) logout(ctx context.Context, in *LogoutInput) (*CookieOutput, error) {
	if in.Session.Value != "" {
		if err := c.door.SignOut(ctx, in.Session.Value); err != nil {
			return nil, err
		}
	}
	return &CookieOutput{SetCookie: c.cookie("", -1)}, nil
}

func (c *Console) cookie(value string, maxAge int) http.Cookie {
	return http.Cookie{
		Name: cookieName, Value: value, Path: "/", MaxAge: maxAge, HttpOnly: true,
		SameSite: http.SameSiteLaxMode, Secure: strings.HasPrefix(c.publicURL, "https://"),
	}
}
