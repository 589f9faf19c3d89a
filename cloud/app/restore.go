package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/linshao/linshao/cloud/internal/backup"
	"github.com/linshao/linshao/cloud/internal/config"
	"github.com/linshao/linshao/cloud/internal/db"
	"github.com/linshao/linshao/protocol/kit/archive"
	"github.com/linshao/linshao/protocol/kit/datadir"
)

const (
	// restoring is where a backup is looked at before it becomes the data.
	restoring = "restoring"
	// checked stands in restoring from when all of it was found good until
	// all of it is in its place.
	checked = "checked"
)

// CutOffError: a restore was ended midway; neither what was there before nor
// what was backed up can be served.
type CutOffError struct{ Dir string }

func (e *CutOffError) Error() string {
	return "a restore into " + e.Dir + " was cut off: run `linshao-cloud restore` again"
}

// Restore puts a backup into a data directory that has no data. It never
// overwrites: an operator who means to replace data moves it away first. The
// copy is checked and brought up to date before it takes its place, so a
// failure leaves nothing to start on; if the process dies, restoring again
// ends it.
func Restore(ctx context.Context, o Options, file string) error {
	cfg, err := config.Load(o.ConfigPath, o.Environ)
	if err != nil {
		return err
	}
	dir, err := datadir.Open(cfg.DataDir, product, format)
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }()
	r := restore{cfg: cfg, dir: dir}
	for _, step := range r.steps(file) {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

type restore struct {
	cfg config.File
	dir *datadir.Dir
}

// steps are in an order in which the process may die between any two.
func (r restore) steps(file string) []func(context.Context) error {
	return []func(context.Context) error{
		func(context.Context) error { return r.clear() },
		func(ctx context.Context) error { return r.unpack(ctx, file) },
		func(context.Context) error { return r.mark() },
		func(context.Context) error { return r.place(seriesFolder) },
		func(context.Context) error { return r.place(db.FileName) },
		func(context.Context) error { return r.finish() },
	}
}

// clear refuses to replace anything but what a restore before left.
func (r restore) clear() error {
	if err := cutOff(r.dir); err != nil {
		// Its series are in place, its database is not: begin anew.
		if err := os.RemoveAll(r.dir.Path(seriesFolder)); err != nil {
			return fmt.Errorf("take back an earlier restore: %w", err)
		}
	}
	// The journals of a database that was moved away count too: SQLite would
	// play them into the restored one.
	for _, name := range []string{db.FileName, db.FileName + "-wal", db.FileName + "-shm", db.FileName + "-journal", seriesFolder} {
		if _, err := os.Lstat(r.dir.Path(name)); err == nil {
			return &UsageError{Why: r.dir.Path(name) + " exists: move it away before restoring"}
		}
	}
	trial := r.dir.Path(restoring)
	if err := errors.Join(os.RemoveAll(trial), os.Mkdir(trial, 0o700)); err != nil {
		return fmt.Errorf("make room for the backup: %w", err)
	}
	return nil
}

// unpack checks the backup; if it is no good, nothing of it stays.
func (r restore) unpack(ctx context.Context, file string) error {
	trial := r.dir.Path(restoring)
	err := r.extract(file)
	if err == nil {
		err = r.check(ctx)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("restore %s: %w", file, err), os.RemoveAll(trial))
	}
	return nil
}

func (r restore) extract(file string) error {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	trial := r.dir.Path(restoring)
	sqlite := make([]byte, len(sqliteMagic))
	if _, err := io.ReadFull(in, sqlite); err == nil && string(sqlite) == sqliteMagic {
		// Until 0.1.0 a backup was the database alone.
		return copyFile(filepath.Join(trial, db.FileName), file)
	}
	if _, err := in.Seek(0, io.SeekStart); err != nil {
		return err
	}
	m, err := backup.Extract(in, trial)
	if err != nil {
		return err
	}
	if m.Has(databaseMember) && r.cfg.Database.URL != "" {
		return &UsageError{Why: "it holds an SQLite database, and database.url names another: leave database.url empty"}
	}
	if m.Has(seriesFolder) && r.cfg.Series.Backend != config.Embedded {
		return &UsageError{Why: "it holds series, and series.backend is " + r.cfg.Series.Backend + ": restore with series.backend embedded"}
	}
	return nil
}

const sqliteMagic = "SQLite format 3\x00"

// check opens the database once, which brings it up to date and leaves one file.
func (r restore) check(ctx context.Context) error {
	trial := r.dir.Path(restoring)
	if _, err := os.Stat(filepath.Join(trial, db.FileName)); errors.Is(err, os.ErrNotExist) {
		return nil // it is PostgreSQL's
	}
	store, err := db.Open(ctx, db.Options{DataDir: trial})
	if err != nil {
		return err
	}
	return errors.Join(store.Check(ctx), store.Close())
}

// mark makes all that was unpacked durable, names and all.
func (r restore) mark() error {
	trial := r.dir.Path(restoring)
	if err := archive.SyncTree(trial); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(trial, checked), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close(), archive.SyncDir(trial), archive.SyncDir(r.dir.Path()))
}

func (r restore) place(name string) error {
	from := r.dir.Path(restoring, name)
	if _, err := os.Lstat(from); errors.Is(err, os.ErrNotExist) {
		return nil // it is kept elsewhere
	}
	if err := archive.Place(from, r.dir.Path(name)); err != nil {
		return fmt.Errorf("put what was restored in place: %w", err)
	}
	return nil
}

func (r restore) finish() error { return sweep(r.dir) }

// cutOff reports a restore that ended between the series and the database.
func cutOff(dir *datadir.Dir) error {
	_, marked := os.Lstat(dir.Path(restoring, checked))
	_, waits := os.Lstat(dir.Path(restoring, db.FileName))
	if marked == nil && waits == nil {
		return &CutOffError{Dir: dir.Path()}
	}
	return nil
}

// sweep removes what an ended restore or backup left.
func sweep(dir *datadir.Dir) error {
	left, err := filepath.Glob(dir.Path(staging + "-*"))
	for _, name := range append(left, dir.Path(restoring)) {
		err = errors.Join(err, os.RemoveAll(name))
	}
	if err != nil {
		return fmt.Errorf("sweep data directory: %w", err)
	}
	return nil
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
