package interp

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
)

const schema = `CREATE TABLE IF NOT EXISTS runs (id TEXT PRIMARY KEY, record BLOB NOT NULL)`

// store keeps runs. A record is written whole: a run has hundreds of nodes at
// most, and one row cannot be half new.
type store struct{ db *sql.DB }

func openStore(ctx context.Context, db *sql.DB) (store, error) {
	if _, err := db.ExecContext(ctx, schema); err != nil {
		return store{}, fmt.Errorf("prepare the table of runs: %w", err)
	}
	return store{db}, nil
}

func (s store) save(r *Record) error {
	raw, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("save run %s: %w", r.ID, err)
	}
	const query = `INSERT INTO runs (id, record) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET record = excluded.record`
	if _, err := s.db.Exec(query, r.ID, raw); err != nil {
		return fmt.Errorf("save run %s: %w", r.ID, err)
	}
	return nil
}

func (s store) delete(id string) error {
	if _, err := s.db.Exec(`DELETE FROM runs WHERE id = ?`, id); err != nil {
		return fmt.Errorf("delete run %s: %w", id, err)
	}
	return nil
}

func (s store) load(ctx context.Context) ([]*Record, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT record FROM runs`)
	if err != nil {
		return nil, fmt.Errorf("load runs: %w", err)
	}
	defer rows.Close()
	var out []*Record
	for rows.Next() {
		var raw []byte
		r := new(Record)
		if err := rows.Scan(&raw); err != nil {
			return nil, fmt.Errorf("load runs: %w", err)
		}
		if err := json.Unmarshal(raw, r); err != nil {
			return nil, fmt.Errorf("load a run: %w", err)
		}
		out = append(out, r)
	}
	return out, rows.Err()
}
