// Package truth reads and writes what really happened in a simulation and
// judges tickets by it. Files are CSV with a header: truth is
// device,fault,from,to and tickets are id,device,kind,raised_at,cleared_at;
// times are RFC 3339 or Unix ms, an empty end means "not yet". The package is
// pure but for the readers and writers it is given.
package truth

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"time"
)

// Fault is one episode of one device.
type Fault struct {
	Device, Fault string
	// FromMS and ToMS are Unix ms; ToMS is 0 while it lasts.
	FromMS, ToMS int64
}

// Ticket is what the product made of it.
type Ticket struct {
	ID, Device string
	// Kind is the fault's word or, from collectors that say no more, the
	// device's kind.
	Kind                string
	RaisedMS, ClearedMS int64
}

var (
	faultColumns  = []string{"device", "fault", "from", "to"}
	ticketColumns = []string{"id", "device", "kind", "raised_at", "cleared_at"}
)

// Write writes the faults as CSV, times in UTC.
func Write(w io.Writer, faults []Fault) error {
	c := csv.NewWriter(w)
	rows := [][]string{faultColumns}
	for _, f := range faults {
		rows = append(rows, []string{f.Device, f.Fault, stamp(f.FromMS), stamp(f.ToMS)})
	}
	if err := c.WriteAll(rows); err != nil {
		return fmt.Errorf("write truth: %w", err)
	}
	return nil
}

// Read reads what Write wrote.
func Read(r io.Reader) ([]Fault, error) {
	t, err := readTable(r, faultColumns)
	if err != nil {
		return nil, fmt.Errorf("read truth: %w", err)
	}
	var out []Fault
	for t.next() {
		out = append(out, Fault{t.text(0), t.text(1), t.time(2), t.time(3)})
	}
	if t.err != nil {
		return nil, fmt.Errorf("read truth: %w", t.err)
	}
	return out, nil
}

// ReadTickets reads a ticket file; columns beyond the known five are ignored.
func ReadTickets(r io.Reader) ([]Ticket, error) {
	t, err := readTable(r, ticketColumns)
	if err != nil {
		return nil, fmt.Errorf("read tickets: %w", err)
	}
	var out []Ticket
	for t.next() {
		out = append(out, Ticket{t.text(0), t.text(1), t.text(2), t.time(3), t.time(4)})
	}
	if t.err != nil {
		return nil, fmt.Errorf("read tickets: %w", t.err)
	}
	return out, nil
}

// table is a CSV whose columns are found by name.
type table struct {
	csv   *csv.Reader
	place []int // column of each wanted name
	row   []string
	err   error
}

func readTable(r io.Reader, columns []string) (*table, error) {
	t := &table{csv: csv.NewReader(r)}
	head, err := t.csv.Read()
	if err == io.EOF {
		return nil, fmt.Errorf("the file is empty, it needs a first line %q", columns)
	}
	if err != nil {
		return nil, err
	}
	at := map[string]int{}
	for i, name := range head {
		at[name] = i
	}
	for _, c := range columns {
		i, ok := at[c]
		if !ok {
			return nil, fmt.Errorf("line 1: there is no column %q, only %q", c, head)
		}
		t.place = append(t.place, i)
	}
	return t, nil
}

func (t *table) next() bool {
	if t.err != nil {
		return false
	}
	row, err := t.csv.Read()
	if err != nil {
		if err != io.EOF {
			t.err = err
		}
		return false
	}
	t.row = row
	return true
}

func (t *table) text(column int) string { return t.row[t.place[column]] }

func (t *table) time(column int) int64 {
	s := t.text(column)
	if s == "" {
		return 0
	}
	if ms, err := strconv.ParseInt(s, 10, 64); err == nil {
		return ms
	}
	at, err := time.Parse(time.RFC3339, s)
	if err != nil && t.err == nil {
		line, col := t.csv.FieldPos(t.place[column])
		t.err = fmt.Errorf("line %d, column %d: %q is neither RFC 3339 nor Unix ms", line, col, s)
	}
	return at.UnixMilli()
}

func stamp(ms int64) string {
	if ms == 0 {
		return ""
	}
	return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z07:00")
}
