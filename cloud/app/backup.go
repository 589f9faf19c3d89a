package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/linshao/linshao/cloud/internal/backup"
	"github.com/linshao/linshao/cloud/internal/config"
	"github.com/linshao/linshao/cloud/internal/db"
	"github.com/linshao/linshao/cloud/internal/series"
	"github.com/linshao/linshao/cloud/internal/series/embedded"
	"github.com/linshao/linshao/protocol/kit/archive"
)

// BackupRequest names the file to write.
type BackupRequest struct {
	File string `json:"file"`
}

// BackedUp says what a backup holds.
type BackedUp struct {
	Bytes int64 `json:"bytes"`
	// Holds and Missing are in words.
	Holds   []string `json:"holds"`
	Missing []string `json:"missing"`
}

// The members of a backup, and the folder of the data directory that the
// series are in.
const (
	databaseMember = db.FileName
	seriesFolder   = "series"
	// staging is where a backup is put together: in the data directory, since
	// blocks of series are linked.
	staging = "backing-up"
)

// backup copies the database first and the series after it: whatever the copied
// ledger calls settled is among the copied samples.
func (o ops) backup(ctx context.Context, r BackupRequest) (BackedUp, error) {
	if !filepath.IsAbs(r.File) {
		return BackedUp{}, &UsageError{Why: "name the backup by an absolute path"}
	}
	var told BackedUp
	var m backup.Manifest
	began := false
	size, err := archive.WriteFile(r.File, func(out io.Writer) (err error) {
		began = true
		m, told, err = o.copyAll(ctx, out)
		return err
	})
	switch {
	case errors.Is(err, fs.ErrExist):
		return BackedUp{}, &UsageError{Why: r.File + " exists already: name a new file"}
	case err != nil && !began: // nothing can be written there
		return BackedUp{}, &UsageError{Why: err.Error()}
	case err != nil:
		return BackedUp{}, err
	}
	if err := readBack(ctx, r.File); err != nil {
		return BackedUp{}, errors.Join(fmt.Errorf("read back what was written: %w", err), os.Remove(r.File))
	}
	told.Bytes = size
	return told, o.noteBackup(m.MadeAt)
}

// copyAll writes a backup of everything to out.
func (o ops) copyAll(ctx context.Context, out io.Writer) (backup.Manifest, BackedUp, error) {
	told := BackedUp{Missing: []string{}}
	dir, err := os.MkdirTemp(o.cfg.DataDir, staging+"-")
	if err != nil {
		return backup.Manifest{}, told, fmt.Errorf("make room for the backup: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := errors.Join(o.copyDatabase(ctx, dir, &told), o.copySeries(ctx, dir, &told)); err != nil {
		return backup.Manifest{}, told, err
	}
	m, err := backup.Write(interruptible{ctx, out}, dir, backup.Manifest{Version: o.version, MadeAt: o.clock.Now().UTC(), Missing: told.Missing})
	return m, told, err
}

// readBack checks a backup: one that cannot be read is none.
func readBack(ctx context.Context, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	_, err = backup.Verify(io.TeeReader(f, interruptible{ctx, io.Discard}))
	return err
}

// interruptible is a writer that refuses once its context has ended.
type interruptible struct {
	ctx context.Context
	out io.Writer
}

func (i interruptible) Write(b []byte) (int, error) {
	if err := context.Cause(i.ctx); err != nil {
		return 0, err
	}
	return i.out.Write(b)
}

func (o ops) copyDatabase(ctx context.Context, dir string, told *BackedUp) error {
	err := o.store.Backup(ctx, filepath.Join(dir, databaseMember))
	if errors.Is(err, db.ErrNoBackup) {
		told.Missing = append(told.Missing, "the database: "+err.Error()+"; run it before this, so that the series hold what its ledger calls settled")
		return nil
	}
	told.Holds = append(told.Holds, "tickets, people, plans, audit and ledger")
	return err
}

func (o ops) copySeries(ctx context.Context, dir string, told *BackedUp) error {
	if o.cfg.Series.Backend != config.Embedded {
		told.Missing = append(told.Missing, "the series: VictoriaMetrics is backed up with its own tools, such as vmbackup")
		return nil
	}
	told.Holds = append(told.Holds, "series")
	if o.series != nil {
		return o.snapshot(ctx, filepath.Join(dir, seriesFolder))
	}
	from := filepath.Join(o.cfg.DataDir, seriesFolder)
	if _, err := os.Stat(from); errors.Is(err, fs.ErrNotExist) {
		return nil // it never served
	}
	s, err := embedded.Open(ctx, embedded.Options{Dir: from, Retention: time.Duration(o.cfg.Series.Retention), Now: o.clock.Now, Log: o.log})
	if err != nil {
		return err
	}
	return errors.Join(s.Snapshot(ctx, filepath.Join(dir, seriesFolder)), s.Close())
}

// snapshot waits until the running collector has replayed its log.
func (o ops) snapshot(ctx context.Context, dir string) error {
	for {
		err := o.series.Snapshot(ctx, dir)
		if !errors.Is(err, series.ErrNotReady) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(askAgain):
		}
	}
}

// lastBackup is the file that remembers when a backup last succeeded.
const lastBackup = "last-backup.json"

// backupNote is its form.
type backupNote struct {
	Format int       `json:"format"`
	MadeAt time.Time `json:"made_at"`
}

func (o ops) noteBackup(at time.Time) error {
	b, err := json.Marshal(backupNote{Format: 1, MadeAt: at})
	if err != nil {
		return err
	}
	name := filepath.Join(o.cfg.DataDir, lastBackup)
	if err := errors.Join(os.WriteFile(name+".new", b, 0o600), os.Rename(name+".new", name)); err != nil {
		return fmt.Errorf("note the backup: %w", err)
	}
	return nil
}

// lastBackupAt returns when a backup last succeeded, the zero time if none is
// known of.
func lastBackupAt(dataDir string) time.Time {
	var n backupNote
	b, err := os.ReadFile(filepath.Join(dataDir, lastBackup))
	if err != nil || json.Unmarshal(b, &n) != nil {
		return time.Time{}
	}
	return n.MadeAt
}

// backupAge tells how long ago a backup last succeeded, if one ever did.
type backupAge struct{ ops ops }

func backupAgeDesc() *prometheus.Desc {
	return prometheus.NewDesc("linshao_cloud_backup_age_seconds", "How long ago a backup last succeeded; absent before the first.", nil, nil)
}

// Describe implements prometheus.Collector.
func (a backupAge) Describe(ch chan<- *prometheus.Desc) { ch <- backupAgeDesc() }

// Collect implements prometheus.Collector.
func (a backupAge) Collect(ch chan<- prometheus.Metric) {
	if at := lastBackupAt(a.ops.cfg.DataDir); !at.IsZero() {
		ch <- prometheus.MustNewConstMetric(backupAgeDesc(), prometheus.GaugeValue, max(a.ops.clock.Now().Sub(at), 0).Seconds())
	}
}
