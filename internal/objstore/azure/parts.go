package azure

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"fmt"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"

	"github.com/millrace/millrace/internal/objstore"
)

const mostParts = 50000

// Begin implements objstore.PartStore. Azure is told of an upload only when it
// is complete.
func (s *Store) Begin(ctx context.Context, key string, most int64, opts objstore.PutOptions) (objstore.Upload, error) {
	if _, err := s.object(ctx, "put", key); err != nil {
		return nil, err
	}
	u := &upload{store: s, key: key, size: max(s.clients.cfg.PartSize, (most+mostParts-1)/mostParts), metadata: opts.Metadata}
	_, _ = rand.Read(u.nonce[:])
	return u, nil
}

type upload struct {
	store    *Store
	key      string
	size     int64
	metadata objstore.Metadata
	// nonce begins the names of this upload's blocks: all uploads to one key
	// that run at a time share a folder of blocks.
	nonce [12]byte
}

func (u *upload) PartSize() int64 { return u.size }

func (u *upload) AtOnce() int { return 0 }

// name of a block; all of a blob's are of one length.
func (u *upload) name(number int) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(u.nonce[:], uint32(number)))
}

// Part implements objstore.Upload. It may take as long as bytes move: what a
// part sends late nobody sees.
func (u *upload) Part(ctx context.Context, number int, content objstore.Source) error {
	r, err := content.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	body, sum, err := summed(r, content.Size())
	if err != nil {
		return fmt.Errorf("azure: put %s: %w", u.store.url(u.key), err)
	}
	client, err := u.store.object(ctx, "put", u.key)
	if err != nil {
		return err
	}
	if _, err := client.StageBlock(ctx, u.name(number), unclosed{body}, &blockblob.StageBlockOptions{TransactionalValidation: sum}); err != nil {
		return u.store.failed(ctx, "put", u.key, err)
	}
	return nil
}

// Complete implements objstore.Upload.
func (u *upload) Complete(ctx context.Context, size int64, opts objstore.PutOptions) error {
	if err := opts.MayWrite(ctx); err != nil {
		return err
	}
	ctx, cancel := u.store.clients.writes().Context(ctx)
	defer cancel()
	blocks := make([]string, (size+u.size-1)/u.size)
	for i := range blocks {
		blocks[i] = u.name(i)
	}
	client, err := u.store.object(ctx, "put", u.key)
	if err != nil {
		return err
	}
	_, err = client.CommitBlockList(ctx, blocks, &blockblob.CommitBlockListOptions{Metadata: spell(u.metadata), AccessConditions: ifAbsent(opts)})
	if err != nil {
		return u.store.failed(ctx, "put", u.key, err)
	}
	return nil
}

// Abort implements objstore.Upload. Azure drops blocks that no object came of,
// after a week.
func (u *upload) Abort(context.Context) error { return nil }
