package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"time"

	"github.com/linshao/linshao/cloud/internal/access"
	"github.com/linshao/linshao/cloud/internal/config"
	"github.com/linshao/linshao/cloud/internal/db"
	"github.com/linshao/linshao/cloud/internal/duty"
	"github.com/linshao/linshao/cloud/internal/fleet"
	"github.com/linshao/linshao/cloud/internal/planfile"
	"github.com/linshao/linshao/cloud/internal/series"
	"github.com/linshao/linshao/protocol/kit/clock"
	"github.com/linshao/linshao/protocol/ticket"
	"github.com/linshao/linshao/protocol/topic"
)

// ops are what an operator does beside a running collector, or to a stopped
// one. Each takes effect with its commit.
type ops struct {
	cfg   config.File
	store *db.Store
	// series is the running collector's; nil beside a stopped one.
	series  *series.Standby
	clock   clock.Clock
	version string
	log     *slog.Logger
}

// ops are those of a running collector.
func (c *cloud) ops() ops {
	return ops{cfg: c.cfg, store: c.store, series: c.standby, clock: c.o.Clock, version: c.o.Version, log: c.log}
}

// UsageError is the operator's mistake; commands exit with status 2 on it.
type UsageError struct{ Why string }

func (e *UsageError) Error() string { return e.Why }

// ImportRequest is an import file.
type ImportRequest struct {
	File string `json:"file"`
	Text string `json:"text"`
}

// Imported counts what an import wrote.
type Imported struct {
	Estates   int `json:"estates"`
	Edges     int `json:"edges"`
	Orgs      int `json:"orgs"`
	Devices   int `json:"devices"`
	Staff     int `json:"staff"`
	Rosters   int `json:"rosters"`
	Overrides int `json:"overrides"`
	Policies  int `json:"policies"`
	Mutes     int `json:"mutes"`
}

// importPlan reads and writes a whole file, or nothing of it.
func (o ops) importPlan(ctx context.Context, r ImportRequest) (Imported, error) {
	known, err := o.known(ctx)
	if err != nil {
		return Imported{}, err
	}
	p, err := planfile.Parse(r.File, []byte(r.Text), known)
	if err != nil {
		return Imported{}, err
	}
	err = o.store.InTx(ctx, func(tx *db.Tx) error {
		return errors.Join(
			each(p.Estates, func(e fleet.Estate) error { return tx.SaveEstate(ctx, e) }),
			each(p.Edges, func(e fleet.Edge) error { return tx.AddEdge(ctx, e.Estate, e.ID) }),
			each(p.Orgs, func(x fleet.Org) error { return tx.SaveOrg(ctx, x) }),
			each(p.Devices, func(d fleet.Device) error { return tx.SaveDevice(ctx, d) }),
			each(p.Staff, func(s duty.Staff) error { return tx.SaveStaff(ctx, s) }),
			each(p.Rosters, func(x duty.Roster) error { return tx.SaveRoster(ctx, x) }),
			each(p.Overrides, func(x duty.Override) error { return tx.SaveOverride(ctx, x) }),
			savePolicies(ctx, tx, p),
			reroute(ctx, tx, ""),
		)
	})
	return Imported{
		Estates: len(p.Estates), Edges: len(p.Edges), Orgs: len(p.Orgs), Devices: len(p.Devices), Staff: len(p.Staff),
		Rosters: len(p.Rosters), Overrides: len(p.Overrides), Policies: len(p.Policies), Mutes: len(p.Mutes),
	}, err
}

func savePolicies(ctx context.Context, tx *db.Tx, p planfile.Plan) error {
	for _, x := range p.Policies {
		if err := tx.SavePolicy(ctx, x); err != nil {
			return err
		}
	}
	for _, m := range p.Mutes {
		if err := tx.SaveMute(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

func each[T any](all []T, f func(T) error) error {
	for _, x := range all {
		if err := f(x); err != nil {
			return err
		}
	}
	return nil
}

// known reads what an import file may refer to.
func (o ops) known(ctx context.Context) (planfile.Known, error) {
	estates, edges, orgs := map[string]bool{}, map[string]bool{}, map[string]bool{}
	staff, rosters := map[string]bool{}, map[string]bool{}
	v := o.store.Read()
	err := errors.Join(
		all(ctx, v.Estates, func(e fleet.Estate) { estates[e.ID] = true }),
		all(ctx, v.Edges, func(e fleet.Edge) { edges[e.Estate+"/"+e.ID] = true }),
		all(ctx, v.Orgs, func(x fleet.Org) { orgs[x.Estate+"/"+x.ID] = true }),
		all(ctx, v.Staff, func(s duty.Staff) { staff[s.Estate+"/"+s.ID] = true }),
		all(ctx, v.Rosters, func(r duty.Roster) { rosters[r.Estate+"/"+r.ID] = true }),
	)
	in := func(m map[string]bool) func(estate, id string) bool {
		return func(estate, id string) bool { return m[estate+"/"+id] }
	}
	return planfile.Known{
		Estate: func(id string) bool { return estates[id] }, Edge: in(edges), Org: in(orgs), Staff: in(staff), Roster: in(rosters),
	}, err
}

// all reads every page of a list.
func all[T any](ctx context.Context, list func(context.Context, db.Page) ([]T, string, error), f func(T)) error {
	p := db.Page{Scope: access.Scope{AllEstates: true}, Limit: 1000}
	for {
		items, next, err := list(ctx, p)
		if err != nil {
			return err
		}
		for _, x := range items {
			f(x)
		}
		if next == "" {
			return nil
		}
		p.Cursor = next
	}
}

// UserRequest is a login to add or to change.
type UserRequest struct {
	Name     string `json:"name"`
	Role     string `json:"role"`
	Estate   string `json:"estate,omitempty"`
	Staff    string `json:"staff,omitempty"`
	Password string `json:"password"`
}

// Done answers an operation that has nothing to say.
type Done struct{}

func (o ops) addUser(ctx context.Context, r UserRequest) (Done, error) {
	if !topic.Valid(r.Name) {
		return Done{}, &UsageError{Why: fmt.Sprintf("user name %q: use a-z, 0-9, '.', '_', '-'", r.Name)}
	}
	estates, err := o.scope(ctx, r.Role, r.Estate)
	if err != nil {
		return Done{}, err
	}
	if err := o.checkStaff(ctx, r); err != nil {
		return Done{}, err
	}
	passwords, err := access.NewPasswords(1)
	if err != nil {
		return Done{}, err
	}
	hash, err := passwords.Hash(ctx, r.Password)
	if err != nil {
		return Done{}, &UsageError{Why: err.Error()}
	}
	return Done{}, o.store.InTx(ctx, func(tx *db.Tx) error {
		return tx.SaveAccount(ctx, access.Account{
			Name: r.Name, Role: access.Role(r.Role), Estates: estates, Staff: r.Staff, PasswordHash: hash, CreatedMS: tx.NowMS(),
		})
	})
}

// scope checks role and estate and returns the estates of the login; empty is
// all of them.
func (o ops) scope(ctx context.Context, role, estate string) ([]string, error) {
	if !access.Role(role).Valid() {
		return nil, &UsageError{Why: fmt.Sprintf("role %q: use admin, dispatcher, patrol, maintainer or viewer", role)}
	}
	if estate == "" {
		return nil, nil
	}
	_, ok, err := o.store.Read().Estate(ctx, estate)
	if err == nil && !ok {
		err = &UsageError{Why: fmt.Sprintf("there is no estate %q: import it first", estate)}
	}
	return []string{estate}, err
}

func (o ops) checkStaff(ctx context.Context, r UserRequest) error {
	if r.Staff == "" {
		return nil
	}
	var found []string
	err := all(ctx, o.store.Read().Staff, func(s duty.Staff) {
		if s.ID == r.Staff && (r.Estate == "" || s.Estate == r.Estate) {
			found = append(found, s.Estate)
		}
	})
	switch {
	case err != nil:
		return err
	case len(found) == 0:
		return &UsageError{Why: fmt.Sprintf("there is no person %q: import them first", r.Staff)}
	case len(found) > 1 && r.Estate == "":
		slices.Sort(found)
		return &UsageError{Why: fmt.Sprintf("%v each have a person %q: add --estate", found, r.Staff)}
	}
	return nil
}

// TokenRequest is an API token to make.
type TokenRequest struct {
	Name   string `json:"name"`
	Role   string `json:"role"`
	Estate string `json:"estate,omitempty"`
}

// Secret is shown once.
type Secret struct {
	Secret string `json:"secret"`
}

func (o ops) createToken(ctx context.Context, r TokenRequest) (Secret, error) {
	estates, err := o.scope(ctx, r.Role, r.Estate)
	if err != nil {
		return Secret{}, err
	}
	secret := access.NewSecret("lst_")
	return Secret{secret}, o.store.InTx(ctx, func(tx *db.Tx) error {
		return tx.AddToken(ctx, access.APIToken{
			ID: newID(tx), Name: r.Name, Hash: access.HashSecret(secret), Role: access.Role(r.Role), Estates: estates, CreatedMS: tx.NowMS(),
		})
	})
}

func newID(tx *db.Tx) string { return string(ticket.NewID(time.UnixMilli(tx.NowMS()))) }

// CredentialRequest is an edge to let in.
type CredentialRequest struct {
	Estate string `json:"estate"`
	Edge   string `json:"edge"`
}

// Uplink is what goes into edge.yaml.
type Uplink struct {
	URL      string `json:"url"`
	Username string `json:"username"`
	Password string `json:"password"`
}

// createCredential lets an edge in, and makes estate and edge if they are new.
func (o ops) createCredential(ctx context.Context, r CredentialRequest) (Uplink, error) {
	for what, id := range map[string]string{"estate": r.Estate, "edge": r.Edge} {
		if !topic.Valid(id) {
			return Uplink{}, &UsageError{Why: fmt.Sprintf("%s %q: use a-z, 0-9, '.', '_', '-'", what, id)}
		}
	}
	secret := access.NewSecret("lse_")
	err := o.store.InTx(ctx, func(tx *db.Tx) error {
		_, ok, err := tx.Estate(ctx, r.Estate)
		if err == nil && !ok {
			err = tx.SaveEstate(ctx, fleet.Estate{ID: r.Estate, Name: r.Estate, Timezone: duty.DefaultTimezone})
		}
		if err != nil {
			return err
		}
		if err := tx.AddEdge(ctx, r.Estate, r.Edge); err != nil {
			return err
		}
		return tx.AddCredential(ctx, access.Credential{
			ID: newID(tx), Estate: r.Estate, Edge: r.Edge, Hash: access.HashSecret(secret), CreatedMS: tx.NowMS(),
		})
	})
	return Uplink{URL: o.uplinkURL(), Username: r.Estate + "/" + r.Edge, Password: secret}, err
}

// uplinkURL is where edges reach this collector, as far as it can tell.
func (o ops) uplinkURL() string {
	scheme, listen := "tcp", o.cfg.MQTT.Listen
	if t := o.cfg.MQTT.TLS; t != nil {
		scheme, listen = "ssl", t.Listen
	}
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return scheme + "://" + listen
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		if u, err := url.Parse(o.cfg.HTTP.PublicURL); err == nil {
			host = u.Hostname()
		}
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}
