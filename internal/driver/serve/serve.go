// Package serve is a running driver: the store, the dispatcher, the gRPC and HTTP
// ports. `driver serve` starts it, and so does the laptop stack.
//
//	sqlite store ── dispatch loop ─┬─ gRPC  launchers and people's commands (rpc)
//	                               ├─ HTTP  /livez /readyz /metrics /launcher/
//	                               ├─ heartbeats of the runs at the metadata service
//	                               └─ endings of the runs that only Kubeflow Pipelines knows of
//
// All parts end together: when one fails the others are stopped and Wait
// returns why.
package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/millrace/millrace/internal/buildinfo"
	"github.com/millrace/millrace/internal/dispatch"
	"github.com/millrace/millrace/internal/driver/launchers"
	"github.com/millrace/millrace/internal/rpc"
	"github.com/millrace/millrace/internal/runstore/sqlite"
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
	// KeepLaunchers is how many launchers are served on, from the folder
	// launchers beside the store, when they have left LauncherDir.
	KeepLaunchers int
	Policy        schedule.Policy
	// MaxSplits bounds the width of one foreach; a definition's own smaller
	// bound wins.
	MaxSplits int64
	// LongPoll is how long a launcher's question is held open.
	LongPoll time.Duration
	// ServiceHeaders is a JSON object: the headers for Metaflow's metadata
	// service, at which the driver beats its runs.
	ServiceHeaders string
	// Ended asks Kubeflow Pipelines how a run ended there, every AskEvery. Nil:
	// it is not asked, and a run that is terminated there stays open here.
	Ended    EndedFunc
	AskEvery time.Duration
	Logger   *slog.Logger
}

// Addresses are where a Server listens, as host:port.
type Addresses struct {
	GRPC string `json:"grpc"`
	HTTP string `json:"http"`
	TLS  bool   `json:"tls"`
}

// stopPatience bounds the stop when ctx has ended or a part has failed.
const stopPatience = 10 * time.Second

// Server is a running driver.
type Server struct {
	cfg        Config
	addresses  Addresses
	store      *sqlite.Store
	dispatcher *dispatch.Dispatcher
	rpc        *rpc.Server
	http       *http.Server
	launchers  *launchers.Kept // nil: none are served
	beats      *heartbeats
	endings    *endings

	stop    context.CancelFunc // asks for the end
	ending  chan context.Context
	stopped chan struct{}
	err     error
}

// Start opens the store, loads the runs, listens, and serves. It
// returns when requests are answered. Stop ends it; so does ctx.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	headers, err := cfg.check()
	if err != nil {
		return nil, err
	}
	secure, err := serverTLS(cfg)
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, ending: make(chan context.Context, 1), stopped: make(chan struct{})}
	if s.store, err = sqlite.Open(ctx, cfg.Store); err != nil {
		return nil, err
	}
	listeners, err := s.listen(ctx, headers)
	if err != nil {
		return nil, errors.Join(err, s.store.Close())
	}
	var options []grpc.ServerOption
	if secure != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(secure)))
		s.addresses.TLS = true
		s.http.TLSConfig = secure.Clone()
	}
	s.rpc, err = rpc.New(rpc.Config{
		Dispatcher: s.dispatcher, Policy: cfg.Policy, Token: cfg.Token, Build: buildinfo.String("driver"), Logger: cfg.Logger,
	}, options...)
	if err != nil {
		return nil, errors.Join(err, listeners.close(), s.store.Close())
	}
	ctx, s.stop = context.WithCancel(ctx)
	go s.run(ctx, listeners)
	cfg.Logger.Info("driver serves", "grpc", s.addresses.GRPC, "http", s.addresses.HTTP, "tls", s.addresses.TLS, "store", cfg.Store)
	return s, nil
}

type listeners struct{ grpc, http net.Listener }

func (l listeners) close() error { return errors.Join(l.grpc.Close(), l.http.Close()) }

// listen makes what stands on the store, and opens both ports.
func (s *Server) listen(ctx context.Context, headers http.Header) (l listeners, err error) {
	m := newMetrics()
	s.dispatcher, err = dispatch.New(ctx, dispatch.Config{
		Store: s.store, Policy: s.cfg.Policy, MaxSplits: s.cfg.MaxSplits, LongPoll: s.cfg.LongPoll, Logger: s.cfg.Logger,
		OnAppend: m.appended,
	})
	if err != nil {
		return l, err
	}
	m.watch(s.dispatcher)
	s.beats = newHeartbeats(s.store, s.dispatcher, headers, s.cfg.Logger)
	s.endings = &endings{store: s.store, dispatcher: s.dispatcher, ended: s.cfg.Ended, every: s.cfg.AskEvery, logger: s.cfg.Logger}
	if s.cfg.LauncherDir != "" {
		s.launchers = launchers.Keep(launchers.Open(s.cfg.LauncherDir), filepath.Join(filepath.Dir(s.cfg.Store), "launchers"), s.cfg.KeepLaunchers)
	}
	s.http = s.newHTTP(m)
	var lc net.ListenConfig
	if l.grpc, err = lc.Listen(ctx, "tcp", s.cfg.Listen); err != nil {
		return l, fmt.Errorf("the gRPC port (--listen): %w", err)
	}
	if l.http, err = lc.Listen(ctx, "tcp", s.cfg.HTTPListen); err != nil {
		return l, errors.Join(fmt.Errorf("the HTTP port (--http-listen): %w", err), l.grpc.Close())
	}
	s.addresses.GRPC, s.addresses.HTTP = l.grpc.Addr().String(), l.http.Addr().String()
	return l, nil
}

// run serves until ctx ends or a part fails, then ends the parts in order:
// what is held open is let go and what is at work is answered while the loop
// still turns, and the store closes last.
func (s *Server) run(ctx context.Context, l listeners) {
	defer close(s.stopped)
	loopCtx, endLoop := context.WithCancel(context.WithoutCancel(ctx))
	defer endLoop()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.serveRPC(l.grpc) })
	group.Go(func() error { return s.serveHTTP(l.http) })
	group.Go(func() error { s.beats.run(ctx); return nil })
	group.Go(func() error { s.endings.run(ctx); return nil })
	group.Go(func() error { s.keepLaunchers(); return nil })
	group.Go(func() error {
		<-ctx.Done()
		grace, cancel := s.grace(ctx)
		defer cancel()
		s.rpc.Shutdown(grace)
		if err := s.http.Shutdown(grace); err != nil {
			_ = s.http.Close() // patience is over
		}
		endLoop()
		return nil
	})
	group.Go(func() error { s.dispatcher.Run(loopCtx); return nil })
	err := group.Wait()
	s.stop()
	s.err = errors.Join(err, s.store.Close())
	if s.err != nil {
		s.cfg.Logger.Error("driver stopped", "error", s.err)
		return
	}
	s.cfg.Logger.Info("driver stopped")
}

// grace is the time for the stop: that of Stop's context when it was called.
func (s *Server) grace(ctx context.Context) (context.Context, context.CancelFunc) {
	select {
	case given := <-s.ending:
		return context.WithCancel(given)
	default:
		return context.WithTimeout(context.WithoutCancel(ctx), stopPatience)
	}
}

func (s *Server) serveRPC(l net.Listener) error {
	if err := s.rpc.Serve(l); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return fmt.Errorf("the gRPC port: %w", err)
	}
	return nil
}

func (s *Server) serveHTTP(l net.Listener) error {
	var err error
	if s.addresses.TLS {
		err = s.http.ServeTLS(l, "", "")
	} else {
		err = s.http.Serve(l)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("the HTTP port: %w", err)
}

// Addresses returns where it listens.
func (s *Server) Addresses() Addresses { return s.addresses }

// Wait returns when the server has ended: nil after Stop or the end of ctx.
func (s *Server) Wait() error {
	<-s.stopped
	return s.err
}

// Stop ends the server: no new request is taken, those at work get until ctx
// ends. What was answered is durable already.
func (s *Server) Stop(ctx context.Context) error {
	select {
	case s.ending <- ctx:
	default: // it was told before
	}
	s.stop()
	return s.Wait()
}

// WorkerGone is proof that the process of that pod has ended: its leases need
// not be waited out. Unknown runs and pods are no error.
func (s *Server) WorkerGone(ctx context.Context, runID, podUID string) error {
	return s.dispatcher.PodGone(ctx, runID, podUID)
}
