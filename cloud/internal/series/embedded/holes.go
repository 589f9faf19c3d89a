package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// fillHoles puts empty segments where a log lacks some in the middle; the
// library opens no log that does. After a power cut the removal of a segment
// may be durable while that of an older one is not, or the name of a segment
// while that of the one before, in which nothing was acknowledged, is not.
func fillHoles(dir string) error {
	for _, name := range []string{"wal", "wbl"} {
		log := tail{dir: filepath.Join(dir, name)}
		numbers, err := log.segments()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		for i := 1; i < len(numbers); i++ {
			for n := numbers[i-1] + 1; n < numbers[i]; n++ {
				if err := os.WriteFile(segmentPath(log.dir, n), nil, 0o600); err != nil {
					return fmt.Errorf("fill a hole in %s: %w", name, err)
				}
			}
		}
	}
	return nil
}
