package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/linshao/linshao/cloud/internal/access"
	"github.com/linshao/linshao/protocol/ticket"
)

const (
	// beat keeps proxies from closing a quiet stream.
	beat = 15 * time.Second
	// writeWithin is how long a client may not take what it is sent: a phone
	// that is gone must not go on counting as somebody who looks.
	writeWithin = 10 * time.Second
	// replay is how many changes are read at once.
	replay = 500
)

// StreamInput resumes a stream.
type StreamInput struct {
	Language
	LastEventID string `header:"Last-Event-ID" maxLength:"20"`
	After       string `query:"after" maxLength:"20" doc:"As Last-Event-ID, for clients that cannot set it"`
}

// ChangeView is the data of one event; Ticket is set for ticket events.
type ChangeView struct {
	ID     string      `json:"id" doc:"What changed"`
	Estate string      `json:"estate"`
	Device string      `json:"device,omitempty"`
	At     time.Time   `json:"at"`
	Ticket *TicketView `json:"ticket,omitempty"`
}

func (c *Console) registerStream() {
	register(c, huma.Operation{
		OperationID: "stream", Method: http.MethodGet, Path: "/api/v1/stream", Tags: []string{"Stream"},
		Summary:     "Server-sent events: ticket, delivery, device, edge, page, and reset",
		Description: "Each event carries the id to resume from by Last-Event-ID for an hour; a `reset` event says that what was missed is gone and everything must be read again. A `page` event is the in-page channel: its data is what a webhook would get.",
		Responses:   c.streamed("text/event-stream", reflect.TypeFor[ChangeView]()),
	}, c.stream)
}

func (c *Console) stream(ctx context.Context, in *StreamInput) (*huma.StreamResponse, error) {
	last := in.LastEventID
	if last == "" {
		last = in.After
	}
	after, err := strconv.ParseInt(last, 10, 64)
	resumed := last != ""
	if resumed && err != nil {
		return nil, problem(http.StatusUnprocessableEntity, "invalid", "Last-Event-ID is not one of ours: "+strconv.Quote(last))
	}
	if !resumed {
		if after, err = c.changes.Newest(ctx); err != nil {
			return nil, err
		}
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		hc.SetHeader("Content-Type", "text/event-stream")
		hc.SetHeader("Cache-Control", "no-store")
		hc.SetHeader("X-Accel-Buffering", "no")
		r, w := unwrap(hc)
		s := events{c: c, r: r, rc: http.NewResponseController(w), w: w, p: who(ctx), lang: in.lang(), after: after}
		if err := s.run(ctx, resumed); err != nil && ctx.Err() == nil {
			c.log.DebugContext(ctx, "stream ended", "err", err)
		}
	}}, nil
}

// events is one client's stream.
type events struct {
	c     *Console
	r     *http.Request
	rc    *http.ResponseController
	w     http.ResponseWriter
	p     access.Principal
	lang  string
	after int64
}

func (s *events) run(ctx context.Context, resumed bool) error {
	pages, leave := s.c.sessions.enter(s.p)
	defer leave()
	if err := s.open(ctx, resumed); err != nil {
		return err
	}
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for {
		more := s.c.changes.Changed()
		if err := s.drain(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.c.ending:
			return nil
		case <-more:
		case body := <-pages:
			if err := s.write("event: page\ndata: %s\n\n", body); err != nil {
				return err
			}
		case <-tick.C:
			if err := s.still(); err != nil {
				return err
			}
			if err := s.write(": beat\n\n"); err != nil {
				return err
			}
		}
	}
}

// errChanged ends a stream whose reader is not who they were: they ask again
// and get what is theirs now.
var errChanged = errors.New("the reader may see something else by now")

// still fails once the reader has signed out, was taken away their token, or
// may see something else than when the stream began.
func (s *events) still() error {
	p, err := s.c.authenticate(s.r)
	if err == nil && !reflect.DeepEqual(p, s.p) {
		err = errChanged
	}
	return err
}

// open greets, and says reset where what the client missed is gone.
func (s *events) open(ctx context.Context, resumed bool) error {
	_, oldest, err := s.c.changes.Changes(ctx, s.after, 1)
	if err != nil {
		return err
	}
	newest, err := s.c.changes.Newest(ctx)
	if err != nil {
		return err
	}
	if resumed && (s.after < oldest-1 || s.after > newest) {
		s.after = newest
		return s.write("id: %d\nevent: reset\ndata: {}\n\n", s.after)
	}
	return s.write("id: %d\nevent: hello\ndata: {}\n\n", s.after)
}

// write sends one event at once.
func (s *events) write(format string, args ...any) error {
	if err := s.patience(); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(s.w, format, args...); err != nil {
		return err
	}
	return s.rc.Flush()
}

// patience gives the client its time to take what comes next.
func (s *events) patience() error {
	if err := s.rc.SetWriteDeadline(time.Now().Add(writeWithin)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}

func (s *events) drain(ctx context.Context) error {
	for {
		list, _, err := s.c.changes.Changes(ctx, s.after, replay)
		if err != nil {
			return err
		}
		for _, ch := range list {
			if err := s.send(ctx, ch); err != nil {
				return err
			}
		}
		if len(list) > 0 {
			if err := s.rc.Flush(); err != nil {
				return err
			}
		}
		if len(list) < replay {
			return nil
		}
	}
}

// send writes one change if the caller may see what it is about.
func (s *events) send(ctx context.Context, ch Change) error {
	s.after = ch.ID
	target := access.Target{Estate: ch.Estate, Device: ch.Device, DeviceKind: ch.DeviceKind}
	if ch.Kind == "edge" {
		target.Edge = ch.Ref
	}
	if ch.Kind == "ticket" || ch.Kind == "delivery" {
		target.Ticket = ch.Ref
	}
	if !access.May(s.p, access.See, target) {
		return nil
	}
	z := s.c.zoneOf(ctx, ch.Estate)
	v := ChangeView{ID: ch.Ref, Estate: ch.Estate, Device: ch.Device, At: z.at(ch.AtMS)}
	if ch.Kind == "ticket" {
		row, ok, err := s.c.tickets.Ticket(ctx, s.p.Scope, ticket.ID(ch.Ref))
		if err != nil {
			return err
		}
		if ok {
			t := row.view(z, s.lang)
			v.Ticket = &t
		}
	}
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if err := s.patience(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.w, "id: %d\nevent: %s\ndata: %s\n\n", ch.ID, ch.Kind, b)
	return err
}
