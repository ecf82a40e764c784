package objstoretest

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/objstore"
)

// Calls returns the errors of the operations on a store, by name.
func Calls(ctx context.Context, s objstore.Store) map[string]error {
	_, stat := s.Stat(ctx, "k")
	errs := map[string]error{
		"stat": stat,
		"get":  s.Get(ctx, "k", objstore.Whole, func(objstore.Info, io.Reader) error { return nil }),
		"put":  s.Put(ctx, "k", objstore.Bytes("x"), objstore.PutOptions{}),
	}
	for _, err := range s.List(ctx, "") {
		errs["list"] = err
	}
	return errs
}

// WantError wants an error of one class of the port, or of none, that says
// something.
func WantError(t *testing.T, op string, err, want error, say ...string) {
	t.Helper()
	for _, class := range []error{fs.ErrPermission, objstore.ErrTransient, fs.ErrNotExist, fs.ErrExist} {
		if errors.Is(err, class) != (class == want) {
			t.Errorf("%s: %v: of the class %v: %v", op, err, class, !errors.Is(err, class))
		}
	}
	for _, text := range say {
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v: does not say %q", op, err, text)
		}
	}
}
