package console

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// LossView sums up what an edge has lost.
type LossView struct {
	Gaps    int        `json:"gaps" doc:"How many runs of records; GET /api/v1/gaps tells each"`
	Records int64      `json:"records"`
	LastAt  *time.Time `json:"last_at" doc:"When the cloud heard of the last one"`
}

// GapView is a run of records that an edge had and that will never come.
type GapView struct {
	Estate  string     `json:"estate"`
	Edge    string     `json:"edge"`
	Log     string     `json:"log" enum:"alarm,samples"`
	Records int64      `json:"records"`
	Reason  string     `json:"reason" doc:"damaged, dropped_full, dropped_age, lost, or rejected_ and why"`
	From    *time.Time `json:"from" doc:"When the first of them was recorded; null if nobody knows"`
	To      *time.Time `json:"to"`
	HeardAt *time.Time `json:"heard_at"`
}

// GapsInput asks for gaps.
type GapsInput struct {
	InEstate
	Edge   string `query:"edge" maxLength:"64" doc:"Edge id"`
	Device string `query:"device" maxLength:"129" doc:"Those of the edge that this device is behind"`
	From   string `query:"from" doc:"RFC 3339 or Unix ms, included"`
	To     string `query:"to" doc:"RFC 3339 or Unix ms, excluded"`
}

func (c *Console) registerGaps() {
	register(c, huma.Operation{
		OperationID: "list-gaps", Method: http.MethodGet, Path: "/api/v1/gaps", Tags: []string{"Fleet"},
		Summary: "What edges had and lost: how much, from when to when, why",
	}, c.gaps)
}

func (c *Console) gaps(ctx context.Context, in *GapsInput) (*Page[GapView], error) {
	q := GapQuery{Query: in.query(ctx), Edge: in.Edge}
	var err error
	if q.FromMS, err = instant("from", in.From, 0); err != nil {
		return nil, err
	}
	if q.ToMS, err = instant("to", in.To, 0); err != nil {
		return nil, err
	}
	if in.Device != "" {
		d, err := c.device(ctx, in.Device)
		if err != nil {
			return nil, err
		}
		if in.Edge != "" && in.Edge != d.Edge || in.Estate != "" && in.Estate != d.Estate {
			return &Page[GapView]{Body: List[GapView]{Items: []GapView{}}}, nil
		}
		q.Estate, q.Edge = d.Estate, d.Edge
	}
	list, next, err := c.fleet.Gaps(ctx, q)
	if err != nil {
		return nil, err
	}
	zs := c.zones()
	return pageOf(list, next, func(g Gap) GapView {
		z := zs.of(ctx, g.Estate)
		return GapView{
			Estate: g.Estate, Edge: g.Edge, Log: g.Log, Records: g.Records, Reason: g.Reason,
			From: z.maybe(g.FromMS), To: z.maybe(g.ToMS), HeardAt: z.maybe(g.HeardMS),
		}
	}), nil
}

// losses returns what each edge of q has lost, by estate and edge.
func (c *Console) losses(ctx context.Context, q Query) (map[[2]string]*LossView, error) {
	list, err := c.fleet.Losses(ctx, q)
	if err != nil {
		return nil, err
	}
	zs := c.zones()
	out := make(map[[2]string]*LossView, len(list))
	for _, l := range list {
		out[[2]string{l.Estate, l.Edge}] = &LossView{Gaps: l.Gaps, Records: l.Records, LastAt: zs.of(ctx, l.Estate).maybe(l.LastMS)}
	}
	return out, nil
}
