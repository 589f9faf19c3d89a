package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/linshao/linshao/cloud/internal/config"
	"github.com/linshao/linshao/cloud/internal/db"
	"github.com/linshao/linshao/protocol/kit/datadir"
)

// restoring is where a backup is looked at before it becomes the database.
const restoring = "restoring"

// Restore puts a backup's relational state into a data directory that has
// none. It never overwrites: an operator who means to replace a database moves
// it away first. The copy is brought up to date and checked before it takes
// the database's place, so a failure leaves nothing to start on.
func Restore(ctx context.Context, o Options, file string) error {
	cfg, err := config.Load(o.ConfigPath, o.Environ)
	if err != nil {
		return err
	}
	if cfg.Database.URL != "" {
		return &UsageError{Why: db.ErrNoBackup.Error()}
	}
	dir, err := openDir(cfg.DataDir)
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }()
	if err := refuseToReplace(dir); err != nil {
		return err
	}
	trial := dir.Path(restoring)
	if err := errors.Join(os.RemoveAll(trial), os.Mkdir(trial, 0o700)); err != nil {
		return fmt.Errorf("make room for the backup: %w", err)
	}
	defer func() { _ = os.RemoveAll(trial) }()
	if err := copyFile(filepath.Join(trial, db.FileName), file); err != nil {
		return fmt.Errorf("copy backup: %w", err)
	}
	if err := checkDatabase(ctx, trial); err != nil {
		return fmt.Errorf("open what was restored: %w", err)
	}
	if err := os.Rename(filepath.Join(trial, db.FileName), dir.Path(db.FileName)); err != nil {
		return fmt.Errorf("put restored database in place: %w", err)
	}
	return syncDir(dir.Path())
}

// refuseToReplace also minds the journals of a database that was moved away:
// SQLite would play them into the restored one.
func refuseToReplace(dir *datadir.Dir) error {
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		if _, err := os.Lstat(dir.Path(db.FileName + suffix)); err == nil {
			return &UsageError{Why: fmt.Sprintf("%s exists: move it away before restoring", dir.Path(db.FileName+suffix))}
		}
	}
	return nil
}

// checkDatabase opens the database in dir once; closing it leaves one file.
func checkDatabase(ctx context.Context, dir string) error {
	store, err := db.Open(ctx, db.Options{DataDir: dir})
	if err != nil {
		return err
	}
	return errors.Join(store.Check(ctx), store.Close())
}

// copyFile writes a durable copy of from to a new file to.
func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Sync(), out.Close())
}

// syncDir makes the names in a directory durable.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	return nil
}
