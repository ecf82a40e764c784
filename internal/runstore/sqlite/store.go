// Package sqlite keeps the driver's memory in one SQLite file: pure Go, WAL,
// an fsync at each commit. One driver at a time: the file is locked from Open
// to Close, and the lock dies with its process.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	_ "modernc.org/sqlite" // the database/sql driver

	"github.com/millrace/millrace/internal/runstore"
)

// Store is one open file.
type Store struct {
	path string
	lock *os.File
	// write has one connection, so that transactions queue here and not in
	// SQLite's busy loop; read serves listings beside it.
	write, read *sql.DB
}

var _ runstore.Store = (*Store)(nil)

// Open opens the store, or makes it (0600). A store of a newer schema is
// refused with runstore.ErrNewerStore, one that another process uses with an
// error that says so.
func Open(ctx context.Context, path string) (*Store, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("folder of the store: %w", err)
	}
	// SQLite would make the file readable for all.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the store: %w", err)
	}
	f.Close()
	lock, err := lockFile(path + ".lock")
	if err != nil {
		return nil, err
	}
	s := &Store{path: path, lock: lock}
	if err := s.open(ctx); err != nil {
		s.Close()
		return nil, fmt.Errorf("opening the store %s: %w", path, err)
	}
	return s, nil
}

func (s *Store) open(ctx context.Context) (err error) {
	name := "file:" + strings.ReplaceAll(url.PathEscape(s.path), "%2F", "/") +
		"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)&_pragma=busy_timeout(10000)&_txlock=immediate"
	if s.write, err = sql.Open("sqlite", name); err != nil {
		return err
	}
	s.write.SetMaxOpenConns(1)
	if err := migrate(ctx, s.write, s.path); err != nil {
		return err
	}
	if s.read, err = sql.Open("sqlite", name+"&_pragma=query_only(1)"); err != nil {
		return err
	}
	s.read.SetMaxOpenConns(4)
	return nil
}

// Close ends the store's use.
func (s *Store) Close() error {
	var errs []error
	for _, db := range []*sql.DB{s.read, s.write} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
		s.lock = nil
	}
	return errors.Join(errs...)
}

// PutDefinition keeps the bytes under their digest.
func (s *Store) PutDefinition(ctx context.Context, sha256 string, definition []byte) error {
	_, err := s.write.ExecContext(ctx,
		`INSERT INTO definitions (sha256, definition) VALUES (?, ?) ON CONFLICT (sha256) DO NOTHING`, sha256, definition)
	if err != nil {
		return fmt.Errorf("storing the definition %s: %w", sha256, err)
	}
	return nil
}

// Definition returns the bytes of that digest.
func (s *Store) Definition(ctx context.Context, sha256 string) ([]byte, error) {
	var b []byte
	err := s.read.QueryRowContext(ctx, `SELECT definition FROM definitions WHERE sha256 = ?`, sha256).Scan(&b)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("%w: %s", runstore.ErrUnknownDefinition, sha256)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the definition %s: %w", sha256, err)
	}
	return b, nil
}

// Clock returns the largest now of any Append.
func (s *Store) Clock(ctx context.Context) (int64, error) {
	var now int64
	if err := s.read.QueryRowContext(ctx, `SELECT now FROM clock`).Scan(&now); err != nil {
		return 0, fmt.Errorf("reading the store's clock: %w", err)
	}
	return now, nil
}
