package rpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"

	"github.com/millrace/millrace/internal/dispatch"
	"github.com/millrace/millrace/internal/failpoint"
	millracev1 "github.com/millrace/millrace/internal/gen/millrace/v1"
	"github.com/millrace/millrace/internal/schedule"
)

// maxMessage bounds a message either way, as in driverclient.
const maxMessage = 64 << 20

// Config is what a Server needs.
type Config struct {
	Dispatcher *dispatch.Dispatcher
	// Policy holds the terms that launchers are told; the dispatcher's own.
	Policy schedule.Policy
	// Token is the service token.
	Token string
	// Build names the driver in its hello.
	Build  string
	Logger *slog.Logger
}

// Server serves the three services and health.
type Server struct {
	*grpc.Server
	health *health.Server
	halt   context.CancelCauseFunc
}

// handlers is what the three services share.
type handlers struct {
	cfg  Config
	keys *keys
	// stopping ends, with cause errStopping, when nothing may be held open any
	// more.
	stopping context.Context
}

// New makes the server; options add transport credentials. It serves with
// Serve.
func New(cfg Config, options ...grpc.ServerOption) (*Server, error) {
	if cfg.Token == "" {
		return nil, errors.New("the service token is missing: nothing listens without authentication")
	}
	stopping, halt := context.WithCancelCause(context.Background())
	h := &handlers{cfg: cfg, keys: newKeys(cfg.Token), stopping: stopping}
	s := &Server{
		Server: grpc.NewServer(append([]grpc.ServerOption{
			grpc.MaxRecvMsgSize(maxMessage), grpc.MaxSendMsgSize(maxMessage),
			// Clients ping every 20 s, also between calls.
			grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
			grpc.KeepaliveParams(keepalive.ServerParameters{Time: time.Minute, Timeout: 20 * time.Second}),
			grpc.InTapHandle(h.keys.admit),
			grpc.ChainUnaryInterceptor(h.unary),
			grpc.ChainStreamInterceptor(h.stream),
		}, options...)...),
		health: health.NewServer(), halt: halt,
	}
	millracev1.RegisterRunServiceServer(s.Server, &runs{handlers: h})
	millracev1.RegisterLeaseServiceServer(s.Server, &leases{handlers: h})
	millracev1.RegisterReportServiceServer(s.Server, &reports{handlers: h})
	healthv1.RegisterHealthServer(s.Server, s.health)
	return s, nil
}

// Shutdown takes no new call, lets go what is held open (renewal streams and
// long polls are answered UNAVAILABLE, and come again elsewhere or later), and
// waits for the rest until ctx ends.
func (s *Server) Shutdown(ctx context.Context) {
	s.health.Shutdown()
	s.halt(errStopping)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.GracefulStop()
	}()
	select {
	case <-done:
	case <-ctx.Done():
		s.Stop()
		<-done
	}
}

// do feeds one event. The answer is durable; the failpoint stands for a loss
// on the way back.
func (h *handlers) do(ctx context.Context, runID string, ev schedule.Event, reply failpoint.Name) (schedule.Answer, error) {
	answer, err := h.cfg.Dispatcher.Do(ctx, runID, ev)
	if err != nil {
		return nil, err
	}
	return answer, lost(reply)
}

// hold is do for a question that may be held open: a stop ends the waiting.
func (h *handlers) hold(ctx context.Context, runID string, ev schedule.Event, reply failpoint.Name) (schedule.Answer, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(h.stopping, func() { cancel(errStopping) })()
	return h.do(ctx, runID, ev, reply)
}

func lost(reply failpoint.Name) error {
	if err := failpoint.Hit(reply); err != nil {
		return fmt.Errorf("%w: %w", dispatch.ErrUnavailable, err)
	}
	return nil
}
