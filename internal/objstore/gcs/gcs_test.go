package gcs_test

import (
	"fmt"
	"testing"

	"github.com/millrace/millrace/internal/objstore"
	"github.com/millrace/millrace/internal/objstore/gcs"
	"github.com/millrace/millrace/internal/objstore/objstoretest"
	"github.com/millrace/millrace/internal/objstore/transfer"
)

// partSize is the least that parts are a multiple of.
const partSize = 256 << 10

func TestLaws(t *testing.T) {
	server := objstoretest.FakeGCS(t)
	clients := gcs.NewClients(gcs.Config{Endpoint: server.Endpoint, PartSize: partSize})
	engine := transfer.New(transfer.Config{PartSize: partSize / 2, Whole: partSize})
	stores := 0
	objstoretest.Exercise(t, objstoretest.Harness{Big: 2*partSize + 1234, Streams: true, Fresh: func(t *testing.T) objstore.Store {
		stores++
		// A prefix of its own; the one before is a prefix of the next name.
		store, err := clients.Store(fmt.Sprintf("gs://%s/root%0*d", server.Bucket, stores, 0))
		if err != nil {
			t.Fatal(err)
		}
		return engine.Wrap(store, store)
	}})
}
