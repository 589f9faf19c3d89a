package stage

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/linshao/linshao/simulators/pace"
	"github.com/linshao/linshao/simulators/scenario"
	"github.com/linshao/linshao/simulators/truth"
)

// clockSlackMS is what the clocks of devices and gateway may differ by.
const clockSlackMS = 1000

// Tickets lists the tickets of one device of an estate.
type Tickets interface {
	Of(ctx context.Context, estate, device string) ([]truth.Ticket, error)
}

// Console asks a collector's API.
type Console struct {
	URL, Token string
}

var _ Tickets = Console{}

// Of reads the ticket file of a device, newest page only: a story is short.
func (c Console) Of(ctx context.Context, estate, device string) ([]truth.Ticket, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	q := url.Values{"format": {"csv"}, "device": {estate + ":" + device}}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(c.URL, "/")+"/api/v1/tickets?"+q.Encode(), nil)
	if err != nil {
		return nil, fmt.Errorf("ask for tickets: %w", err)
	}
	r.Header.Set("Authorization", "Bearer "+c.Token)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, fmt.Errorf("ask for tickets: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 500))
		return nil, fmt.Errorf("ask for tickets: %s: %s", resp.Status, text)
	}
	return truth.ReadTickets(resp.Body)
}

// ask returns the wanted tickets that are not there. Nobody to ask means none.
func ask(ctx context.Context, t Tickets, s scenario.Story, p pace.Pace, wanted []scenario.Open) ([]scenario.Open, error) {
	if t == nil {
		return nil, nil
	}
	var missing []scenario.Open
	for _, w := range wanted {
		tickets, err := t.Of(ctx, s.Estate, w.Device)
		if err != nil {
			return nil, err
		}
		if !raised(tickets, w.Ticket, p.Wall(w.FromMS)-clockSlackMS, p.Wall(w.ToMS)+clockSlackMS) {
			missing = append(missing, w)
		}
	}
	return missing, nil
}

func raised(tickets []truth.Ticket, fault string, fromMS, toMS int64) bool {
	for _, t := range tickets {
		if t.Kind == fault && t.RaisedMS >= fromMS && t.RaisedMS <= toMS {
			return true
		}
	}
	return false
}
