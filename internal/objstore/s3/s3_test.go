package s3_test

import (
	"fmt"
	"testing"

	"github.com/millrace/millrace/internal/objstore"
	"github.com/millrace/millrace/internal/objstore/objstoretest"
	"github.com/millrace/millrace/internal/objstore/s3"
	"github.com/millrace/millrace/internal/objstore/transfer"
)

// partSize is the least that S3 takes for a part which is not the last.
const partSize = 5 << 20

func TestLaws(t *testing.T) {
	server := objstoretest.VersityGW(t)
	clients := s3.NewClients(s3.Config{Endpoint: server.Endpoint, PartSize: partSize})
	engine := transfer.New(transfer.Config{PartSize: 3 << 20, Whole: partSize})
	stores := 0
	objstoretest.Exercise(t, objstoretest.Harness{Big: 2*partSize + 1234, Streams: true, Fresh: func(t *testing.T) objstore.Store {
		stores++
		// A prefix of its own; the one before is a prefix of the next name.
		store, err := clients.Store(fmt.Sprintf("s3://%s/root%0*d", server.Bucket, stores, 0))
		if err != nil {
			t.Fatal(err)
		}
		return engine.Wrap(store, store)
	}})
}
