package db_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/linshao/linshao/cloud/internal/access"
	"github.com/linshao/linshao/cloud/internal/db"
	"github.com/linshao/linshao/cloud/internal/db/dbtest"
	"github.com/linshao/linshao/cloud/internal/desk"
	"github.com/linshao/linshao/cloud/internal/dispatch"
	"github.com/linshao/linshao/cloud/internal/duty"
	"github.com/linshao/linshao/cloud/internal/fleet"
	"github.com/linshao/linshao/cloud/internal/routing"
	"github.com/linshao/linshao/protocol/ticket"
)

var _ dispatch.Tx = (*db.Tx)(nil)

func TestAPlanIsReadBackAsItWasSaved(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, _ *dbtest.Database, s *db.Store) {
		ctx := t.Context()
		addEstate(t, s, "sunrise", "moonlight")
		li := duty.Staff{
			ID: "li-wei", Name: "李伟", Estate: "sunrise", Phone: "13800000001", PartyMember: true, Skills: []string{"lift-rescue"},
			Channels: []duty.Channel{{Kind: "webhook", URL: "http://127.0.0.1:9099/li-wei", Secret: "s3cret"}},
		}
		wang := duty.Staff{ID: "wang-fang", Name: "王芳", Estate: "sunrise"}
		roster := duty.Roster{ID: "day", Estate: "sunrise", SignOn: true, Shifts: []duty.Shift{{From: "08:00", To: "20:00", Days: []string{"mon"}, Staff: []string{"li-wei"}}}}
		cover := duty.Override{ID: "o1", Estate: "sunrise", Out: "li-wei", In: "wang-fang", FromMS: 5, ToMS: 9}
		policy := routing.Policy{ID: "default", Estate: "sunrise", Steps: []routing.Step{{To: "duty"}, {To: "leader", After: time.Minute}}}
		mute := routing.Mute{ID: "m1", Estate: "sunrise", Device: "gate-1", FromMS: 1, ToMS: 2, Reason: "painting"}
		for range 2 { // an import is idempotent
			inTx(t, s, func(tx *db.Tx) error {
				foreign := li
				foreign.Estate = "moonlight"
				return errors.Join(tx.SaveStaff(ctx, li), tx.SaveStaff(ctx, wang), tx.SaveStaff(ctx, foreign), tx.SaveRoster(ctx, roster),
					tx.SaveOverride(ctx, cover), tx.SavePolicy(ctx, policy), tx.SaveMute(ctx, mute))
			})
		}
		press := func(staff string, at int64, on bool) {
			inTx(t, s, func(tx *db.Tx) error {
				return tx.SignOn(ctx, duty.SignOn{Estate: "sunrise", Staff: staff, AtMS: at, On: on})
			})
		}
		press("li-wei", 10, true)
		press("wang-fang", 12, true)
		press("li-wei", 20, false)
		press("li-wei", 15, true) // heard late
		want := duty.Plan{
			Timezone: "Asia/Shanghai", Staff: []duty.Staff{li, wang}, Rosters: []duty.Roster{roster}, Overrides: []duty.Override{cover},
			SignOns: []duty.SignOn{{Estate: "sunrise", Staff: "li-wei", AtMS: 20}, {Estate: "sunrise", Staff: "wang-fang", AtMS: 12, On: true}},
		}
		got, err := s.Read().DutyPlan(ctx, "sunrise")
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
		policies, err := s.Read().Policies(ctx, "sunrise")
		mutes, err2 := s.Read().Mutes(ctx, "sunrise")
		if d := cmp.Diff([]routing.Policy{policy}, policies); d != "" || err != nil || err2 != nil || len(mutes) != 1 || mutes[0] != mute {
			t.Error(d, err, err2, mutes)
		}
	})
}

func TestPlansAreListedAndDeletedPerEstate(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, _ *dbtest.Database, s *db.Store) {
		ctx := t.Context()
		save := func(estate string) {
			inTx(t, s, func(tx *db.Tx) error {
				return errors.Join(
					tx.SaveStaff(ctx, duty.Staff{ID: "x", Estate: estate}), tx.SaveRoster(ctx, duty.Roster{ID: "x", Estate: estate}),
					tx.SaveOverride(ctx, duty.Override{ID: "x", Estate: estate}), tx.SavePolicy(ctx, routing.Policy{ID: "x", Estate: estate}),
					tx.SaveMute(ctx, routing.Mute{ID: "x", Estate: estate}))
			})
		}
		save("sunrise")
		save("moonlight")
		count := func(scope access.Scope) (ns []int) {
			v, p := s.Read(), db.Page{Scope: scope}
			staff, _, e1 := v.Staff(ctx, p)
			rosters, _, e2 := v.Rosters(ctx, p)
			overrides, _, e3 := v.Overrides(ctx, p)
			policies, _, e4 := v.ListPolicies(ctx, p)
			mutes, _, e5 := v.ListMutes(ctx, p)
			if err := errors.Join(e1, e2, e3, e4, e5); err != nil {
				t.Fatal(err)
			}
			return []int{len(staff), len(rosters), len(overrides), len(policies), len(mutes)}
		}
		if d := cmp.Diff([]int{2, 2, 2, 2, 2}, count(everything)); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff([]int{1, 1, 1, 1, 1}, count(access.Scope{Estates: []string{"moonlight"}})); d != "" {
			t.Error(d)
		}
		for i, want := range []bool{true, false} {
			inTx(t, s, func(tx *db.Tx) error {
				for name, del := range map[string]func() (bool, error){
					"staff":    func() (bool, error) { return tx.DeleteStaff(ctx, "sunrise", "x") },
					"roster":   func() (bool, error) { return tx.DeleteRoster(ctx, "sunrise", "x") },
					"override": func() (bool, error) { return tx.DeleteOverride(ctx, "sunrise", "x") },
					"policy":   func() (bool, error) { return tx.DeletePolicy(ctx, "sunrise", "x") },
					"mute":     func() (bool, error) { return tx.DeleteMute(ctx, "sunrise", "x") },
				} {
					if was, err := del(); err != nil || was != want {
						t.Errorf("%s, try %d: %v, %v", name, i, was, err)
					}
				}
				return nil
			})
		}
		if d := cmp.Diff([]int{1, 1, 1, 1, 1}, count(everything)); d != "" {
			t.Error(d)
		}
	})
}

func row(estate string, id ticket.ID, raised int64, edit func(*desk.Row)) desk.Row {
	r := desk.Row{ReceivedMS: raised + 5, UpdatedMS: raised + 5}
	r.ID, r.State, r.Condition, r.RaisedMS = id, ticket.Open, ticket.Active, raised
	r.Subject = ticket.Subject{
		Estate: estate, Edge: "e1", Device: "gate-1", DeviceKind: "access-gate", Rule: "forced", Metric: string(id),
		Fault: ticket.DoorForced, Severity: ticket.Major, Title: ticket.Title{Code: "door_forced", Params: map[string]string{"n": "1"}},
	}
	if edit != nil {
		edit(&r)
	}
	return r
}

func TestTicketsAreFiltered(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, _ *dbtest.Database, s *db.Store) {
		ctx := t.Context()
		inTx(t, s, func(tx *db.Tx) error {
			for _, r := range []desk.Row{
				row("sunrise", "t1", 100, nil),
				row("sunrise", "t2", 200, func(r *desk.Row) { r.State, r.Assignee = ticket.Accepted, "li-wei" }),
				row("sunrise", "t3", 300, func(r *desk.Row) {
					r.Severity, r.Device, r.DeviceKind, r.Aliases = ticket.Critical, "lift-1", "elevator", []ticket.ID{"t3b"}
				}),
				row("moonlight", "t4", 300, nil),
				row("sunrise", "t5", 50, func(r *desk.Row) { r.State = ticket.Closed }),
			} {
				if err := tx.SaveTicket(ctx, r); err != nil {
					return err
				}
			}
			return tx.AddTransitions(ctx, "sunrise", []ticket.Transition{{ID: "x1", Ticket: "t3", Kind: ticket.Raise, Subject: &ticket.Subject{}}})
		})
		mine := access.Scope{Estates: []string{"sunrise"}}
		for name, c := range map[string]struct {
			q    db.TicketQuery
			want []ticket.ID
		}{
			"all":        {db.TicketQuery{Page: db.Page{Scope: everything}}, []ticket.ID{"t4", "t3", "t2", "t1", "t5"}},
			"an estate":  {db.TicketQuery{Page: db.Page{Scope: everything, Estate: "moonlight"}}, []ticket.ID{"t4"}},
			"foreign":    {db.TicketQuery{Page: db.Page{Scope: mine, Estate: "moonlight"}}, nil},
			"no scope":   {db.TicketQuery{}, nil},
			"state":      {db.TicketQuery{Page: db.Page{Scope: mine}, States: []ticket.State{ticket.Accepted, ticket.Closed}}, []ticket.ID{"t2", "t5"}},
			"severity":   {db.TicketQuery{Page: db.Page{Scope: mine}, Severities: []ticket.Severity{ticket.Critical}}, []ticket.ID{"t3"}},
			"assignee":   {db.TicketQuery{Page: db.Page{Scope: mine}, Assignee: "li-wei"}, []ticket.ID{"t2"}},
			"device":     {db.TicketQuery{Page: db.Page{Scope: mine}, Device: "lift-1"}, []ticket.ID{"t3"}},
			"contractor": {db.TicketQuery{Page: db.Page{Scope: mine.LimitTo([]string{"kind:elevator"})}}, []ticket.ID{"t3"}},
			"idle firm":  {db.TicketQuery{Page: db.Page{Scope: mine.LimitTo(nil)}}, nil},
		} {
			rows, next, err := s.Read().Tickets(ctx, c.q)
			var got []ticket.ID
			for _, r := range rows {
				got = append(got, r.ID)
			}
			if d := cmp.Diff(c.want, got); d != "" || err != nil || next != "" {
				t.Errorf("%s: %s %v %q", name, d, err, next)
			}
		}
		q := db.TicketQuery{Page: db.Page{Scope: everything, Limit: 2}, WithLog: true}
		var paged []ticket.ID
		for {
			rows, next, err := s.Read().Tickets(ctx, q)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range rows {
				paged = append(paged, r.ID)
				if (r.ID == "t3") != (len(r.Log) == 1) {
					t.Errorf("%s has a log of %d", r.ID, len(r.Log))
				}
			}
			if q.Cursor = next; next == "" {
				break
			}
		}
		if d := cmp.Diff([]ticket.ID{"t4", "t3", "t2", "t1", "t5"}, paged); d != "" {
			t.Error(d)
		}
		for id, want := range map[ticket.ID]bool{"t3": true, "t3b": true, "t1": false, "t4": false, "t9": false} {
			if r, ok, err := s.Read().FindTicket(ctx, mine.LimitTo([]string{"lift-1"}), id); ok != want || err != nil || ok && r.ID != "t3" {
				t.Errorf("find %s: %v, %v, %v", id, r.ID, ok, err)
			}
		}
		counts, err := s.Read().CountTickets(ctx)
		want := []db.TicketCount{{ticket.Accepted, ticket.Major, 1}, {ticket.Open, ticket.Critical, 1}, {ticket.Open, ticket.Major, 2}}
		if d := cmp.Diff(want, counts); d != "" || err != nil {
			t.Error(d, err)
		}
	})
}

func TestDeliveriesAndProgress(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, _ *dbtest.Database, s *db.Store) {
		ctx := t.Context()
		d1 := routing.Delivery{
			ID: "d1", Estate: "sunrise", Ticket: "t1", Step: 1, Track: "rescue", Round: 2, Staff: "li-wei", Channel: "webhook", ChannelIndex: 1,
			State: routing.Unknown, Reason: "no answer", DueMS: 100, SentMS: 110,
			Attempts: []routing.Attempt{{AtMS: 110, TookMS: 10_000, Outcome: routing.Unknown, Detail: "timeout"}},
		}
		d2 := routing.Delivery{ID: "d2", Estate: "sunrise", Ticket: "t1", DueMS: 90, State: routing.Pending}
		progress := routing.Progress{Round: 2, StartMS: 90, Tracks: []routing.TrackProgress{{Track: "rescue", AnchorMS: 90, Done: []string{"desk"}}}}
		inTx(t, s, func(tx *db.Tx) error {
			return errors.Join(tx.SaveTicket(ctx, row("sunrise", "t1", 80, nil)), tx.SaveDelivery(ctx, d1), tx.SaveDelivery(ctx, d2),
				tx.SaveProgress(ctx, "sunrise", "t1", progress))
		})
		d1.State, d1.AcceptedMS = routing.Accepted, 120
		inTx(t, s, func(tx *db.Tx) error { return tx.SaveDelivery(ctx, d1) })
		got, err := s.Read().Deliveries(ctx, "sunrise", "t1")
		if d := cmp.Diff([]routing.Delivery{d2, d1}, got); d != "" || err != nil {
			t.Error(d, err)
		}
		one, ok, err := s.Read().Delivery(ctx, "sunrise", "d1")
		if d := cmp.Diff(d1, one); d != "" || !ok || err != nil {
			t.Error(d, ok, err)
		}
		if _, ok, err := s.Read().Delivery(ctx, "moonlight", "d1"); ok || err != nil {
			t.Error("another estate's delivery", err)
		}
		p, err := s.Read().Progress(ctx, "sunrise", "t1")
		if d := cmp.Diff(progress, p); d != "" || err != nil {
			t.Error(d, err)
		}
		if p, err := s.Read().Progress(ctx, "sunrise", "never"); err != nil || p.Round != 0 {
			t.Error(p, err)
		}
		mine := access.Scope{Estates: []string{"sunrise"}}
		for _, c := range []struct {
			scope access.Scope
			id    ticket.ID
			want  int
		}{{mine, "t1", 2}, {mine, "", 2}, {mine, "t2", 0}, {access.Scope{}, "t1", 0}, {mine.LimitTo([]string{"gate-1"}), "t1", 2}, {mine.LimitTo([]string{"lift-1"}), "t1", 0}} {
			list, next, err := s.Read().ListDeliveries(ctx, db.Page{Scope: c.scope}, c.id)
			if err != nil || len(list) != c.want || next != "" {
				t.Errorf("%+v: %d, %q, %v", c, len(list), next, err)
			}
		}
		first, next, err := s.Read().ListDeliveries(ctx, db.Page{Scope: mine, Limit: 1}, "")
		rest, end, err2 := s.Read().ListDeliveries(ctx, db.Page{Scope: mine, Limit: 1, Cursor: next}, "")
		if err != nil || err2 != nil || first[0].ID != "d1" || rest[0].ID != "d2" || end != "" {
			t.Errorf("pages %v, %v, %v, %v", first, rest, err, err2)
		}
	})
}

func TestAnswersAreOneCallersForADay(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, d *dbtest.Database, s *db.Store) {
		ctx := t.Context()
		a := db.Answer{Principal: "user:li", Key: "k", Request: "digest", Status: 200, Body: []byte{0, 1, 0xff, '\''}}
		inTx(t, s, func(tx *db.Tx) error { return tx.SaveAnswer(ctx, a) })
		got, ok, err := s.Read().Answer(ctx, "user:li", "k")
		if diff := cmp.Diff(a, got); diff != "" || !ok || err != nil {
			t.Error(diff, ok, err)
		}
		if _, ok, _ := s.Read().Answer(ctx, "user:wang", "k"); ok {
			t.Error("another caller's answer")
		}
		d.Pass(db.AnswersKeptMS)
		if _, ok, _ := s.Read().Answer(ctx, "user:li", "k"); ok {
			t.Error("kept for more than a day")
		}
	})
}

func TestTheDoorOverTheStore(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, d *dbtest.Database, s *db.Store) {
		ctx := t.Context()
		door, secrets := furnish(t, d, s)
		p, cookie, err := door.SignIn(ctx, "li", "correct horse", "10.0.0.1")
		if err != nil || !p.Scope.Limited || p.Scope.Kinds[0] != "elevator" || !p.Scope.Estate("sunrise") {
			t.Fatalf("got %+v, %v", p, err)
		}
		d.Pass(120_000)
		if p, err := door.BySession(ctx, cookie); err != nil || p.Key() != "user:li" {
			t.Errorf("session %+v, %v", p, err)
		}
		if p, err := door.ByToken(ctx, secrets["token"]); err != nil || p.Key() != "token:tok1" || !p.Scope.AllEstates {
			t.Errorf("token %+v, %v", p, err)
		}
		if p, err := door.ByEdge(ctx, "sunrise/e1", secrets["edge"]); err != nil || p.Key() != "edge:sunrise/e1" {
			t.Errorf("edge %+v, %v", p, err)
		}
		if p, err := door.ByLink(ctx, secrets["link"]); err != nil || p.Ticket != "t1" {
			t.Errorf("link %+v, %v", p, err)
		}
		for range 10 {
			if _, _, err := door.SignIn(ctx, "li", "wrong password", "10.0.0.9"); !errors.Is(err, access.ErrRefused) {
				t.Errorf("got %v", err)
			}
		}
		var locked *access.LockedError
		if _, _, err := door.SignIn(ctx, "li", "correct horse", "10.0.0.9"); !errors.As(err, &locked) {
			t.Errorf("got %v", err)
		}
		d.Pass(15 * 60_000)
		if _, _, err := door.SignIn(ctx, "li", "correct horse", "10.0.0.9"); err != nil {
			t.Error(err)
		}
		// Revoked is out at once; an account that changes ends its sessions.
		inTx(t, s, func(tx *db.Tx) error {
			_, e1 := tx.RevokeToken(ctx, "tok1")
			was, e2 := tx.RevokeCredential(ctx, "sunrise", "c1")
			again, e3 := tx.RevokeCredential(ctx, "sunrise", "c1")
			if !was || again {
				t.Errorf("revoked %v, again %v", was, again)
			}
			a, _, e4 := tx.Account(ctx, "li")
			a.Role = access.Viewer
			return errors.Join(e1, e2, e3, e4, tx.SaveAccount(ctx, a))
		})
		_, e1 := door.ByToken(ctx, secrets["token"])
		_, e2 := door.ByEdge(ctx, "sunrise/e1", secrets["edge"])
		_, e3 := door.BySession(ctx, cookie)
		for _, err := range []error{e1, e2, e3} {
			if !errors.Is(err, access.ErrUnknown) {
				t.Errorf("got %v", err)
			}
		}
		accounts, err := s.Read().Accounts(ctx)
		if err != nil || len(accounts) != 1 || accounts[0].Role != access.Viewer {
			t.Errorf("accounts %+v, %v", accounts, err)
		}
		tokens, err := s.Read().Tokens(ctx)
		if err != nil || len(tokens) != 1 || tokens[0].RevokedMS != d.NowMS() {
			t.Errorf("tokens %+v, %v", tokens, err)
		}
	})
}

// furnish adds one of each principal and returns their secrets.
func furnish(t *testing.T, d *dbtest.Database, s *db.Store) (*access.Door, map[string]string) {
	t.Helper()
	ctx := t.Context()
	passwords, err := access.NewPasswords(2)
	if err != nil {
		t.Fatal(err)
	}
	hash, err := passwords.Hash(ctx, "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	secrets := map[string]string{}
	hashed := func(name string) string {
		secrets[name] = access.NewSecret(name + "_")
		return access.HashSecret(secrets[name])
	}
	inTx(t, s, func(tx *db.Tx) error {
		return errors.Join(
			tx.SaveOrg(ctx, fleet.Org{Estate: "sunrise", ID: "liftco", Kind: "contractor", Devices: []string{"kind:elevator"}}),
			tx.SaveStaff(ctx, duty.Staff{Estate: "sunrise", ID: "li-wei", Org: "liftco"}),
			tx.SaveAccount(ctx, access.Account{Name: "li", Role: access.Maintainer, Estates: []string{"sunrise"}, Staff: "li-wei", PasswordHash: hash}),
			tx.AddToken(ctx, access.APIToken{ID: "tok1", Name: "grafana", Hash: hashed("token"), Role: access.Viewer}),
			tx.AddCredential(ctx, access.Credential{ID: "c1", Estate: "sunrise", Edge: "e1", Hash: hashed("edge")}),
			tx.AddLink(ctx, access.Link{Hash: hashed("link"), Estate: "sunrise", Ticket: "t1", Staff: "li-wei", ExpiresMS: d.NowMS() + 3_600_000}))
	})
	return access.NewDoor(s.Access(), passwords, d.NowMS, d.Logger(t)), secrets
}
