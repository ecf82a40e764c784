package azure_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/millrace/millrace/internal/objstore"
	"github.com/millrace/millrace/internal/objstore/azure"
	"github.com/millrace/millrace/internal/objstore/objstoretest"
	"github.com/millrace/millrace/internal/objstore/transfer"
)

const (
	partSize = 200_000
	page     = 50
)

func TestLaws(t *testing.T) {
	server := objstoretest.Azurite(t)
	clients := azure.NewClients(azure.Config{Account: azure.AccountFromEnvironment(os.Getenv), PartSize: partSize, Page: page})
	engine := transfer.New(transfer.Config{PartSize: partSize / 2, Whole: partSize})
	stores := 0
	objstoretest.Exercise(t, objstoretest.Harness{Big: 2*partSize + 1234, Without: `\`, Page: 2 * page, Streams: true, Fresh: func(t *testing.T) objstore.Store {
		stores++
		// A prefix of its own; the one before is a prefix of the next name.
		store, err := clients.Store(fmt.Sprintf("%s/root%0*d", server.Container, stores, 0))
		if err != nil {
			t.Fatal(err)
		}
		return engine.Wrap(store, store)
	}})
}
