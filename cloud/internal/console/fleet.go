package console

import (
	"context"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/linshao/linshao/cloud/internal/access"
	"github.com/linshao/linshao/cloud/internal/fleet"
	"github.com/linshao/linshao/cloud/internal/series"
	"github.com/linshao/linshao/protocol/telemetry"
)

// EstateView is one housing estate.
type EstateView struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Timezone string `json:"timezone"`
	Hotline  string `json:"hotline,omitempty" doc:"The city's lift rescue number"`
}

// EdgeView is one edge gateway.
type EdgeView struct {
	ID       string     `json:"id"`
	Estate   string     `json:"estate"`
	Version  string     `json:"version"`
	Online   bool       `json:"online"`
	LastSeen *time.Time `json:"last_seen"`
	SkewMS   int64      `json:"skew_ms" doc:"Its clock minus the cloud's"`
	Lost     *LossView  `json:"lost,omitempty" doc:"What it had and lost; absent if nothing"`
}

// DeviceView is one device.
type DeviceView struct {
	ID       string      `json:"id" doc:"estate:device, unique everywhere"`
	Device   string      `json:"device" doc:"unique within its estate"`
	Estate   string      `json:"estate"`
	Edge     string      `json:"edge"`
	Kind     string      `json:"kind"`
	Profile  string      `json:"profile"`
	Location string      `json:"location"`
	Points   []PointView `json:"points"`
	// Clock is told where one device is read.
	Clock []ClockDayView `json:"clock,omitempty" doc:"Days on which times were odd, newest first, at most 31; only when one device is read"`
}

// PointView is one quantity of a device.
type PointView struct {
	Metric string            `json:"metric"`
	Unit   string            `json:"unit"`
	Enum   map[string]string `json:"enum,omitempty" doc:"Words for values"`
}

// LatestView is the newest value of one metric.
type LatestView struct {
	Metric  string     `json:"metric"`
	At      *time.Time `json:"at"`
	Value   *float64   `json:"value" doc:"null where the newest read failed or the value is text"`
	Text    string     `json:"text,omitempty"`
	Unit    string     `json:"unit"`
	Quality string     `json:"quality" enum:"good,uncertain,bad"`
	Reason  string     `json:"reason,omitempty"`
	// DeviceAt, EdgeAt and ReceivedAt are kept in memory only: null after a
	// restart of the collector until the device reports again.
	DeviceAt   *time.Time `json:"device_at" doc:"What the device's clock said; null if it said nothing, and after a restart of the collector until the device reports again"`
	EdgeAt     *time.Time `json:"edge_at" doc:"What the gateway's clock said when it took the value; null like device_at"`
	ReceivedAt *time.Time `json:"received_at" doc:"When the collector took it; null like device_at"`
	Marks      []string   `json:"marks" doc:"How at came to be: receive_time, clock_untrusted, historical, nudged, clock_corrected"`
}

// marksOf names the facts about a time.
func marksOf(m telemetry.Marks) []string {
	names := []string{}
	for _, x := range []struct {
		mark telemetry.Marks
		name string
	}{
		{telemetry.ReceiveTime, "receive_time"},
		{telemetry.ClockUntrusted, "clock_untrusted"},
		{telemetry.Historical, "historical"},
		{telemetry.Nudged, "nudged"},
		{telemetry.ClockCorrected, "clock_corrected"},
	} {
		if m.Has(x.mark) {
			names = append(names, x.name)
		}
	}
	return names
}

func (c *Console) registerFleet() {
	tags := []string{"Fleet"}
	register(c, huma.Operation{OperationID: "list-estates", Method: http.MethodGet, Path: "/api/v1/estates", Summary: "Estates you may see", Tags: tags},
		func(ctx context.Context, in *Paging) (*Page[EstateView], error) {
			list, next, err := c.fleet.Estates(ctx, InEstate{Paging: *in}.query(ctx))
			return pageOf(list, next, estateView), err
		})
	register(c, huma.Operation{OperationID: "get-estate", Method: http.MethodGet, Path: "/api/v1/estates/{id}", Summary: "One estate", Tags: tags}, c.estate)
	register(c, huma.Operation{OperationID: "list-edges", Method: http.MethodGet, Path: "/api/v1/edges", Summary: "Edge gateways", Tags: tags}, c.edges)
	c.registerGaps()
	register(c, huma.Operation{OperationID: "list-devices", Method: http.MethodGet, Path: "/api/v1/devices", Summary: "Devices", Tags: tags},
		func(ctx context.Context, in *InEstate) (*Page[DeviceView], error) {
			list, next, err := c.fleet.Devices(ctx, in.query(ctx))
			return pageOf(list, next, deviceView), err
		})
	register(c, huma.Operation{OperationID: "get-device", Method: http.MethodGet, Path: "/api/v1/devices/{id}", Summary: "One device", Tags: tags},
		c.oneDevice)
	register(c, huma.Operation{OperationID: "get-device-latest", Method: http.MethodGet, Path: "/api/v1/devices/{id}/latest", Summary: "The newest value of each metric", Tags: tags}, c.deviceLatest)
}

func estateView(e fleet.Estate) EstateView {
	return EstateView{ID: e.ID, Name: e.Name, Timezone: e.Timezone, Hotline: e.Hotline}
}

func deviceView(d fleet.Device) DeviceView {
	v := DeviceView{
		ID: d.Estate + ":" + d.ID, Device: d.ID, Estate: d.Estate, Edge: d.Edge, Kind: d.Kind, Profile: d.Profile,
		Location: d.Location, Points: make([]PointView, 0, len(d.Points)),
	}
	for _, p := range d.Points {
		v.Points = append(v.Points, PointView{Metric: p.Metric, Unit: p.Unit, Enum: p.Enum})
	}
	return v
}

// EstateInput names an estate.
type EstateInput struct {
	ID string `path:"id" maxLength:"64"`
}

func (c *Console) estate(ctx context.Context, in *EstateInput) (*One[EstateView], error) {
	if err := allow(ctx, access.See, access.Target{Estate: in.ID}); err != nil {
		return nil, err
	}
	e, ok, err := c.fleet.Estate(ctx, in.ID)
	if err == nil && !ok {
		err = errNotFound
	}
	return &One[EstateView]{estateView(e)}, err
}

func (c *Console) edges(ctx context.Context, in *InEstate) (*Page[EdgeView], error) {
	list, next, err := c.fleet.Edges(ctx, in.query(ctx))
	if err != nil {
		return nil, err
	}
	lost, err := c.losses(ctx, in.query(ctx))
	if err != nil {
		return nil, err
	}
	zs := c.zones()
	return pageOf(list, next, func(e fleet.Edge) EdgeView {
		return EdgeView{ID: e.ID, Estate: e.Estate, Version: e.Version, Online: e.Online, LastSeen: zs.of(ctx, e.Estate).maybe(e.LastSeenMS), SkewMS: e.SkewMS, Lost: lost[[2]string{e.Estate, e.ID}]}
	}), nil
}

// DeviceInput names a device: "estate:device", or a bare id where only one
// estate of the caller's has it.
type DeviceInput struct {
	ID string `path:"id" maxLength:"129" doc:"estate:device; a bare device id where it is unambiguous"`
}

// device finds the one device that the caller means and may see.
func (c *Console) device(ctx context.Context, id string) (fleet.Device, error) {
	scope := who(ctx).Scope
	estate, bare, full := strings.Cut(id, ":")
	if !full {
		bare = id
	}
	found, err := c.fleet.DevicesNamed(ctx, scope, bare)
	if err != nil {
		return fleet.Device{}, err
	}
	var mine []fleet.Device
	for _, d := range found {
		if (!full || d.Estate == estate) && access.May(who(ctx), access.See, access.Target{Estate: d.Estate, Device: d.ID, DeviceKind: d.Kind}) {
			mine = append(mine, d)
		}
	}
	switch len(mine) {
	case 0:
		return fleet.Device{}, errNotFound
	case 1:
		return mine[0], nil
	}
	return fleet.Device{}, problem(http.StatusConflict, "ambiguous_device", "several estates have a device "+bare+": write estate:device")
}

func (c *Console) deviceLatest(ctx context.Context, in *DeviceInput) (*Page[LatestView], error) {
	d, err := c.device(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	units := map[string]string{}
	for _, p := range d.Points {
		units[p.Metric] = p.Unit
	}
	z := c.zoneOf(ctx, d.Estate)
	return pageOf(c.latest.Of(d.Estate, d.ID), "", func(n series.Newest) LatestView {
		v := LatestView{
			Metric: n.Key.Metric, At: z.maybe(n.AtMS), Text: n.Text, Unit: units[n.Key.Metric], Quality: n.Quality.String(), Reason: n.Reason,
			DeviceAt: z.sayable(n.DeviceMS), EdgeAt: z.sayable(n.EdgeMS), ReceivedAt: z.maybe(n.ReceivedMS), Marks: marksOf(n.Marks),
		}
		if n.Text == "" && n.Quality != telemetry.Bad && !math.IsNaN(n.Value) && !math.IsInf(n.Value, 0) {
			v.Value = &n.Value
		}
		return v
	}), nil
}
