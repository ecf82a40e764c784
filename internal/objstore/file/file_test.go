package file_test

import (
	"testing"

	"github.com/millrace/millrace/internal/objstore"
	"github.com/millrace/millrace/internal/objstore/file"
	"github.com/millrace/millrace/internal/objstore/objstoretest"
)

func TestLaws(t *testing.T) {
	objstoretest.Exercise(t, objstoretest.Harness{Fresh: func(t *testing.T) objstore.Store { return file.New(t.TempDir()) }, Big: 300_000})
}
