package driverclient

import (
	"context"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/keepalive"

	millracev1 "github.com/millrace/millrace/internal/gen/millrace/v1"
	"github.com/millrace/millrace/internal/protocol"
)

// serviceConfig retries what the driver answers UNAVAILABLE. Every call is
// idempotent, so a retry after a lost answer is safe.
const serviceConfig = `{
  "methodConfig": [{
    "name": [{"service": "millrace.v1.RunService"}, {"service": "millrace.v1.LeaseService"}, {"service": "millrace.v1.ReportService"}],
    "retryPolicy": {"maxAttempts": 4, "initialBackoff": "0.1s", "maxBackoff": "1s", "backoffMultiplier": 2, "retryableStatusCodes": ["UNAVAILABLE"]}
  }]
}`

// callTimeout bounds one call with its retries. The driver holds a call open
// for a few seconds at most.
const callTimeout = 30 * time.Second

// Client is one connection to the driver, for one run. It is safe for
// concurrent use.
type Client struct {
	cfg    Config
	conn   *grpc.ClientConn
	runs   millracev1.RunServiceClient
	leases millracev1.LeaseServiceClient
	report millracev1.ReportServiceClient
	secure bool

	mu      sync.Mutex
	session string
	runID   string
}

// Dial makes the client. It does not wait for the driver to answer. Options
// are for tests.
func Dial(cfg Config, options ...grpc.DialOption) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	creds, secure, err := cfg.transport()
	if err != nil {
		return nil, err
	}
	options = append([]grpc.DialOption{
		grpc.WithTransportCredentials(creds),
		grpc.WithDefaultServiceConfig(serviceConfig),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 20 * time.Second, Timeout: 10 * time.Second}),
		// A driver that comes back is noticed within seconds.
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 200 * time.Millisecond, Multiplier: 1.6, Jitter: 0.3, MaxDelay: 5 * time.Second},
			MinConnectTimeout: 5 * time.Second,
		}),
		// A join of 100,000 inputs comes as ranges, but lists may be long.
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64<<20), grpc.MaxCallSendMsgSize(64<<20)),
	}, options...)
	conn, err := grpc.NewClient(cfg.Address, options...)
	if err != nil {
		return nil, fmt.Errorf("driver %s: %w", cfg.Address, err)
	}
	return &Client{
		cfg: cfg, conn: conn, secure: secure,
		runs:   millracev1.NewRunServiceClient(conn),
		leases: millracev1.NewLeaseServiceClient(conn),
		report: millracev1.NewReportServiceClient(conn),
	}, nil
}

// Close ends the connection.
func (c *Client) Close() error { return c.conn.Close() }

func (c *Client) hello() *millracev1.Hello {
	return &millracev1.Hello{Protocol: protocol.Version, Build: c.cfg.Program}
}

// service is the credential of calls that open or watch runs, inRun that of
// calls within one.
func (c *Client) service() grpc.CallOption {
	return grpc.PerRPCCredentials(bearer{token: c.cfg.Token, secure: c.secure})
}

func (c *Client) inRun() grpc.CallOption {
	c.mu.Lock()
	defer c.mu.Unlock()
	token := c.session
	if token == "" {
		token = c.cfg.Token
	}
	return grpc.PerRPCCredentials(bearer{token: token, secure: c.secure})
}

func (c *Client) run() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.runID
}

// bearer is a token as per-call credentials.
type bearer struct {
	token  string
	secure bool
}

func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + b.token}, nil
}

func (b bearer) RequireTransportSecurity() bool { return b.secure }

// call bounds one request and sorts its error.
func call[Request, Response any](ctx context.Context, op string, do func(context.Context, Request, ...grpc.CallOption) (Response, error), in Request, creds grpc.CallOption) (Response, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	out, err := do(ctx, in, creds)
	return out, classify(op, err)
}
