// Package control is the HTTP side door of a running simulation, through which
// people, keys and tests break devices and see what came of it:
//
//	POST   /faults {"fault","device","seconds"}  bring a fault on (202)
//	DELETE /faults {"fault","device"}            mend it (204)
//	GET    /faults                               the truth so far
//	GET    /devices                              devices, what they can have, what they measure
//	GET    /pages                                what the demo's pager received
//
// A device is named by its id, or estate:device where ids repeat. Errors are
// problem details (RFC 9457). Writing wants Content-Type application/json,
// which no foreign web page may send; it listens on loopback only.
package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/linshao/linshao/simulators/estate"
	"github.com/linshao/linshao/simulators/truth"
)

// Estate is what the side door opens onto; *live.Estate is one. Methods are
// called from any goroutine.
type Estate interface {
	Name() string
	Devices() []estate.Device
	Values(device string) (map[string]any, error)
	// Begin brings on a fault for a while, 0 meaning the fault's own time.
	Begin(f estate.Fault, device string, lasts time.Duration) error
	Mend(f estate.Fault, device string) error
	Truth() []truth.Fault
}

// Estates finds devices among several estates.
type Estates []Estate

// Unknown, Ambiguous and Unsuitable are why a device or fault was refused.
var (
	ErrUnknown    = errors.New("no such device")
	ErrAmbiguous  = errors.New("several estates have this device")
	ErrUnsuitable = errors.New("the device cannot have this fault")
)

// Find returns the estate and bare id of "device" or "estate:device".
func (s Estates) Find(device string) (Estate, string, error) {
	name, id, qualified := strings.Cut(device, ":")
	if !qualified {
		name, id = "", device
	}
	var found Estate
	for _, e := range s {
		if name != "" && e.Name() != name {
			continue
		}
		for _, d := range e.Devices() {
			if d.ID != id {
				continue
			}
			if found != nil {
				return nil, "", fmt.Errorf("%w: write %s:%s or %s:%s", ErrAmbiguous, found.Name(), id, e.Name(), id)
			}
			found = e
		}
	}
	if found == nil {
		return nil, "", fmt.Errorf("%w: %q; GET /devices lists them", ErrUnknown, device)
	}
	return found, id, nil
}

// Begin brings a fault on somewhere in the estates.
func (s Estates) Begin(f estate.Fault, device string, lasts time.Duration) error {
	e, id, err := s.Find(device)
	if err != nil {
		return err
	}
	if err := e.Begin(f, id, lasts); err != nil {
		return fmt.Errorf("%w: %w", ErrUnsuitable, err)
	}
	return nil
}

// Handler serves the side door. pages returns what GET /pages shows; nil shows
// an empty list.
func Handler(s Estates, pages func() any) http.Handler {
	d := door{estates: s, pages: pages}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /devices", d.devices)
	mux.HandleFunc("GET /faults", d.truth)
	mux.HandleFunc("POST /faults", d.begin)
	mux.HandleFunc("DELETE /faults", d.mend)
	mux.HandleFunc("GET /pages", d.listPages)
	return mux
}

type door struct {
	estates Estates
	pages   func() any
}

// wish is the body of POST and DELETE.
type wish struct {
	Fault   estate.Fault `json:"fault"`
	Device  string       `json:"device"`
	Seconds float64      `json:"seconds"`
}

// Device is one row of GET /devices.
type Device struct {
	Estate string `json:"estate"`
	estate.Device
	Faults []estate.Fault `json:"faults"`
	Now    []string       `json:"now"` // faults it has at present
	Values map[string]any `json:"values"`
}

// Fault is one row of GET /faults.
type Fault struct {
	Estate string    `json:"estate"`
	Device string    `json:"device"`
	Fault  string    `json:"fault"`
	From   time.Time `json:"from"`
	To     time.Time `json:"to,omitzero"`
}

func (d door) devices(w http.ResponseWriter, _ *http.Request) {
	items := []Device{}
	for _, e := range d.estates {
		now := map[string][]string{}
		for _, f := range e.Truth() {
			if f.ToMS == 0 {
				now[f.Device] = append(now[f.Device], f.Fault)
			}
		}
		for _, dev := range e.Devices() {
			values, err := e.Values(dev.ID)
			if err != nil {
				continue // it was just listed
			}
			items = append(items, Device{Estate: e.Name(), Device: dev, Faults: estate.Faults(dev.Kind), Now: now[dev.ID], Values: values})
		}
	}
	reply(w, http.StatusOK, map[string]any{"items": items})
}

func (d door) truth(w http.ResponseWriter, _ *http.Request) {
	items := []Fault{}
	for _, e := range d.estates {
		for _, f := range e.Truth() {
			row := Fault{Estate: e.Name(), Device: f.Device, Fault: f.Fault, From: time.UnixMilli(f.FromMS)}
			if f.ToMS != 0 {
				row.To = time.UnixMilli(f.ToMS)
			}
			items = append(items, row)
		}
	}
	reply(w, http.StatusOK, map[string]any{"items": items})
}

func (d door) begin(w http.ResponseWriter, r *http.Request) {
	q, ok := read(w, r)
	if !ok {
		return
	}
	lasts := time.Duration(q.Seconds * float64(time.Second))
	if lasts < 0 || lasts > 24*time.Hour {
		refuse(w, http.StatusUnprocessableEntity, fmt.Errorf("%w: seconds must lie between 0 and 86400", ErrUnsuitable))
		return
	}
	if err := d.estates.Begin(q.Fault, q.Device, lasts); err != nil {
		refuse(w, status(err), err)
		return
	}
	reply(w, http.StatusAccepted, map[string]any{"fault": q.Fault, "device": q.Device})
}

func (d door) mend(w http.ResponseWriter, r *http.Request) {
	q, ok := read(w, r)
	if !ok {
		return
	}
	e, id, err := d.estates.Find(q.Device)
	if err == nil {
		err = e.Mend(q.Fault, id)
	}
	if err != nil {
		refuse(w, status(err), err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (d door) listPages(w http.ResponseWriter, _ *http.Request) {
	var items any = []any{}
	if d.pages != nil {
		items = d.pages()
	}
	reply(w, http.StatusOK, map[string]any{"items": items})
}

func read(w http.ResponseWriter, r *http.Request) (wish, bool) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		refuse(w, http.StatusUnsupportedMediaType, errors.New("send Content-Type: application/json"))
		return wish{}, false
	}
	dec := json.NewDecoder(io.LimitReader(r.Body, 4096))
	dec.DisallowUnknownFields()
	var q wish
	if err := dec.Decode(&q); err != nil {
		refuse(w, http.StatusBadRequest, fmt.Errorf(`send {"fault": …, "device": …, "seconds": …}: %w`, err))
		return wish{}, false
	}
	return q, true
}

func status(err error) int {
	switch {
	case errors.Is(err, ErrUnknown):
		return http.StatusNotFound
	case errors.Is(err, ErrAmbiguous):
		return http.StatusConflict
	}
	return http.StatusUnprocessableEntity
}

func refuse(w http.ResponseWriter, code int, err error) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"status": code, "title": http.StatusText(code), "detail": err.Error(),
	})
}

func reply(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body) // a client that is gone can't be told so
}
