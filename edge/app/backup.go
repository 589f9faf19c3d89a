package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/linshao/linshao/edge/internal/backup"
	"github.com/linshao/linshao/edge/internal/skew"
)

// ErrNoData: there is nothing to back up.
var ErrNoData = errors.New("holds no data of an edge: name its data_dir")

// Backup writes everything that an edge keeps in dataDir to the new file at
// name, also beside the daemon. What was acknowledged before is in it.
func Backup(dataDir, name, version string) (backup.Manifest, error) {
	if _, err := os.Stat(filepath.Join(dataDir, OutboxDir)); errors.Is(err, fs.ErrNotExist) {
		return backup.Manifest{}, fmt.Errorf("%s %w", dataDir, ErrNoData)
	}
	return backup.Make(dataDir, OutboxDir, []string{skew.FileName}, name, backup.Manifest{
		Product: product, Format: format, Version: version, MadeMS: time.Now().UnixMilli(),
	})
}

// Restore makes the data directory dataDir, which must be empty or not there,
// of the backup at name. The outbox begins a new epoch when it is opened: it
// sends what waited under the old names, which the cloud knows again, and gives
// new records new ones.
func Restore(dataDir, name string) (backup.Manifest, error) {
	return backup.Restore(name, dataDir, product, format)
}
