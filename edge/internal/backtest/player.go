package backtest

import (
	"encoding/csv"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/linshao/linshao/edge/internal/detect"
	"github.com/linshao/linshao/edge/internal/device"
	"github.com/linshao/linshao/edge/internal/flow"
	"github.com/linshao/linshao/edge/internal/triage"
	"github.com/linshao/linshao/protocol/telemetry"
	"github.com/linshao/linshao/protocol/ticket"
)

// quiet is the daemon's default of triage.Config.Quiet.
const quiet = 30 * time.Second

// player moves detectors and tickets through recorded time, one row after the
// other, as flow does with the present.
type player struct {
	bank   *detect.Bank
	triage *triage.Triage
	order  flow.Order
	in     *csv.Reader
	out    *csv.Writer
	// keys are the conditions of the tickets raised so far, raised those that
	// no row has told yet.
	keys     map[ticket.ID]ticket.Key
	raised   []ticket.Key
	findings []detect.Finding
	// startMS and nowMS are the recording's first and newest instant.
	startMS, nowMS int64
	begun          bool
}

func newPlayer(bank *detect.Bank, in *csv.Reader, out *csv.Writer) *player {
	return &player{
		bank: bank, in: in, out: out, keys: map[ticket.ID]ticket.Key{},
		triage: triage.New(triage.Config{Estate: "recording", Edge: "backtest", Quiet: quiet, Mint: ticket.NewID}),
	}
}

func (p *player) row(row []string) error {
	s, err := sample(row)
	if err != nil {
		line, _ := p.in.FieldPos(0)
		return fmt.Errorf("line %d: %w", line, err)
	}
	p.advance(s.AtMS)
	s.EdgeMS = p.nowMS // a row that is older arrived late
	samples := []telemetry.Sample{s}
	p.order.Take(samples)
	p.findings = p.bank.Step(p.findings[:0], samples, p.now())
	p.judge()
	score := "0"
	if p.bank.Active(row[1], row[2]) {
		score = "1"
	}
	return p.answer(row[0], row[1], row[2], row[3], score, p.tell(row[1], row[2]))
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
		p.findings = p.bank.Tick(p.findings[:0], p.now())
		p.judge()
		p.note(p.triage.Tick(nil, p.now()))
	}
	p.nowMS = max(p.nowMS, atMS)
}

func (p *player) now() telemetry.Origin {
	return telemetry.Origin{MonoMS: p.nowMS - p.startMS, EdgeMS: p.nowMS, ClockTrusted: true}
}

// judge hands p.findings to the ticket logic.
func (p *player) judge() {
	for _, f := range p.findings {
		p.note(p.triage.Judge(nil, triage.Finding{
			Subject: ticket.Subject{
				Estate: "recording", Device: f.Device, Rule: f.Rule.ID, Metric: f.Metric, Fault: f.Rule.Fault, Severity: f.Rule.Severity,
			},
			Active: f.Active, Event: f.Rule.Detector == device.OnEvent, AtMS: f.AtMS, Evidence: f.Evidence,
		}, p.now()))
	}
}

func (p *player) note(ts []ticket.Transition) {
	for _, x := range ts {
		switch x.Kind {
		case ticket.Raise:
			p.keys[x.Ticket] = x.Subject.Key()
			p.raised = append(p.raised, x.Subject.Key())
		case ticket.Occur:
			p.raised = append(p.raised, p.keys[x.Ticket])
		}
	}
}

// tell returns the rules raised about a series or the whole of its device,
// and forgets them.
func (p *player) tell(dev, metric string) string {
	var ids []string
	p.raised = slices.DeleteFunc(p.raised, func(k ticket.Key) bool {
		mine := k.Device == dev && (k.Metric == "" || k.Metric == metric)
		if mine && !slices.Contains(ids, k.Rule) {
			ids = append(ids, k.Rule)
		}
		return mine
	})
	return strings.Join(ids, " ")
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
