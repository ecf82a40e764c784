package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/millrace/millrace/internal/runstore"
)

// schemaVersion is kept in the file's user_version; applicationID marks the
// file as ours ("MRun"), so that a path to some other SQLite file is refused
// instead of being filled with tables.
const (
	schemaVersion = 1
	applicationID = 0x4d52756e
)

// migrations[i] takes a store from version i to i+1.
var migrations = []string{`
CREATE TABLE runs (
	run               INTEGER PRIMARY KEY,
	run_id            TEXT NOT NULL UNIQUE,
	flow              TEXT NOT NULL,
	state             TEXT NOT NULL,
	reason            TEXT NOT NULL,
	definition_sha256 TEXT NOT NULL,
	opened_at         INTEGER NOT NULL,
	ended_at          INTEGER NOT NULL,
	live              INTEGER NOT NULL,
	last_sequence     INTEGER NOT NULL
);
CREATE INDEX runs_live ON runs(live) WHERE live = 1;
CREATE INDEX runs_flow ON runs(flow, run);
CREATE TABLE records (
	run      INTEGER NOT NULL REFERENCES runs(run),
	sequence INTEGER NOT NULL,
	record   BLOB NOT NULL,
	PRIMARY KEY (run, sequence)
) WITHOUT ROWID;
CREATE TABLE definitions (
	sha256     TEXT PRIMARY KEY,
	definition BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE clock (
	id  INTEGER PRIMARY KEY CHECK (id = 1),
	now INTEGER NOT NULL
);
INSERT INTO clock (id, now) VALUES (1, 0);
`}

// migrate brings a store up to schemaVersion, in one transaction, or refuses
// it.
func migrate(ctx context.Context, db *sql.DB, path string) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	var version, id, tables int
	if err := tx.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version); err != nil {
		return err
	}
	if err := tx.QueryRowContext(ctx, `PRAGMA application_id`).Scan(&id); err != nil {
		return err
	}
	if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_master`).Scan(&tables); err != nil {
		return err
	}
	switch {
	case id != applicationID && tables > 0:
		return fmt.Errorf("%s is a SQLite file, but not a driver's store: name another file", path)
	case version > schemaVersion:
		return fmt.Errorf("%w: %s has schema %d, this build knows up to %d: run the newer driver, or name another file",
			runstore.ErrNewerStore, path, version, schemaVersion)
	case version == schemaVersion:
		return nil
	}
	for _, statements := range migrations[version:] {
		if _, err := tx.ExecContext(ctx, statements); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, fmt.Sprintf(`PRAGMA user_version = %d; PRAGMA application_id = %d`, schemaVersion, applicationID)); err != nil {
		return err
	}
	return tx.Commit()
}
