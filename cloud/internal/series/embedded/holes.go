package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
)

// mostMissing segments are filled in for; more is a file that only looks like a
// segment.
const mostMissing = 1000

// fillHoles puts empty segments where a log lacks some in the middle; the
// library opens no log that does. After a power cut the removal of a segment
// may be durable while that of an older one is not, or the name of a segment
// while that of the one before, in which nothing was acknowledged, is not.
func fillHoles(dir string, log *slog.Logger) error {
	for _, name := range []string{"wal", "wbl"} {
		l := tail{dir: filepath.Join(dir, name)}
		numbers, err := l.segments()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		for i := 1; i < len(numbers); i++ {
			missing := numbers[i] - numbers[i-1] - 1
			if missing > mostMissing {
				return fmt.Errorf("%s holds no segments between %d and %d: move away what is not of it", l.dir, numbers[i-1], numbers[i])
			}
			if missing > 0 {
				log.Warn("a log of the series lacks segments, after a power cut those hold nothing that counts", "log", l.dir, "behind", numbers[i-1], "missing", missing)
			}
			for n := numbers[i-1] + 1; n < numbers[i]; n++ {
				if err := os.WriteFile(segmentPath(l.dir, n), nil, 0o600); err != nil {
					return fmt.Errorf("fill a hole in %s: %w", name, err)
				}
			}
		}
	}
	return nil
}
