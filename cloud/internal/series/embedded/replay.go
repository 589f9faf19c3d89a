package embedded

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/prometheus/prometheus/tsdb"
)

// ulidLength is that of a block's name.
const ulidLength = 26

// replayWhole sees to it that the library replays all of its log. By itself it
// leaves out what is older than the end of the newest block, unless that block
// is marked as made of late samples only; but a block merged from both kinds
// has no mark, and may end behind samples that only the log has. What is in the
// log and in a block counts once.
func replayWhole(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list blocks: %w", err)
	}
	for _, e := range entries {
		if !e.IsDir() || len(e.Name()) != ulidLength {
			continue
		}
		if err := markLate(filepath.Join(dir, e.Name())); err != nil {
			return fmt.Errorf("mark block %s: %w", e.Name(), err)
		}
	}
	return nil
}

// markLate adds the mark to a block's own description. A block whose
// description cannot be read is left to the library, which sets it aside.
func markLate(block string) error {
	name := filepath.Join(block, "meta.json")
	hints, meta, ok := described(name)
	if !ok || slices.Contains(hints, tsdb.CompactionHintFromOutOfOrder) {
		return nil
	}
	meta["compaction"].(map[string]any)["hints"] = append(hints, tsdb.CompactionHintFromOutOfOrder)
	marked, err := json.MarshalIndent(meta, "", "\t")
	if err != nil {
		return err
	}
	return replace(name, marked)
}

// described reads a block's description, all of it, and its marks.
func described(name string) (hints []string, meta map[string]any, ok bool) {
	raw, err := os.ReadFile(name) //nolint:gosec // in our own directory
	if err != nil {
		return nil, nil, false
	}
	var known tsdb.BlockMeta
	if json.Unmarshal(raw, &meta) != nil || json.Unmarshal(raw, &known) != nil {
		return nil, nil, false
	}
	_, ok = meta["compaction"].(map[string]any)
	return slices.Clone(known.Compaction.Hints), meta, ok
}

// replace writes a file so that a crash leaves the old one or the new one.
func replace(name string, b []byte) error {
	tmp := name + ".tmp"
	f, err := os.Create(tmp) //nolint:gosec // in our own directory
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp, name); err != nil {
		return err
	}
	return syncDir(filepath.Dir(name))
}
