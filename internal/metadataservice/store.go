package metadataservice

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	_ "modernc.org/sqlite" // registers the driver database/sql opens
)

const schema = `
CREATE TABLE IF NOT EXISTS flows (
  flow_id TEXT PRIMARY KEY, user_name TEXT, ts_epoch INTEGER, tags TEXT, system_tags TEXT);
CREATE TABLE IF NOT EXISTS runs (
  flow_id TEXT, run_id TEXT, user_name TEXT, ts_epoch INTEGER, tags TEXT, system_tags TEXT, last_heartbeat_ts INTEGER,
  PRIMARY KEY (flow_id, run_id));
CREATE TABLE IF NOT EXISTS steps (
  flow_id TEXT, run_id TEXT, step_name TEXT, user_name TEXT, ts_epoch INTEGER,
  PRIMARY KEY (flow_id, run_id, step_name));
CREATE TABLE IF NOT EXISTS tasks (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  flow_id TEXT, run_id TEXT, step_name TEXT, task_id TEXT, user_name TEXT, ts_epoch INTEGER, last_heartbeat_ts INTEGER,
  UNIQUE (flow_id, run_id, step_name, task_id));
CREATE TABLE IF NOT EXISTS metadata (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  flow_id TEXT, run_id TEXT, step_name TEXT, task_id TEXT,
  field_name TEXT, value TEXT, type TEXT, user_name TEXT, ts_epoch INTEGER, tags TEXT, system_tags TEXT);
CREATE INDEX IF NOT EXISTS metadata_task ON metadata (flow_id, run_id, step_name, task_id);
CREATE TABLE IF NOT EXISTS artifacts (
  flow_id TEXT, run_id TEXT, step_name TEXT, task_id TEXT, attempt_id INTEGER, name TEXT,
  location TEXT, ds_type TEXT, sha TEXT, type TEXT, content_type TEXT, user_name TEXT, ts_epoch INTEGER,
  PRIMARY KEY (flow_id, run_id, step_name, task_id, attempt_id, name));
CREATE TABLE IF NOT EXISTS numbers (name TEXT PRIMARY KEY, last INTEGER);
`

var (
	errNotFound = errors.New("not found")
	errExists   = errors.New("already exists")
)

// Service is the metadata service over one SQLite file. It is safe for
// concurrent use: SQLite has one writer, so one connection serves all.
type Service struct {
	db  *sql.DB
	now func() time.Time
}

// Open opens or makes the file.
func Open(path string) (*Service, error) {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)&_pragma=busy_timeout(5000)")
	if err != nil {
		return nil, fmt.Errorf("open the metadata store %s: %w", path, err)
	}
	db.SetMaxOpenConns(1)
	if _, err := db.Exec(schema); err != nil {
		db.Close()
		return nil, fmt.Errorf("prepare the metadata store %s: %w", path, err)
	}
	return &Service{db: db, now: time.Now}, nil
}

// Close ends the service; requests under way fail.
func (s *Service) Close() error { return s.db.Close() }

// inTx runs fn in one transaction.
func (s *Service) inTx(ctx context.Context, fn func(*sql.Tx) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := fn(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// querier is what a transaction and the database have in common.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// insert reports errExists when the row's key is taken.
func insert(ctx context.Context, tx *sql.Tx, query string, args ...any) error {
	res, err := tx.ExecContext(ctx, query, args...)
	if err != nil {
		return err
	}
	n, err := res.RowsAffected()
	if err == nil && n == 0 {
		err = errExists
	}
	return err
}

// nextNumber gives the next id of that kind to an object posted without one.
func nextNumber(ctx context.Context, tx *sql.Tx, name string) (int64, error) {
	var n int64
	err := tx.QueryRowContext(ctx, `INSERT INTO numbers (name, last) VALUES (?, 1)
		ON CONFLICT (name) DO UPDATE SET last = last + 1 RETURNING last`, name).Scan(&n)
	return n, err
}
