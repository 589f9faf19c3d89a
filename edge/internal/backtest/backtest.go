// Package backtest runs the daemon's own detectors over recorded samples, so
// that a rule can be tried before it pages anybody.
//
// Every row is answered, in order and before the next one is read, with the
// rules that became active at it; what comes later never changes an answer.
// Time is the recording's: hold times and silence between two rows end as they
// would have ended then, and are told at the row that follows.
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

// Columns of the input and of the output.
var (
	inColumns  = []string{"timestamp", "device", "metric", "value"}
	outColumns = []string{"timestamp", "device", "metric", "value", "score", "finding"}
)

// mostTicks bounds how many seconds between two rows are played one by one;
// beyond it only the last ones are, which is where everything has ended.
const mostTicks = 3600

// Run reads rows timestamp,device,metric,value and writes each of them with a
// score (1 where a rule became active, else 0) and the finding (the ids of
// those rules, joined by spaces). Timestamps are RFC 3339, "2006-01-02
// 15:04:05" (taken as UTC) or Unix milliseconds; an empty value is a read that
// failed. Errors name the line.
func Run(rules []device.Rule, in io.Reader, out io.Writer) error {
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
	if !slices.Equal(head, inColumns) {
		return fmt.Errorf("line 1: the columns must be %s", strings.Join(inColumns, ","))
	}
	p := player{bank: bank, in: r, out: csv.NewWriter(out)}
	if err := p.answer(outColumns...); err != nil {
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

// player moves the detectors through recorded time.
type player struct {
	bank     *detect.Bank
	in       *csv.Reader
	out      *csv.Writer
	findings []detect.Finding
	// startMS and nowMS are the recording's first and newest instant.
	startMS, nowMS int64
	begun          bool
}

func (p *player) row(row []string) error {
	s, err := sample(row)
	if err != nil {
		line, _ := p.in.FieldPos(0)
		return fmt.Errorf("line %d: %w", line, err)
	}
	p.findings = p.findings[:0]
	p.advance(s.AtMS)
	p.findings = p.bank.Step(p.findings, []telemetry.Sample{s}, p.now())
	var ids []string
	for _, f := range p.findings {
		if f.Active && !slices.Contains(ids, f.Rule.ID) {
			ids = append(ids, f.Rule.ID)
		}
	}
	score := "0"
	if len(ids) > 0 {
		score = "1"
	}
	return p.answer(row[0], row[1], row[2], row[3], score, strings.Join(ids, " "))
}

// answer writes one row where the reader sees it at once.
func (p *player) answer(row ...string) error {
	if err := p.out.Write(row); err != nil {
		return fmt.Errorf("write row: %w", err)
	}
	p.out.Flush()
	if err := p.out.Error(); err != nil {
		return fmt.Errorf("write row: %w", err)
	}
	return nil
}

// advance plays the seconds up to atMS. Recordings may step back; time stands
// still then.
func (p *player) advance(atMS int64) {
	if !p.begun {
		p.begun, p.startMS, p.nowMS = true, atMS, atMS
		return
	}
	p.nowMS = max(p.nowMS, atMS-mostTicks*1000)
	for p.nowMS+1000 <= atMS {
		p.nowMS += 1000
		p.findings = p.bank.Tick(p.findings, p.now())
	}
	p.nowMS = max(p.nowMS, atMS)
}

func (p *player) now() telemetry.Origin {
	return telemetry.Origin{MonoMS: p.nowMS - p.startMS, EdgeMS: p.nowMS, ClockTrusted: true}
}

func sample(row []string) (telemetry.Sample, error) {
	at, err := instant(row[0])
	if err != nil {
		return telemetry.Sample{}, err
	}
	s := telemetry.Sample{Key: telemetry.SeriesKey{Device: row[1], Kind: device.Any, Metric: row[2]}, AtMS: at, DeviceMS: at, EdgeMS: at}
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
