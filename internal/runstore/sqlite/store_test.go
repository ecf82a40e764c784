package sqlite

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/millrace/millrace/internal/runstore"
	"github.com/millrace/millrace/internal/runstore/runstoretest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStoreObeysTheLaws(t *testing.T) {
	runstoretest.Exercise(t, func(t *testing.T) runstoretest.Open {
		// A path with everything that a URI would take for its own.
		path := filepath.Join(t.TempDir(), "a ?b#c%41", "driver.db")
		return func(t *testing.T) runstore.Store {
			s, err := Open(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
	})
}

func TestOpenRefuses(t *testing.T) {
	change := func(t *testing.T, path, statement string) {
		db, err := sql.Open("sqlite", path)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	cases := []struct {
		name    string
		prepare func(t *testing.T, path string)
		want    error
	}{
		{"a newer store", func(t *testing.T, path string) {
			s, err := Open(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			s.Close()
			change(t, path, `PRAGMA user_version = 99`)
		}, runstore.ErrNewerStore},
		{"another program's database", func(t *testing.T, path string) { change(t, path, `CREATE TABLE cookies (a)`) }, nil},
		{"a file that is no database", func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte("this is a text, and not a short one at that"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, nil},
		{"a store in use", func(t *testing.T, path string) {
			s, err := Open(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
		}, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "driver.db")
			c.prepare(t, path)
			s, err := Open(t.Context(), path)
			if err == nil {
				s.Close()
				t.Fatal("it was opened")
			}
			if c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			t.Log(err)
		})
	}
}

func TestStoreIsPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "driver.db")
	s, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, name := range []string{path, path + "-wal", path + ".lock"} {
		st, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if st.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, want 0600", name, st.Mode().Perm())
		}
	}
}
