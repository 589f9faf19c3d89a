package ingest

import (
	"context"
	"fmt"

	"github.com/linshao/linshao/protocol/envelope"
)

// ledger remembers what the relational ledger is known to hold, so that most
// groups need not ask. It only ever knows less than the truth: another
// collector may have settled more, and then the work is repeated without
// effect. It belongs to one lane's committer.
type ledger struct {
	known map[LogID]envelope.RangeSet
}

// maxKnown logs are remembered; beyond it starts over.
const maxKnown = 50_000

func newLedger() *ledger { return &ledger{known: map[LogID]envelope.RangeSet{}} }

// learn reads the logs of ws that are not known yet.
func (l *ledger) learn(ctx context.Context, inTx InTx, ws []*work) error {
	unknown := map[LogID]bool{}
	for _, w := range ws {
		if _, ok := l.known[w.log]; !ok {
			unknown[w.log] = true
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	var read map[LogID]envelope.RangeSet
	err := inTx(ctx, func(tx Tx) error {
		read = make(map[LogID]envelope.RangeSet, len(unknown))
		for id := range unknown {
			s, err := tx.Settled(ctx, id)
			if err != nil {
				return err
			}
			read[id] = s
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read ledger: %w", err)
	}
	if len(l.known)+len(read) > maxKnown {
		clear(l.known)
	}
	for id, s := range read {
		l.known[id] = s
	}
	return nil
}

// holds reports whether all that w speaks of is settled.
func (l *ledger) holds(w *work) bool { return l.known[w.log].ContainsAll(w.covered) }

// marked notes what a committed transaction has marked.
func (l *ledger) marked(w *work) {
	l.known[w.log] = l.known[w.log].AddAll(w.covered)
}
