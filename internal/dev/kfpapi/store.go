package kfpapi

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

const schema = `
CREATE TABLE IF NOT EXISTS pipelines (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE, name TEXT UNIQUE, display_name TEXT, description TEXT, created TEXT);
CREATE TABLE IF NOT EXISTS versions (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE, pipeline_id TEXT, name TEXT, display_name TEXT, description TEXT, created TEXT,
  document BLOB, UNIQUE (pipeline_id, name));
CREATE TABLE IF NOT EXISTS experiments (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE, name TEXT UNIQUE, description TEXT, created TEXT, archived INTEGER DEFAULT 0);
`

var (
	errExists   = errors.New("already exist")
	errNotFound = errors.New("not found")
)

type pipeline struct {
	ID, Name, DisplayName, Description string
	Created                            time.Time
}

type version struct {
	pipeline
	PipelineID string
	document   []byte
}

type experiment struct {
	pipeline
	Archived bool
}

type store struct{ db *sql.DB }

func openStore(ctx context.Context, db *sql.DB) (store, error) {
	if _, err := db.ExecContext(ctx, schema); err != nil {
		return store{}, fmt.Errorf("prepare the tables of pipelines: %w", err)
	}
	return store{db}, nil
}

func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// insert reports errExists when a name is taken.
func (s store) insert(ctx context.Context, query string, args ...any) error {
	res, err := s.db.ExecContext(ctx, query, args...)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, errExists)
	}
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

func (s store) addPipeline(ctx context.Context, p pipeline) error {
	return s.insert(ctx, `INSERT OR IGNORE INTO pipelines (id, name, display_name, description, created) VALUES (?, ?, ?, ?, ?)`,
		p.ID, p.Name, p.DisplayName, p.Description, stamp(p.Created))
}

func (s store) addVersion(ctx context.Context, v version) error {
	return s.insert(ctx, `INSERT OR IGNORE INTO versions (id, pipeline_id, name, display_name, description, created, document) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		v.ID, v.PipelineID, v.Name, v.DisplayName, v.Description, stamp(v.Created), v.document)
}

func (s store) addExperiment(ctx context.Context, e experiment) error {
	return s.insert(ctx, `INSERT OR IGNORE INTO experiments (id, name, description, created) VALUES (?, ?, ?, ?)`,
		e.ID, e.Name, e.Description, stamp(e.Created))
}

// all runs a query and scans each row, newest first.
func all[T any](ctx context.Context, s store, query string, args []any, scan func(*T) []any) ([]T, error) {
	rows, err := s.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		var v T
		if err := rows.Scan(scan(&v)...); err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

// when scans a time.
type when struct{ t *time.Time }

func (w when) Scan(v any) (err error) {
	text, _ := v.(string)
	*w.t, err = time.Parse(time.RFC3339Nano, text)
	return err
}

func (s store) pipelines(ctx context.Context, where string, args ...any) ([]pipeline, error) {
	return all(ctx, s, `SELECT id, name, display_name, description, created FROM pipelines `+where+` ORDER BY seq DESC`, args, func(p *pipeline) []any {
		return []any{&p.ID, &p.Name, &p.DisplayName, &p.Description, when{&p.Created}}
	})
}

func (s store) versions(ctx context.Context, where string, args ...any) ([]version, error) {
	return all(ctx, s, `SELECT id, pipeline_id, name, display_name, description, created, document FROM versions `+where+` ORDER BY seq DESC`, args,
		func(v *version) []any {
			return []any{&v.ID, &v.PipelineID, &v.Name, &v.DisplayName, &v.Description, when{&v.Created}, &v.document}
		})
}

func (s store) experiments(ctx context.Context, where string, args ...any) ([]experiment, error) {
	return all(ctx, s, `SELECT id, name, description, created, archived FROM experiments `+where+` ORDER BY seq DESC`, args, func(e *experiment) []any {
		return []any{&e.ID, &e.Name, &e.Description, when{&e.Created}, &e.Archived}
	})
}

// one is the only row, or errNotFound.
func one[T any](rows []T, err error) (T, error) {
	var none T
	if err != nil {
		return none, err
	}
	if len(rows) == 0 {
		return none, errNotFound
	}
	return rows[0], nil
}

func (s store) exec(ctx context.Context, query string, args ...any) error {
	_, err := s.db.ExecContext(ctx, query, args...)
	return err
}
