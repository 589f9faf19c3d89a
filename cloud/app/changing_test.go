package app

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/linshao/linshao/cloud/internal/console"
	"github.com/linshao/linshao/cloud/internal/db"
	"github.com/linshao/linshao/cloud/internal/duty"
	"github.com/linshao/linshao/cloud/internal/routing"
	"github.com/linshao/linshao/protocol/ticket"
)

// A ticket that was planned on what is true no longer is planned anew at once,
// not when the old plan would look again.
func TestAChangeOfPlansReachesOpenTickets(t *testing.T) {
	t.Parallel()
	hour := start.UnixMilli() + 3600_000
	for name, change := range map[string]func(context.Context, planning) error{
		"a mute is lifted": func(ctx context.Context, p planning) error {
			_, err := p.DeleteMute(ctx, "sunrise", "works")
			return err
		},
		"a mute is cut short": func(ctx context.Context, p planning) error {
			return p.SaveMute(ctx, routing.Mute{ID: "works", Estate: "sunrise", Device: "gate-1", Reason: "done", FromMS: start.UnixMilli() - 2, ToMS: start.UnixMilli() - 1})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			url, pages := pager(t)
			s.do(func(ctx context.Context, a *Admin) error {
				_, err := a.Import(ctx, ImportRequest{File: "town.yaml", Text: strings.Replace(town, "PAGER", url, 1)})
				return err
			})
			c, _ := s.run()
			p := planning{c.store}
			if err := p.SaveMute(t.Context(), routing.Mute{ID: "works", Estate: "sunrise", Device: "gate-1", Reason: "works", FromMS: start.UnixMilli() - 1, ToMS: hour}); err != nil {
				t.Fatal(err)
			}
			raise(t, c, ticket.DoorForced)
			planned(t, c, hour)
			if err := change(t.Context(), p); err != nil {
				t.Fatal(err)
			}
			if page := <-pages; !strings.Contains(page, "door_forced") {
				t.Errorf("paged %s", page)
			}
		})
	}
}

// planned returns once nothing is left to do before atMS.
func planned(t *testing.T, c *cloud, atMS int64) {
	t.Helper()
	for {
		next, ok, err := c.store.Agenda().NextDue(t.Context(), false)
		if err != nil {
			t.Fatal(err)
		}
		if ok && next >= atMS {
			return
		}
	}
}

func raise(t *testing.T, c *cloud, f ticket.Fault) {
	t.Helper()
	subject := ticket.Subject{
		Estate: "sunrise", Edge: "s1", Device: "gate-1", DeviceKind: "access-gate", Rule: "r", Fault: f,
		Severity: ticket.Critical, Title: ticket.Title{Code: string(f)},
	}
	err := c.store.InTx(t.Context(), func(tx *db.Tx) error {
		_, err := c.desk.Raise(t.Context(), tx, "", subject, tx.NowMS(), ticket.Actor{Kind: ticket.BySystem, ID: "test"}, "")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// What is wrong with a plan is said, and nothing is written.
func TestAWrongPlanIsTheClientsMistake(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c, _ := s.run()
	p := planning{c.store}
	for name, err := range map[string]error{
		"staff":    p.SaveStaff(t.Context(), duty.Staff{ID: "X Y", Estate: "sunrise"}),
		"roster":   p.SaveRoster(t.Context(), duty.Roster{ID: "r", Estate: "sunrise", Shifts: []duty.Shift{{ID: "s", From: "25:00", To: "08:00"}}}),
		"override": p.SaveOverride(t.Context(), duty.Override{ID: "o", Estate: "sunrise", In: "nobody", FromMS: 1, ToMS: 2}),
		"policy":   p.SavePolicy(t.Context(), routing.Policy{ID: "p", Estate: "sunrise", Steps: []routing.Step{{To: "king"}}}),
		"mute":     p.SaveMute(t.Context(), routing.Mute{ID: "m", Estate: "sunrise", FromMS: 2, ToMS: 1}),
	} {
		var wrong *console.Problem
		if !errors.As(err, &wrong) || wrong.Code != "invalid" || wrong.Detail == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
