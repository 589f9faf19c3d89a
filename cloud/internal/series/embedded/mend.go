package embedded

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"github.com/prometheus/prometheus/tsdb/wlog"
	"github.com/prometheus/prometheus/util/compression"
)

// logPage is the unit that the library's logs are written in: a record may
// begin at each.
const logPage = 32 << 10

// mending is the folder in which a segment is written anew.
const mending = "mending"

// mendLogs takes damaged records out of the library's logs and keeps those
// behind them. By itself the library cuts a log at the first, removes all
// later segments, and opens no store whose checkpoint is damaged.
func mendLogs(dir string, log *slog.Logger) error {
	logs, err := filepath.Glob(filepath.Join(dir, "wal", "checkpoint.*[0-9]"))
	if err != nil {
		return fmt.Errorf("list checkpoints: %w", err)
	}
	for _, l := range append(logs, filepath.Join(dir, "wal"), filepath.Join(dir, "wbl")) {
		numbers, err := (&tail{dir: l}).segments()
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		for _, n := range numbers {
			name := segmentPath(l, n)
			whole, err := intact(name)
			if err == nil && !whole {
				log.Error("a log of the series is damaged, what can be read of it is kept", "file", name)
				err = mend(name, filepath.Join(dir, mending))
			}
			if err != nil {
				return fmt.Errorf("mend %s: %w", name, err)
			}
		}
	}
	return nil
}

// intact reports whether a segment can be read to its end.
func intact(name string) (bool, error) {
	s, err := wlog.OpenReadSegment(name)
	if err != nil {
		return false, err
	}
	buf := wlog.NewSegmentBufReader(s)
	r := wlog.NewReader(buf)
	for r.Next() {
		continue
	}
	return r.Err() == nil, buf.Close()
}

// mend replaces a segment by one of the records in it that can be read. A crash
// leaves the old one or the new one.
func mend(name, work string) error {
	b, err := os.ReadFile(name) //nolint:gosec // in our own directory
	if err != nil {
		return err
	}
	b = append(b, make([]byte, -len(b)&(logPage-1))...)
	if err := os.RemoveAll(work); err != nil {
		return err
	}
	w, err := wlog.NewSize(nil, nil, work, len(b)+logPage, compression.None)
	if err != nil {
		return err
	}
	if err := errors.Join(salvage(b, func(record []byte) error { return w.Log(record) }), w.Close()); err != nil {
		return err
	}
	if err := os.Rename(segmentPath(work, 0), name); err != nil {
		return err
	}
	return errors.Join(syncDir(filepath.Dir(name)), os.RemoveAll(work))
}

// salvage calls keep with each record of whole pages that can be read. Behind
// damage it goes on with the next page.
func salvage(b []byte, keep func(record []byte) error) error {
	for len(b) > 0 {
		r := wlog.NewReader(bytes.NewReader(b))
		for r.Next() {
			if err := keep(slices.Clone(r.Record())); err != nil {
				return err
			}
		}
		if r.Err() == nil {
			return nil
		}
		read := (int(r.Offset()) + logPage - 1) &^ (logPage - 1)
		b = b[min(max(read, logPage), len(b)):]
	}
	return nil
}
