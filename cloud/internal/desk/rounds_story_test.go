package desk_test

import (
	"errors"
	"testing"

	"github.com/linshao/linshao/cloud/internal/desk"
	"github.com/linshao/linshao/protocol/ticket"
)

func (w *town) do(id ticket.ID, k ticket.Kind) error {
	w.cloud.nowMS += 1000
	_, err := w.desk.Act(w.t.Context(), w.cloud, desk.Act{
		Estate: "e", Ticket: id, Kind: k, Reason: "why", Note: "what", By: ticket.Actor{Kind: ticket.ByStaff, ID: "li"},
	})
	return err
}

func (w *town) turns(on bool) {
	w.cloud.nowMS += 1000
	w.on = on
	w.sense()
}

func (w *town) sends() { w.uplink(len(w.told) - w.sent) }

func newStory(t *testing.T) *town { return newTown(t, nil, t.Fatalf) }

// The edge lost its memory after people were done and the condition was back:
// what they had ended was not its new ticket.
func TestAnEdgeWithoutMemoryIsNotToldTheEndOfAnEarlierRound(t *testing.T) {
	t.Parallel()
	w := newStory(t)
	w.turns(true)
	w.sends()
	if err := w.do("t1", ticket.Resolve); err != nil {
		t.Fatal(err)
	}
	w.turns(false)
	w.turns(true)
	w.edge.log, w.edge.current = nil, ""
	w.turns(true)
	w.sends()
	w.downlink()
	if v, ok := w.seen(); !ok || v.ID != "t2" || v.State != ticket.Open {
		t.Errorf("the edge sees %s %s", v.ID, v.State)
	}
	w.agree()
}

// While an older ticket is reopened, the edge may be on its way to say that
// the condition of the newer one is back.
func TestOnlyTheNewestTicketOfAConditionIsReopened(t *testing.T) {
	t.Parallel()
	w := newStory(t)
	for _, id := range []ticket.ID{"t1", "t2"} {
		w.turns(true)
		w.sends()
		if err := w.do(id, ticket.Resolve); err != nil {
			t.Fatal(err)
		}
		w.downlink()
		w.turns(false)
	}
	w.sends()
	var refused *ticket.NotAllowedError
	if err := w.do("t1", ticket.Reopen); !errors.As(err, &refused) {
		t.Errorf("the older one: %v", err)
	}
	if err := w.do("t2", ticket.Reopen); err != nil {
		t.Errorf("the newest: %v", err)
	}
	w.check()
}
