package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/linshao/linshao/cloud/internal/config"
	"github.com/linshao/linshao/cloud/internal/db"
)

// Restore puts a backup's relational state into a data directory that has
// none. It never overwrites: an operator who means to replace a database moves
// it away first. The restored database is checked before it is called good.
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
	target := dir.Path(db.FileName)
	if _, err := os.Stat(target); err == nil {
		return &UsageError{Why: fmt.Sprintf("%s exists: move it away before restoring", target)}
	}
	if err := copyFile(target, file); err != nil {
		return fmt.Errorf("copy backup: %w", err)
	}
	store, err := db.Open(ctx, db.Options{DataDir: dir.Path(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return fmt.Errorf("open what was restored: %w", err)
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
