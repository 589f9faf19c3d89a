package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/linshao/linshao/cloud/internal/config"
	"github.com/linshao/linshao/protocol/kit/archive"
	"github.com/linshao/linshao/protocol/kit/clock"
)

const (
	// backupName is the form of a scheduled backup's name: its time in UTC.
	backupName = "linshao-20060102T150405Z.tar.gz"
	// backupAgain is how long after a failure the next try comes, at most.
	backupAgain = 5 * time.Minute
	// backupLook is how often it is seen whether a backup is overdue.
	backupLook = 15 * time.Second
	// backupGrace is how late a backup may be before somebody must know, at
	// most; a quarter of the interval if that is less.
	backupGrace = time.Hour
)

// schedule writes a backup now and then and keeps the newest.
type schedule struct {
	conf  config.Backup
	write func(context.Context, BackupRequest) (BackedUp, error)
	clock clock.Clock
	log   *slog.Logger

	mu sync.Mutex
	// succeeded is when the newest backup was made, or the collector started.
	succeeded time.Time
	// failed: the last try did.
	failed bool
}

// newSchedule goes on from what it finds in the folder.
func newSchedule(conf config.Backup, c clock.Clock, log *slog.Logger, write func(context.Context, BackupRequest) (BackedUp, error)) *schedule {
	s := &schedule{conf: conf, write: write, clock: c, log: log.With("component", "backup"), succeeded: c.Now()}
	if made := s.made(); len(made) > 0 {
		s.succeeded = made[len(made)-1]
	}
	return s
}

// startBackups begins to back up by itself, if it is told where to.
func (c *cloud) startBackups(ctx context.Context) error {
	conf := c.cfg.Backup
	if conf.Dir == "" {
		return nil
	}
	dir, err := filepath.Abs(conf.Dir)
	if err != nil {
		return err
	}
	conf.Dir = dir
	s := newSchedule(conf, c.o.Clock, c.log, c.ops().backup)
	c.meter.registry.MustRegister(s)
	return errors.Join(c.group.Go(ctx, "backup", s.run), c.group.Go(ctx, "backup watch", s.watch))
}

// run backs up whenever it is due, until ctx ends.
func (s *schedule) run(ctx context.Context) error {
	for wait := s.first(); clock.Wait(ctx, s.clock, wait) == nil; {
		if err := s.once(ctx); ctx.Err() == nil { // else it was told to end
			wait = s.ended(err)
		}
	}
	return nil
}

// first is how long the first backup of this run has to wait: none if there is
// none, and never longer than the interval, wherever the clock was.
func (s *schedule) first() time.Duration {
	made := s.made()
	if len(made) == 0 {
		return 0
	}
	every := time.Duration(s.conf.Every)
	return min(every, every-s.clock.Now().Sub(made[len(made)-1]))
}

// once writes one backup and removes those that are too many.
func (s *schedule) once(ctx context.Context) error {
	if err := os.MkdirAll(s.conf.Dir, 0o700); err != nil {
		return err
	}
	s.sweep()
	file := filepath.Join(s.conf.Dir, s.clock.Now().UTC().Format(backupName))
	told, err := s.write(ctx, BackupRequest{File: file})
	if err != nil {
		return err
	}
	s.log.Info("backed up", "file", file, "bytes", told.Bytes, "holds", told.Holds, "missing", told.Missing)
	made := s.made()
	for _, at := range made[:max(len(made)-s.conf.Keep, 0)] {
		if err := os.Remove(filepath.Join(s.conf.Dir, at.Format(backupName))); err != nil {
			return fmt.Errorf("remove an old backup: %w", err)
		}
	}
	return nil
}

// sweep removes what backups that were cut off have left.
func (s *schedule) sweep() {
	left, _ := filepath.Glob(filepath.Join(s.conf.Dir, archive.PartPattern("linshao-*")))
	for _, name := range left {
		_ = os.Remove(name) // it only takes room
	}
}

// made lists when the backups in the folder were made, oldest first. Files of
// other names are not its business.
func (s *schedule) made() []time.Time {
	es, err := os.ReadDir(s.conf.Dir)
	if err != nil {
		return nil // once says what is wrong with it
	}
	var out []time.Time
	for _, e := range es {
		if at, err := time.Parse(backupName, e.Name()); err == nil && e.Type().IsRegular() {
			out = append(out, at)
		}
	}
	slices.SortFunc(out, time.Time.Compare)
	return out
}

// ended notes how a try ended and returns how long to wait for the next.
func (s *schedule) ended(err error) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	every := time.Duration(s.conf.Every)
	if s.failed = err != nil; !s.failed {
		s.succeeded = s.clock.Now()
		return every
	}
	again := min(every, backupAgain)
	s.log.Error("back up", "err", err, "again_in", again,
		"mend", "make room in "+s.conf.Dir+" and in data_dir and let the collector write there, or run `linshao-cloud backup` to another disk")
	return again
}

// watch says when a backup is overdue: one that hangs does not say so itself.
func (s *schedule) watch(ctx context.Context) error {
	for told := false; clock.Wait(ctx, s.clock, backupLook) == nil; {
		late := s.overdue()
		if late && !told {
			s.log.Error("no backup succeeded for too long", "every", time.Duration(s.conf.Every), "dir", s.conf.Dir,
				"mend", "see the errors before this one; if there are none, the disk of "+s.conf.Dir+" hangs or is too slow")
		}
		told = late
	}
	return nil
}

func (s *schedule) overdue() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	every := time.Duration(s.conf.Every)
	return s.clock.Now().Sub(s.succeeded) > every+min(backupGrace, every/4)
}

// failing reports whether somebody must look after the backups.
func (s *schedule) failing() bool {
	late := s.overdue()
	s.mu.Lock()
	defer s.mu.Unlock()
	return late || s.failed
}

func backupFailingDesc() *prometheus.Desc {
	return prometheus.NewDesc("linshao_cloud_backup_failing", "1 while the last scheduled backup failed or is overdue; absent without a schedule.", nil, nil)
}

// Describe implements prometheus.Collector.
func (s *schedule) Describe(ch chan<- *prometheus.Desc) { ch <- backupFailingDesc() }

// Collect implements prometheus.Collector.
func (s *schedule) Collect(ch chan<- prometheus.Metric) {
	value := 0.0
	if s.failing() {
		value = 1
	}
	ch <- prometheus.MustNewConstMetric(backupFailingDesc(), prometheus.GaugeValue, value)
}
