package db

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
)

// connections bounds the PostgreSQL pool of one collector.
const connections = 16

func (s *Store) openPostgres(ctx context.Context, o Options) error {
	s.engine = postgres
	cfg, err := pgx.ParseConfig(o.URL)
	if err != nil {
		return fmt.Errorf("read database url: %w", err) // pgx hides the password
	}
	// Every text is different (arguments are part of it), so a cache of
	// prepared statements would only fill up. One round trip, one statement.
	cfg.DefaultQueryExecMode = pgx.QueryExecModeExec
	for name, value := range map[string]string{
		"application_name": "linshao", "timezone": "UTC", "synchronous_commit": "on",
		"lock_timeout": "10000", "idle_in_transaction_session_timeout": "60000",
		"standard_conforming_strings": "on", // what bun's quoting relies on
	} {
		cfg.RuntimeParams[name] = value
	}
	pool := stdlib.OpenDB(*cfg)
	pool.SetMaxOpenConns(connections)
	pool.SetMaxIdleConns(connections / 2)
	s.write = bun.NewDB(pool, pgdialect.New())
	s.read = s.write
	var fsync string
	if err := pool.QueryRowContext(ctx, "SHOW fsync").Scan(&fsync); err != nil {
		return fmt.Errorf("reach PostgreSQL: %w", err)
	}
	if fsync != "on" {
		s.log.Warn("PostgreSQL runs with fsync off: a power cut may lose what was acknowledged")
	}
	return nil
}
