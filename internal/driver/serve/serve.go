// Package serve is a running driver: the store, the dispatcher, the gRPC and HTTP
// ports. `driver serve` starts it, and so does the laptop stack.
package serve

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/millrace/millrace/internal/schedule"
)

// Config is what a driver needs to serve. The laptop stack fills it by
// hand, `driver serve` from its flags.
type Config struct {
	// Listen is the address of the gRPC port, HTTPListen that of /livez,
	// /readyz, /metrics and /launcher/. Port 0 takes a free one.
	Listen     string
	HTTPListen string
	// Store is the path of the SQLite file.
	Store string
	// Token is the service token; required.
	Token string
	// TLSCert and TLSKey are paths of PEM files; both ports use them.
	// Required when either address is not loopback.
	TLSCert, TLSKey string
	// LauncherDir holds the launchers that pods fetch: `launcher` for this
	// architecture, launcher-linux-<arch>. Empty: none are served.
	LauncherDir string
	Policy      schedule.Policy
	// MaxSplits bounds the width of one foreach; a definition's own smaller
	// bound wins.
	MaxSplits int64
	// LongPoll is how long a launcher's question is held open.
	LongPoll time.Duration
	// ServiceHeaders is a JSON object: the headers for Metaflow's metadata
	// service, at which the driver beats its runs.
	ServiceHeaders string
	Logger         *slog.Logger
}

// Addresses are where a Server listens, as host:port.
type Addresses struct {
	GRPC string `json:"grpc"`
	HTTP string `json:"http"`
	TLS  bool   `json:"tls"`
}

// Server is a running driver.
type Server struct{}

// Start opens the store, loads the runs, listens, and serves. It
// returns when requests are answered. Stop ends it; so does ctx.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	return nil, errors.New("not yet")
}

// Addresses returns where it listens.
func (s *Server) Addresses() Addresses { return Addresses{} }

// Wait returns when the server has ended: nil after Stop or the end of ctx.
func (s *Server) Wait() error { return nil }

// Stop ends the server: no new request is taken, those at work get until ctx
// ends. What was answered is durable already.
func (s *Server) Stop(ctx context.Context) error { return nil }

// WorkerGone is proof that the process of that pod has ended: its leases need
// not be waited out. Unknown runs and pods are no error.
func (s *Server) WorkerGone(ctx context.Context, runID, podUID string) error { return nil }
