package console

import (
	"encoding/csv"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// csvTickets answers the columns that `linshao-sim score` reads. The cursor of
// the next page stands in a header, since a CSV has no place for it.
func csvTickets(rows []TicketRow, next string) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		hc.SetHeader("Content-Type", "text/csv; charset=utf-8")
		if next != "" {
			hc.SetHeader("X-Next-Cursor", next)
		}
		w := csv.NewWriter(hc.BodyWriter())
		defer w.Flush()
		// An error here means that the client is gone.
		_ = w.Write([]string{"id", "device", "kind", "raised_at", "cleared_at"})
		for _, r := range rows {
			t := r.Ticket
			_ = w.Write([]string{string(t.ID), t.Device, string(t.Fault), stamp(t.RaisedMS), stamp(t.ClearedMS)})
		}
	}}
}

func stamp(ms int64) string {
	if ms == 0 {
		return ""
	}
	return time.UnixMilli(ms).UTC().Format(time.RFC3339Nano)
}
