package rig

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"sync"

	"github.com/linshao/linshao/simulators/pager"
)

// journal appends one JSON object a line.
type journal struct {
	mu  sync.Mutex // guards the following
	f   *os.File
	w   *bufio.Writer
	err error
}

func openJournal(path string) (*journal, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	return &journal{f: f, w: bufio.NewWriterSize(f, 1<<16)}, nil
}

func (j *journal) add(v any) {
	b, err := json.Marshal(v)
	j.mu.Lock()
	defer j.mu.Unlock()
	if err == nil {
		_, err = j.w.Write(append(b, '\n'))
	}
	if j.err == nil {
		j.err = err
	}
}

func (j *journal) flush() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.w.Flush(); err != nil && j.err == nil {
		j.err = err
	}
	return j.err
}

func (j *journal) close() {
	_ = j.flush()
	_ = j.f.Close()
}

// Sample is a line of told.ndjson: a value that a device sent.
type Sample struct {
	At     float64 `json:"at"`
	Estate string  `json:"estate"`
	Device string  `json:"device"`
	Metric string  `json:"metric"`
	TS     int64   `json:"ts"`
	Value  float64 `json:"value"`
	Ack    bool    `json:"ack"`
}

// Alarm is a line of told.ndjson: a condition that a device reported.
type Alarm struct {
	At     float64 `json:"at"`
	Estate string  `json:"estate"`
	Device string  `json:"device"`
	Event  string  `json:"event"`
	Fault  string  `json:"fault"`
	TS     int64   `json:"ts"`
	Ack    bool    `json:"ack"`
}

type paged struct {
	At      float64 `json:"at"`
	Key     string  `json:"key"`
	Ticket  string  `json:"ticket"`
	Estate  string  `json:"estate"`
	Device  string  `json:"device"`
	Fault   string  `json:"fault"`
	Step    int     `json:"step"`
	To      string  `json:"to"`
	Channel string  `json:"channel"`
	Verdict string  `json:"verdict"`
}

// TellSample writes into told.ndjson; rows with devices of their own use it.
func (w *Town) TellSample(s Sample) { w.told.add(s) }

// TellAlarm writes into told.ndjson; rows with devices of their own use it.
func (w *Town) TellAlarm(a Alarm) { w.told.add(a) }

func (w *Town) openJournals() {
	var err error
	w.told, err = openJournal(filepath.Join(w.Journals, "told.ndjson"))
	w.must(err)
	w.paged, err = openJournal(filepath.Join(w.Journals, "paged.ndjson"))
	w.must(err)
}

// page is called by the pager with every request.
func (w *Town) page(r pager.Request) {
	var t struct{ ID, Estate, Device, Fault string }
	_ = json.Unmarshal(r.Ticket, &t) // a page without a ticket is for the checker to see
	w.paged.add(paged{
		At: w.Now(), Key: r.Key, Ticket: t.ID, Estate: t.Estate, Device: t.Device, Fault: t.Fault,
		Step: r.Step, To: r.Staff, Channel: "webhook", Verdict: r.Verdict,
	})
	if r.Verdict != pager.Refused {
		w.heard.add(t.Estate+"/"+t.Device, t.ID)
	}
}

// heard is which devices people were paged for, to wait for.
type heard struct {
	mu      sync.Mutex // guards the following
	tickets map[string]map[string]bool
	changed chan struct{} // closed and replaced with every page
}

func newHeard() *heard {
	return &heard{tickets: map[string]map[string]bool{}, changed: make(chan struct{})}
}

func (h *heard) add(device, ticket string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.tickets[device] == nil {
		h.tickets[device] = map[string]bool{}
	}
	h.tickets[device][ticket] = true
	close(h.changed)
	h.changed = make(chan struct{})
}

// of returns how many tickets of a device were paged, and a channel that is
// closed when that may have changed.
func (h *heard) of(device string) (int, <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.tickets[device]), h.changed
}

func (h *heard) has(device, ticket string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.tickets[device][ticket]
}
