package serve

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/millrace/millrace/internal/driverclient"
	"github.com/millrace/millrace/internal/flowdef"
	"github.com/millrace/millrace/internal/objstore/objstoretest"
	"github.com/millrace/millrace/internal/schedule"
	"github.com/millrace/millrace/internal/schedule/scheduletest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const token = "the token"

func config(t *testing.T) Config {
	return Config{
		Listen: "127.0.0.1:0", HTTPListen: "127.0.0.1:0", Store: filepath.Join(t.TempDir(), "driver.db"), Token: token,
		Policy: schedule.Default(), LongPoll: time.Second, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
}

func start(t *testing.T, cfg Config) *Server {
	t.Helper()
	s, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, s) })
	return s
}

func stop(t *testing.T, s *Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := s.Stop(ctx); err != nil {
		t.Errorf("stop: %v", err)
	}
}

// open opens a run at the server.
func open(t *testing.T, s *Server, ca, runID string, def *flowdef.Definition) *driverclient.Client {
	t.Helper()
	c, err := driverclient.Dial(driverclient.Config{Address: s.Addresses().GRPC, Token: token, CA: ca, Program: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	raw, err := json.Marshal(def)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(raw)
	if err := c.OpenRun(t.Context(), driverclient.OpenRun{RunID: runID, Definition: raw, DefinitionSHA256: hex.EncodeToString(sum[:])}); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestRefusals(t *testing.T) {
	certificate, key := objstoretest.SelfSigned(t)
	for _, tt := range []struct {
		name   string
		change func(*Config)
		says   string
	}{
		{"no token", func(c *Config) { c.Token = "" }, "MILLRACE_TOKEN"},
		{"no store", func(c *Config) { c.Store = "" }, "--store"},
		{"every interface without TLS", func(c *Config) { c.Listen = ":0" }, "--listen"},
		{"off loopback without TLS", func(c *Config) { c.HTTPListen = "0.0.0.0:0" }, "--http-listen"},
		{"no port", func(c *Config) { c.Listen = "127.0.0.1" }, "--listen"},
		{"half of TLS", func(c *Config) { c.TLSCert = certificate }, "--tls-key"},
		{"the wrong way round", func(c *Config) { c.TLSCert, c.TLSKey = key, certificate }, "--tls-cert"},
		{"no such certificate", func(c *Config) { c.TLSCert, c.TLSKey = "/nowhere", key }, "/nowhere"},
		{"headers", func(c *Config) { c.ServiceHeaders = `["x-api-key"]` }, "METAFLOW_SERVICE_HEADERS"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := config(t)
			tt.change(&cfg)
			s, err := Start(t.Context(), cfg)
			if err == nil {
				stop(t, s)
			}
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %v, want one that names %s", err, tt.says)
			}
		})
	}
}

func TestOneDriverPerStore(t *testing.T) {
	cfg := config(t)
	s := start(t, cfg)
	if _, err := Start(t.Context(), cfg); err == nil {
		t.Error("a second driver took the store")
	}
	cfg.Store += "2"
	cfg.Listen = s.Addresses().GRPC
	if _, err := Start(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "--listen") {
		t.Errorf("a taken port: %v", err)
	}
}

// TestStopAndStart: runs outlive the server, also when it goes down with a
// question held open and a lease being renewed.
func TestStopAndStart(t *testing.T) {
	cfg := config(t)
	cfg.LongPoll = 20 * time.Second
	s := start(t, cfg)
	c := open(t, s, "", "kfp-1", scheduletest.Flow("only end"))
	for worker, incarnation := range []string{"w0", "w1"} {
		if _, err := c.JoinPool(t.Context(), driverclient.Join{Pool: "only", Worker: worker, Incarnation: incarnation, PodUID: incarnation}); err != nil {
			t.Fatal(err)
		}
	}
	leased, err := c.AcquireLease(t.Context(), "w0", 0, "")
	if err != nil || leased.Task == nil {
		t.Fatalf("%+v, %v", leased, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	held := make(chan struct{})
	go func() {
		defer close(held)
		_, _ = c.AcquireLease(ctx, "w1", 0, "")
	}()
	for s.dispatcher.Stats().Parked.Load() == 0 {
		runtime.Gosched()
	}
	stop(t, s)
	cancel()
	<-held

	s = start(t, cfg)
	again := open(t, s, "", "kfp-1", scheduletest.Flow("only end"))
	if got, err := again.AcquireLease(t.Context(), "w0", 0, ""); err != nil || got.Task == nil || got.Task.Token != leased.Task.Token {
		t.Errorf("after the restart: %+v, %v", got, err)
	}
	if err := s.WorkerGone(t.Context(), "kfp-1", "w0"); err != nil {
		t.Error(err)
	}
	if got, err := again.AcquireLease(t.Context(), "w1", 0, ""); err != nil || got.Task == nil || got.Task.Ref != leased.Task.Ref {
		t.Errorf("after the worker's end: %+v, %v", got, err)
	}
}

func TestEndOfContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s, err := Start(ctx, config(t))
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := s.Wait(); err != nil {
		t.Errorf("ended with %v", err)
	}
}
