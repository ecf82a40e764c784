package rpc

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"net"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/test/bufconn"

	"github.com/millrace/millrace/internal/dispatch"
	"github.com/millrace/millrace/internal/driverclient"
	"github.com/millrace/millrace/internal/flowdef"
	"github.com/millrace/millrace/internal/runstore/sqlite"
	"github.com/millrace/millrace/internal/schedule"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const serviceToken = "the service token"

// driver is a whole driver, over a pipe instead of a port.
type driver struct {
	t      *testing.T
	path   string
	pipe   *bufconn.Listener
	server *Server
	end    func()
}

func newDriver(t *testing.T) *driver {
	d := &driver{t: t, path: filepath.Join(t.TempDir(), "driver.db")}
	d.start()
	t.Cleanup(func() { d.end() })
	return d
}

// policy has delays that a test need not wait for.
func policy() schedule.Policy {
	p := schedule.Default()
	p.InfrastructureDelay = 0
	return p
}

func (d *driver) start() {
	d.t.Helper()
	store, err := sqlite.Open(context.Background(), d.path)
	if err != nil {
		d.t.Fatal(err)
	}
	log := d.logger()
	dispatcher, err := dispatch.New(context.Background(), dispatch.Config{Store: store, Policy: policy(), LongPoll: 10 * time.Second, Logger: log})
	if err != nil {
		d.t.Fatal(err)
	}
	d.server, err = New(Config{Dispatcher: dispatcher, Policy: policy(), Token: serviceToken, Build: "driver test", Logger: log})
	if err != nil {
		d.t.Fatal(err)
	}
	d.pipe = bufconn.Listen(1 << 20)
	loop, endLoop := context.WithCancel(context.Background())
	done := make(chan struct{}, 2)
	go func() { dispatcher.Run(loop); done <- struct{}{} }()
	go func(l net.Listener) { _ = d.server.Serve(l); done <- struct{}{} }(d.pipe)
	d.end = func() {
		patience, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		d.server.Shutdown(patience)
		endLoop()
		<-done
		<-done
		_ = store.Close()
	}
}

func (d *driver) logger() *slog.Logger { return slog.New(slog.NewTextHandler(d.t.Output(), nil)) }

func (d *driver) restart() {
	d.end()
	d.start()
}

func (d *driver) dial(context.Context, string) (net.Conn, error) { return d.pipe.Dial() }

// client is a launcher's, with a token.
func (d *driver) client(token string) *driverclient.Client {
	d.t.Helper()
	c, err := driverclient.Dial(driverclient.Config{Address: "127.0.0.1:1", Token: token, Program: "launcher test"}, grpc.WithContextDialer(d.dial))
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = c.Close() })
	return c
}

// document is a definition as it is stored.
func document(t *testing.T, def *flowdef.Definition) (raw []byte, sum string) {
	t.Helper()
	raw, err := json.Marshal(def)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(raw)
	return raw, hex.EncodeToString(digest[:])
}

// open opens a run of the flow as a launcher does: first by the digest alone.
func (d *driver) open(runID string, def *flowdef.Definition) *driverclient.Client {
	d.t.Helper()
	c := d.client(serviceToken)
	raw, sum := document(d.t, def)
	parameters := `{"alpha": 0.5}`
	err := c.OpenRun(d.t.Context(), driverclient.OpenRun{RunID: runID, Definition: raw, DefinitionSHA256: sum, Parameters: &parameters})
	if err != nil {
		d.t.Fatal(err)
	}
	return c
}
