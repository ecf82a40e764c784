// Package s3 is the adapter for Amazon S3 and servers that speak its protocol.
//
// It tries each request once: package retry alone decides what is tried again.
// Credentials come from the SDK's default chain, at the first request and not
// before, so that opening a store costs nothing. Metaflow's settings apply:
// METAFLOW_S3_ENDPOINT_URL (requests then carry the bucket in their path) and
// METAFLOW_S3_SERVER_SIDE_ENCRYPTION.
package s3

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/logging"

	"github.com/millrace/millrace/internal/objstore"
	"github.com/millrace/millrace/internal/objstore/login"
)

// Config is what all stores of a process share.
type Config struct {
	// Endpoint is the URL of a server other than Amazon's.
	Endpoint string
	// Encryption is the server-side encryption of what is written: AES256 or
	// aws:kms.
	Encryption string
	// WriteTimeout bounds each request that writes; 0 is no bound.
	WriteTimeout time.Duration
	// PartSize is that of the parts of an upload (default 16 MiB), unless the
	// object has too many of them.
	PartSize int64
}

// Clients makes stores that share one connection pool and credential chain.
type Clients struct {
	cfg Config
	// exists holds the buckets that have answered for an object.
	exists sync.Map

	logins login.Kept[*s3.Client]
}

func (c *Clients) writes() objstore.WriteLimit { return objstore.WriteLimit(c.cfg.WriteTimeout) }

// NewClients prepares the set; nothing is read or contacted yet.
func NewClients(cfg Config) *Clients {
	if cfg.PartSize <= 0 {
		cfg.PartSize = 16 << 20
	}
	return &Clients{cfg: cfg}
}

// Store returns the store of a root such as s3://bucket/prefix.
func (c *Clients) Store(root string) (*Store, error) {
	bucket, prefix, ok := objstore.SplitRoot(root, "s3://")
	if !ok {
		return nil, fmt.Errorf("datastore root %q: want s3://bucket/prefix", root)
	}
	return &Store{clients: c, bucket: bucket, prefix: prefix}, nil
}

func (c *Clients) know(bucket string) { c.exists.Store(bucket, true) }

func (c *Clients) known(bucket string) bool {
	_, ok := c.exists.Load(bucket)
	return ok
}

// get returns the client, made at the first call and when its credentials have
// come to an end.
func (c *Clients) get(ctx context.Context) (*s3.Client, error) {
	return c.logins.Client(func(l *login.Login) (*s3.Client, error) { return c.open(ctx, l) })
}

func (c *Clients) open(ctx context.Context, l *login.Login) (*s3.Client, error) {
	cfg, err := config.LoadDefaultConfig(ctx,
		// The SDK writes to the standard log otherwise; what matters comes
		// back as an error.
		config.WithLogger(logging.Nop{}),
		config.WithRetryer(func() aws.Retryer { return aws.NopRetryer{} }),
		config.WithHTTPClient(httpClient()),
	)
	if err != nil {
		return nil, fmt.Errorf("s3: reading the AWS configuration (AWS_* variables, ~/.aws, the pod's role): %w", err)
	}
	if cfg.Region == "" {
		cfg.Region = "us-east-1"
	}
	return s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.HTTPClient = l.Through(o.HTTPClient)
		if c.cfg.Endpoint == "" {
			return
		}
		o.BaseEndpoint = aws.String(c.cfg.Endpoint)
		o.UsePathStyle = true
		// Other servers refuse, or ignore, the newer checksum trailers; the
		// signature covers the payload instead.
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
	}), nil
}

// httpClient bounds every phase in which no byte of a body moves; bodies are
// watched by package watchdog.
func httpClient() *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.MaxIdleConnsPerHost = 64
		t.ResponseHeaderTimeout = 60 * time.Second
	})
}
