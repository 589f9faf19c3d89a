package embedded_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/linshao/linshao/cloud/internal/series"
	"github.com/linshao/linshao/cloud/internal/series/embedded"
	"github.com/linshao/linshao/cloud/internal/series/seriestest"
)

var noon = time.Date(2026, 11, 22, 12, 0, 7, 0, time.UTC)

func open(t testing.TB, dir string) *embedded.Store {
	t.Helper()
	s, err := embedded.Open(t.Context(), options(dir))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() }) // closing twice is allowed
	return s
}

func options(dir string) embedded.Options {
	return embedded.Options{
		Dir: dir, Retention: 400 * 24 * time.Hour,
		Now: func() time.Time { return noon }, Log: slog.New(slog.DiscardHandler),
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	dirs := map[series.Store]string{}
	seriestest.Run(t, seriestest.Harness{
		Now: noon,
		Open: func(t *testing.T) series.Store {
			dir := t.TempDir()
			s := open(t, dir)
			dirs[s] = dir
			return s
		},
		Reopen: func(t *testing.T, s series.Store) series.Store {
			dir := dirs[s]
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			again := open(t, dir)
			dirs[again] = dir
			return again
		},
	})
}
