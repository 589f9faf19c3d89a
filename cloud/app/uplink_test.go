package app

import (
	"context"
	"testing"

	"github.com/linshao/linshao/cloud/internal/access"
	"github.com/linshao/linshao/protocol/kit/mqttbroker"
)

// Who may say and hear what on the uplink. What is not listed as allowed is
// forbidden; wills are asked about as any message.
func TestTopicsOfTheUplink(t *testing.T) {
	t.Parallel()
	const (
		edge  = "sunrise/s1"
		twin  = "sunrise/s10" // its name begins like the other's
		next  = "heping/s1"
		local = "radio:tok:sunrise"
		both  = "radio:tok:sunrise,heping"
		all   = "radio:tok:*"
		empty = "radio:tok:"
	)
	const root = "linshao/v1/"
	publish := map[string][]string{
		root + "sunrise/s1/up/alarm": {edge}, root + "sunrise/s1/up/live": {edge}, root + "sunrise/s1/up/hello": {edge},
		root + "sunrise/s1/status": {edge}, root + "sunrise/s10/up/alarm": {twin}, root + "heping/s1/up/alarm": {next},
		root + "sunrise/s1/down/receipt": nil, root + "sunrise/s1/down/transition": nil, root + "sunrise/s1": nil,
		root + "sunrise/patrol/li-wei/pages": nil, root + "sunrise/s1/up/+": nil, root + "sunrise/s1/up/#": nil, "devices/gate-1/telemetry": nil, "": nil,
	}
	read := map[string][]string{
		root + "sunrise/s1/down/receipt": {edge}, root + "sunrise/s1/down/transition": {edge}, root + "heping/s1/down/receipt": {next},
		root + "sunrise/s1/up/alarm": nil, root + "sunrise/s1/status": nil, root + "sunrise/s1/down/#": nil, root + "sunrise/+/down/receipt": nil, root + "#": nil, "#": nil,
		root + "sunrise/patrol/li-wei/pages": {local, both, all}, root + "heping/patrol/li-wei/pages": {both, all},
		root + "sunrise/patrol/+/pages": nil, root + "sunrise/patrol/#": nil, root + "sunrise/patrol/li-wei/pages/more": nil, root + "sunrise-2/patrol/li-wei/pages": {all},
	}
	g := gatekeeper{}
	for _, who := range []string{edge, twin, next, local, both, all, empty, "", "/", "sunrise", "radio:"} {
		id := mqttbroker.Identity(who)
		for name, allowed := range publish {
			if got, want := g.MayPublish(id, name), contains(allowed, who); got != want {
				t.Errorf("%q publishes %q: %v", who, name, got)
			}
		}
		for name, allowed := range read {
			if got, want := g.MayRead(id, name), contains(allowed, who); got != want {
				t.Errorf("%q reads %q: %v", who, name, got)
			}
		}
	}
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// A page carries a link that accepts in somebody's name, so only who may do
// that anyway may listen.
func TestWhoMaySignInOnTheUplink(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c, _ := s.run()
	g := gatekeeper{c.door}
	var up Uplink
	secrets := map[string]string{}
	s.do(func(ctx context.Context, a *Admin) (err error) {
		up, err = a.CreateCredential(ctx, CredentialRequest{Estate: "sunrise", Edge: "s1"})
		return err
	})
	for name, r := range map[string]TokenRequest{
		"desk": {Role: "dispatcher", Estate: "sunrise"}, "all": {Role: "admin"}, "patrol": {Role: "patrol"}, "viewer": {Role: "viewer", Estate: "sunrise"},
	} {
		s.do(func(ctx context.Context, a *Admin) (err error) {
			r.Name = name
			secrets[name], err = a.CreateToken(ctx, r)
			return err
		})
	}
	for _, x := range []struct {
		user, secret string
		ok           bool
	}{
		{up.Username, up.Password, true},
		{up.Username, up.Password + "x", false},
		{"sunrise/s2", up.Password, false},
		{"sunrise", up.Password, false},
		{"", "", false},
		{"token", secrets["desk"], true},
		{"token", secrets["all"], true},
		{"token", secrets["patrol"], false},
		{"token", secrets["viewer"], false},
		{"token", up.Password, false},
		{up.Username, secrets["all"], false},
	} {
		id, err := g.Authenticate(t.Context(), mqttbroker.Credentials{User: []byte(x.user), Password: []byte(x.secret)})
		if (err == nil) != x.ok {
			t.Errorf("%s: %q, %v", x.user, id, err)
		}
	}
	one, err := radioOf(access.Principal{Kind: access.Token, ID: "a", Role: access.Admin, Scope: access.Scope{AllEstates: true}})
	other, err2 := radioOf(access.Principal{Kind: access.Token, ID: "b", Role: access.Admin, Scope: access.Scope{AllEstates: true}})
	if err != nil || err2 != nil || one == other {
		t.Errorf("two tokens would take over each other's sessions: %q %q, %v %v", one, other, err, err2)
	}
}
