// Package backtest runs the daemon's own detectors and ticket logic over
// recorded samples, so that a rule can be tried before it pages anybody.
//
// Every row is answered, in order and before the next one is read; what comes
// later never changes an answer. Time is the recording's: hold times and
// silence between two rows end as they would have ended then. What is found
// between two rows is told at the row it was found at, or, where it is about
// another series, at the next row of that one. Nobody resolves anything, so a
// condition that comes back is one more occurrence of its ticket, and told
// again; one that flaps is told no more often than the daemon would.
//
// A recording does not say of what kind its devices are: a rule for a kind
// judges all of them. Events are not in it: rules about events find nothing.
package backtest

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/linshao/linshao/edge/internal/detect"
	"github.com/linshao/linshao/edge/internal/device"
	"github.com/linshao/linshao/protocol/telemetry"
)

// The first lines of the input and of the output.
const (
	inHeader  = "timestamp,device,metric,value"
	outHeader = inHeader + ",score,finding"
)

// mostTicks bounds how many seconds between two rows are played one by one;
// beyond it only the last ones are, which is where everything has ended.
const mostTicks = 3600

// Run reads rows timestamp,device,metric,value and writes each of them with a
// score (1 while any condition on the row's series holds, else 0) and the
// finding (the ids of the rules that were raised, joined by spaces).
// Timestamps are RFC 3339, "2006-01-02 15:04:05" (taken as UTC) or Unix
// milliseconds; an empty value is a read that failed. Errors name the line.
func Run(rules []device.Rule, in io.Reader, out io.Writer) error {
	rules = slices.Clone(rules)
	for i := range rules {
		rules[i].Kind = ""
	}
	bank, err := detect.New(rules, nil)
	if err != nil {
		return fmt.Errorf("build detectors: %w", err)
	}
	r := csv.NewReader(in)
	r.ReuseRecord = true
	head, err := r.Read()
	if err != nil {
		return fmt.Errorf("read header: %w", err)
	}
	if strings.Join(head, ",") != inHeader {
		return errors.New("line 1: the columns must be " + inHeader)
	}
	p := newPlayer(bank, r, csv.NewWriter(out))
	if err := p.answer(strings.Split(outHeader, ",")...); err != nil {
		return err
	}
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read row: %w", err)
		}
		if err := p.row(row); err != nil {
			return err
		}
	}
}

func sample(row []string) (telemetry.Sample, error) {
	at, err := instant(row[0])
	if err != nil {
		return telemetry.Sample{}, err
	}
	s := telemetry.Sample{Key: telemetry.SeriesKey{Device: row[1], Metric: row[2]}, AtMS: at, DeviceMS: at, EdgeMS: at}
	if row[3] == "" {
		s.Quality, s.Reason = telemetry.Bad, "missing"
		return s, nil
	}
	if s.Value, err = strconv.ParseFloat(row[3], 64); err != nil {
		return s, fmt.Errorf("value %q is no number", row[3])
	}
	return s, nil
}

func instant(s string) (int64, error) {
	if ms, err := strconv.ParseInt(s, 10, 64); err == nil {
		return ms, nil
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateTime} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UnixMilli(), nil
		}
	}
	return 0, fmt.Errorf("timestamp %q: write RFC 3339, 2006-01-02 15:04:05 or Unix milliseconds", s)
}
