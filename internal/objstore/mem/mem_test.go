package mem_test

import (
	"testing"

	"github.com/millrace/millrace/internal/objstore"
	"github.com/millrace/millrace/internal/objstore/mem"
	"github.com/millrace/millrace/internal/objstore/objstoretest"
)

func TestLaws(t *testing.T) {
	objstoretest.Exercise(t, objstoretest.Harness{Fresh: func(*testing.T) objstore.Store { return mem.New() }, Big: 300_000})
}
