package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"github.com/prometheus/prometheus/tsdb"

	"github.com/linshao/linshao/protocol/kit/chaos"
)

// opens bounds how often the library is opened at a start: once more for each
// of its two logs that was torn, and once for what it forgot.
const opens = 5

// openLibrary opens it with nothing late in its memory.
func openLibrary(ctx context.Context, o Options) (*tsdb.DB, *failures, error) {
	if err := mendLogs(o.Dir, o.Log); err != nil {
		return nil, nil, err
	}
	for range opens {
		if err := errors.Join(replayWhole(o.Dir), dropHeads(o.Dir), fillHoles(o.Dir, o.Log)); err != nil {
			return nil, nil, err
		}
		failed := newFailures()
		db, err := tsdb.Open(o.Dir, o.Log, failed, libraryOptions(o), nil)
		if err != nil {
			return nil, nil, err
		}
		// After a repair it has not read what comes behind: the rest of that log
		// and, behind the wal, all of the wbl, which must not be compacted and
		// removed in that state.
		clean := false
		torn, err := failed.repaired()
		if err == nil && !torn {
			clean, err = recoverLate(ctx, db, o.Dir)
		}
		if err == nil && clean {
			return db, failed, nil
		}
		if err := errors.Join(err, db.Close()); err != nil {
			return nil, nil, err
		}
	}
	return nil, nil, errors.New("the logs are still torn, or late samples in memory, after as many tries as that may take")
}

// recoverLate puts what the wbl held into blocks before anything else is
// compacted (prometheus#19744). The library compacts by itself a minute after
// opening at the earliest. It reports false where the library must be opened
// anew: it forgets how far it has numbered its mapped chunks when it removes
// the last of them, but not up to which number they are compacted.
func recoverLate(ctx context.Context, db *tsdb.DB, dir string) (clean bool, err error) {
	replayed := db.Head().MinOOOTime() != math.MaxInt64
	db.DisableCompactions()
	chaos.At("series.compact.before")
	if err := db.CompactOOOHead(ctx); err != nil {
		return false, fmt.Errorf("compact out-of-order head: %w", err)
	}
	chaos.At("series.compact.after")
	db.EnableCompactions()
	if !replayed {
		return true, nil
	}
	left, err := os.ReadDir(filepath.Join(dir, "chunks_head"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("list mapped chunks: %w", err)
	}
	return len(left) > 0, nil
}
