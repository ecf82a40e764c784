package dev

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	_ "modernc.org/sqlite" // registers the driver of kfp.db

	"github.com/millrace/millrace/internal/dev/guard"
	"github.com/millrace/millrace/internal/dev/home"
	"github.com/millrace/millrace/internal/dev/interp"
	"github.com/millrace/millrace/internal/dev/kfpapi"
	"github.com/millrace/millrace/internal/driver/serve"
	"github.com/millrace/millrace/internal/metadataservice"
)

// askEvery is how often the driver asks about its runs: nothing travels.
const askEvery = time.Second

// stack is the roles of one process. stop ends what start began, however far
// that came.
type stack struct {
	cfg    Config
	home   *home.Home
	record home.Record
	log    *slog.Logger

	// ends are what stop does, last first.
	ends []func() error
	// failed receives the first failure of a role.
	failed chan error
	// engine runs the pods, once it is there.
	engine atomic.Pointer[interp.Engine]
}

func (s *stack) start(ctx context.Context) error {
	s.failed = make(chan error, 4)
	headers, err := s.secrets()
	if err != nil {
		return err
	}
	// The driver first and the pods last, so that each finds the ones it
	// needs; they end in the other order.
	gone := s.external()
	if s.cfg.serves(RoleDriver) {
		if gone, err = s.startDriver(ctx, headers); err != nil {
			return err
		}
	}
	if s.cfg.serves(RoleMetadata) {
		if err := s.startMetadata(); err != nil {
			return err
		}
	}
	if s.cfg.serves(RoleKFP) {
		return s.startKFP(ctx, gone)
	}
	return nil
}

// stop ends the roles and says in dev.json that nothing runs.
func (s *stack) stop() error {
	var errs []error
	for i := len(s.ends) - 1; i >= 0; i-- {
		errs = append(errs, s.ends[i]())
	}
	s.record.PID, s.record.Instance = 0, ""
	return errors.Join(append(errs, s.home.WriteRecord(s.record))...)
}

// secrets writes what pods get as a Kubernetes secret, and returns the
// headers for the metadata service.
func (s *stack) secrets() (string, error) {
	headers, err := json.Marshal(map[string]string{"Authorization": "Bearer " + s.home.Token})
	if err != nil {
		return "", err
	}
	err = s.home.WriteSecret("millrace", "token", s.home.Token)
	if err == nil {
		err = s.home.WriteSecret("millrace", "service-headers", string(headers))
	}
	return string(headers), err
}

// startDriver serves the driver in this process.
func (s *stack) startDriver(ctx context.Context, headers string) (goneFunc, error) {
	c := s.cfg.Serve
	c.Listen, c.HTTPListen = s.address(s.record.Driver), s.address(strings.TrimPrefix(s.record.DriverHTTP, "http://"))
	c.Store, c.Token, c.LauncherDir = s.home.Path("driver.db"), s.home.Token, s.cfg.LauncherDir
	c.ServiceHeaders, c.Logger = headers, s.log.With("role", RoleDriver)
	c.Ended, c.AskEvery = s.ended, askEvery
	server, err := serve.Start(context.WithoutCancel(ctx), c)
	if err != nil {
		return nil, s.portTaken(err)
	}
	at := server.Addresses()
	s.record.Driver, s.record.DriverHTTP = at.GRPC, "http://"+at.HTTP
	go func() {
		if err := server.Wait(); err != nil {
			s.fail(fmt.Errorf("driver: %w", err))
		}
	}()
	s.ends = append(s.ends, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), stopPatience)
		defer cancel()
		return server.Stop(ctx)
	})
	return func(ctx context.Context, runID, podUID string) error { return server.WorkerGone(ctx, runID, podUID) }, nil
}

// ended says how a run ended here, as a cluster's KFP would be asked.
func (s *stack) ended(_ context.Context, runID string) (string, error) {
	engine := s.engine.Load()
	if engine == nil {
		return "", nil // not up yet, or served elsewhere
	}
	run, err := engine.Run(strings.TrimPrefix(runID, runPrefix))
	if errors.Is(err, interp.ErrNotFound) || err == nil && run.Ended.IsZero() {
		return "", nil
	}
	return run.State, err
}

func (s *stack) startMetadata() error {
	service, err := metadataservice.Open(s.home.Path("metadata.db"))
	if err != nil {
		return err
	}
	s.ends = append(s.ends, service.Close)
	log := s.log.With("role", RoleMetadata)
	s.record.Metadata, err = s.serve(s.record.Metadata, RoleMetadata, guard.Config{
		MaxBody: 64 << 20,
		// The stock client beats without naming a type.
		Untyped: func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/heartbeat") },
		Deny: func(w http.ResponseWriter, status int, message string) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_ = json.NewEncoder(w).Encode(map[string]string{"message": message}) // the client is gone when this fails
		},
	}, service.Handler(log))
	return err
}

func (s *stack) startKFP(ctx context.Context, gone goneFunc) error {
	db, err := sql.Open("sqlite", "file:"+s.home.Path("kfp.db")+"?_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)&_pragma=busy_timeout(5000)")
	if err != nil {
		return fmt.Errorf("open kfp.db: %w", err)
	}
	db.SetMaxOpenConns(1)
	s.ends = append(s.ends, db.Close)
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program, which supervises pods: %w", err)
	}
	log := s.log.With("role", RoleKFP)
	engine, err := interp.Open(ctx, interp.Config{
		DB: db, Dir: s.home.Dir, Supervisor: []string{self, "dev", "pod-supervise"}, Slots: s.cfg.Slots,
		VanishError: s.cfg.Vanish == VanishError, PodProxy: s.cfg.PodProxy, Logger: log,
		Surroundings: interp.Surroundings{Python: s.cfg.Python, Path: []string{s.cfg.LauncherDir}, Env: s.cfg.Datastore.Credentials(s.cfg.Environ)},
		Gone:         gone.patient(log),
	})
	if err != nil {
		return err
	}
	s.ends = append(s.ends, func() error { engine.Close(); return nil })
	s.engine.Store(engine)
	api, err := kfpapi.Open(ctx, db, engine, s.cfg.PodProxy, log)
	if err != nil {
		return err
	}
	s.record.KFP, err = s.serve(s.record.KFP, RoleKFP, guard.Config{
		MaxBody: interp.MaxDocument + 1<<20, Multipart: kfpapi.Upload, Deny: kfpapi.Deny,
	}, api.Handler())
	return err
}

// address is where a role listens: where it did last time, because pipelines
// and shells remember it.
func (s *stack) address(last string) string {
	if last == "" {
		return "127.0.0.1:0"
	}
	return last
}

func (s *stack) portTaken(err error) error {
	return fmt.Errorf("%w (if another program took a port of this home: end it, or remove %s and create your flows again)", err, s.home.Path("dev.json"))
}

// serve opens a guarded port.
func (s *stack) serve(last, role string, g guard.Config, next http.Handler) (string, error) {
	listener, err := net.Listen("tcp", s.address(last))
	if err != nil {
		return last, s.portTaken(fmt.Errorf("serve %s: %w", role, err))
	}
	g.Address, g.Token = listener.Addr().String(), s.home.Token
	server := &http.Server{Handler: guard.Handler(g, next), ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelWarn)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.fail(fmt.Errorf("serve %s: %w", role, err))
		}
	}()
	s.ends = append(s.ends, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), stopPatience)
		defer cancel()
		err := server.Shutdown(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			err = server.Close()
		}
		<-done
		return err
	})
	return g.Address, nil
}

// fail ends the stack; only the first reason counts.
func (s *stack) fail(err error) {
	select {
	case s.failed <- err:
	default:
	}
}
