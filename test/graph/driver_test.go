package graph

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"sync"
	"testing"

	"github.com/millrace/millrace/internal/dispatch"
	"github.com/millrace/millrace/internal/flowdef"
	"github.com/millrace/millrace/internal/runstore"
	"github.com/millrace/millrace/internal/schedule"
)

// policy lets nothing wait for time.
func policy() schedule.Policy {
	p := schedule.Default()
	p.InfrastructureDelay = 0
	p.InfrastructureRetries = 40
	p.GangDeadline = 0
	return p
}

// memory is a store that forgets everything at its end.
type memory struct {
	mu          sync.Mutex
	logs        map[string][][]byte
	infos       map[string]runstore.RunInfo
	definitions map[string][]byte
	now         int64
}

func newMemory() *memory {
	return &memory{logs: map[string][][]byte{}, infos: map[string]runstore.RunInfo{}, definitions: map[string][]byte{}}
}

func (m *memory) Append(_ context.Context, now int64, batch []runstore.Append) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, a := range batch {
		if a.After != uint64(len(m.logs[a.RunID])) {
			return runstore.ErrFenced
		}
	}
	for _, a := range batch {
		m.logs[a.RunID] = append(m.logs[a.RunID], a.Records...)
		if a.Info != nil {
			m.infos[a.RunID] = *a.Info
		}
	}
	m.now = max(m.now, now)
	return nil
}

func (m *memory) Load(_ context.Context, runID string, fn func(uint64, []byte) error) error {
	m.mu.Lock()
	records, ok := m.logs[runID]
	m.mu.Unlock()
	if !ok {
		return runstore.ErrUnknownRun
	}
	for i, r := range records {
		if err := fn(uint64(i+1), r); err != nil {
			return err
		}
	}
	return nil
}

func (m *memory) Info(_ context.Context, runID string) (runstore.RunInfo, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	info, ok := m.infos[runID]
	if !ok {
		return info, runstore.ErrUnknownRun
	}
	return info, nil
}

func (m *memory) List(context.Context, runstore.ListOptions) ([]runstore.RunInfo, error) {
	return nil, nil
}

func (m *memory) PutDefinition(_ context.Context, sum string, definition []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.definitions[sum] = definition
	return nil
}

func (m *memory) Definition(_ context.Context, sum string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, ok := m.definitions[sum]
	if !ok {
		return nil, runstore.ErrUnknownDefinition
	}
	return d, nil
}

func (m *memory) Clock(context.Context) (int64, error) { return m.now, nil }

func (m *memory) Close() error { return nil }

// direct is the driver without its wire: the core, its loop, and a log.
type direct struct {
	ctx   context.Context
	d     *dispatch.Dispatcher
	runID string
	raw   []byte
	sum   string
}

// newDispatcher starts a driver's loop over a store in memory.
func newDispatcher(t *testing.T) *dispatch.Dispatcher {
	t.Helper()
	d, err := dispatch.New(t.Context(), dispatch.Config{
		Store: newMemory(), Policy: policy(), Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { d.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	return d
}

func newDirect(ctx context.Context, d *dispatch.Dispatcher, runID string, def *flowdef.Definition) (*direct, error) {
	raw, err := json.Marshal(def)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(raw)
	return &direct{ctx, d, runID, raw, hex.EncodeToString(sum[:])}, nil
}

func (d *direct) open(parameters *string, resume *schedule.Resume) error {
	return d.d.Open(d.ctx, dispatch.Opening{
		RunID: d.runID, Definition: d.raw, DefinitionSHA256: d.sum, Parameters: parameters, Resume: resume,
	})
}

func (d *direct) do(ev schedule.Event) (schedule.Answer, error) { return d.d.Do(d.ctx, d.runID, ev) }
