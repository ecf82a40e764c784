package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/millrace/millrace/internal/runstore"
)

// Append writes the batch in one transaction.
func (s *Store) Append(ctx context.Context, now int64, batch []runstore.Append) error {
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("appending: %w", err)
	}
	defer tx.Rollback()
	insert, err := tx.PrepareContext(ctx, `INSERT INTO records (run, sequence, record) VALUES (?, ?, ?)`)
	if err != nil {
		return fmt.Errorf("appending: %w", err)
	}
	defer insert.Close()
	for _, a := range batch {
		if err := appendRun(ctx, tx, insert, a); err != nil {
			return fmt.Errorf("appending to run %s: %w", a.RunID, err)
		}
	}
	if _, err := tx.ExecContext(ctx, `UPDATE clock SET now = max(now, ?)`, now); err != nil {
		return fmt.Errorf("appending: %w", err)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("appending: %w", err)
	}
	return nil
}

func appendRun(ctx context.Context, tx *sql.Tx, insert *sql.Stmt, a runstore.Append) error {
	var run, last int64
	err := tx.QueryRowContext(ctx, `SELECT run, last_sequence FROM runs WHERE run_id = ?`, a.RunID).Scan(&run, &last)
	switch {
	case errors.Is(err, sql.ErrNoRows) && a.Info == nil:
		return errors.New("the first records of a run need its info")
	case errors.Is(err, sql.ErrNoRows):
		made, err := tx.ExecContext(ctx, `INSERT INTO runs
			(run_id, flow, state, reason, definition_sha256, opened_at, ended_at, live, last_sequence)
			VALUES (?, '', '', '', '', 0, 0, 0, 0)`, a.RunID)
		if err != nil {
			return err
		}
		if run, err = made.LastInsertId(); err != nil {
			return err
		}
	case err != nil:
		return err
	}
	if uint64(last) != a.After {
		return fmt.Errorf("%w: it is at record %d, the writer thought %d", runstore.ErrFenced, last, a.After)
	}
	for i, record := range a.Records {
		if _, err := insert.ExecContext(ctx, run, last+1+int64(i), record); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, `UPDATE runs SET last_sequence = ? WHERE run = ?`, last+int64(len(a.Records)), run); err != nil {
		return err
	}
	if i := a.Info; i != nil {
		_, err := tx.ExecContext(ctx, `UPDATE runs SET flow = ?, state = ?, reason = ?, definition_sha256 = ?,
			opened_at = ?, ended_at = ?, live = ? WHERE run = ?`,
			i.Flow, i.State, i.Reason, i.DefinitionSHA256, i.OpenedAt, i.EndedAt, i.Live, run)
		return err
	}
	return nil
}

// Load calls fn for each record of the run.
func (s *Store) Load(ctx context.Context, runID string, fn func(uint64, []byte) error) error {
	rows, err := s.read.QueryContext(ctx, `SELECT sequence, record FROM records
		WHERE run = (SELECT run FROM runs WHERE run_id = ?) ORDER BY sequence`, runID)
	if err != nil {
		return fmt.Errorf("loading run %s: %w", runID, err)
	}
	defer rows.Close()
	want := uint64(1)
	for rows.Next() {
		var sequence uint64
		var record []byte
		if err := rows.Scan(&sequence, &record); err != nil {
			return fmt.Errorf("loading run %s: %w", runID, err)
		}
		if sequence != want {
			return fmt.Errorf("loading run %s: record %d is missing from the store", runID, want)
		}
		want++
		if err := fn(sequence, record); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("loading run %s: %w", runID, err)
	}
	if want == 1 {
		return fmt.Errorf("%w: %s", runstore.ErrUnknownRun, runID)
	}
	return nil
}

const infoColumns = `run_id, flow, state, reason, definition_sha256, opened_at, ended_at, live`

func scanInfo(row interface{ Scan(...any) error }) (i runstore.RunInfo, err error) {
	err = row.Scan(&i.RunID, &i.Flow, &i.State, &i.Reason, &i.DefinitionSHA256, &i.OpenedAt, &i.EndedAt, &i.Live)
	return i, err
}

// Info returns what is listed of one run.
func (s *Store) Info(ctx context.Context, runID string) (runstore.RunInfo, error) {
	i, err := scanInfo(s.read.QueryRowContext(ctx, `SELECT `+infoColumns+` FROM runs WHERE run_id = ?`, runID))
	if errors.Is(err, sql.ErrNoRows) {
		return i, fmt.Errorf("%w: %s", runstore.ErrUnknownRun, runID)
	}
	if err != nil {
		return i, fmt.Errorf("reading run %s: %w", runID, err)
	}
	return i, nil
}

// List returns the runs, the newest first.
func (s *Store) List(ctx context.Context, o runstore.ListOptions) ([]runstore.RunInfo, error) {
	query, args := `SELECT `+infoColumns+` FROM runs WHERE 1`, []any{}
	if o.Flow != "" {
		query, args = query+` AND flow = ?`, append(args, o.Flow)
	}
	if o.LiveOnly {
		query += ` AND live = 1`
	}
	rows, err := s.read.QueryContext(ctx, query+` ORDER BY run DESC`, args...)
	if err != nil {
		return nil, fmt.Errorf("listing runs: %w", err)
	}
	defer rows.Close()
	out := []runstore.RunInfo{}
	for rows.Next() {
		i, err := scanInfo(rows)
		if err != nil {
			return nil, fmt.Errorf("listing runs: %w", err)
		}
		out = append(out, i)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("listing runs: %w", err)
	}
	return out, nil
}
