package interp

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// ErrNotFound means that there is no such run or pod.
var ErrNotFound = errors.New("not found")

// Config is what an Engine needs.
type Config struct {
	DB *sql.DB
	// Dir is the home: pods/, logs/ and secrets/ lie in it.
	Dir string
	// Supervisor is the command line of a pod's supervisor.
	Supervisor []string
	// Slots caps running pods.
	Slots int
	// VanishError: a vanished pod is not made anew.
	VanishError bool
	// MaxBackoff caps the pause before a pod is restarted.
	MaxBackoff   time.Duration
	Surroundings Surroundings
	// PodProxy puts a way of the pod's own, which can be cut, between it and
	// the driver its MILLRACE_DRIVER names.
	PodProxy bool
	// Gone is told of pods whose processes have all ended. It may block.
	Gone   func(ctx context.Context, runID, podUID string)
	Logger *slog.Logger
}

// Engine runs pipelines. It is safe for concurrent use.
type Engine struct {
	cfg   Config
	store store

	mu    sync.Mutex
	runs  map[string]*machine
	pods  map[string]*livePod
	timer *time.Timer
	// closing: pods are being ended, none is started.
	closing bool
	// ctx ends when the engine does; reports run on it.
	ctx     context.Context
	cancel  context.CancelFunc
	watches sync.WaitGroup
	reports sync.WaitGroup
}

// Open loads the runs and takes up their pods.
func Open(ctx context.Context, cfg Config) (*Engine, error) {
	if cfg.MaxBackoff == 0 {
		cfg.MaxBackoff = time.Second
	}
	st, err := openStore(ctx, cfg.DB)
	if err != nil {
		return nil, err
	}
	records, err := st.load(ctx)
	if err != nil {
		return nil, err
	}
	e := &Engine{cfg: cfg, store: st, runs: map[string]*machine{}, pods: map[string]*livePod{}}
	e.ctx, e.cancel = context.WithCancel(context.WithoutCancel(ctx))
	e.mu.Lock()
	defer e.mu.Unlock()
	e.timer = time.AfterFunc(time.Hour, e.kick)
	for _, r := range records {
		p, err := Parse(r.Document)
		if err != nil {
			cfg.Logger.Error("a run's pipeline is no longer understood; the run stays as it is", "run", r.ID, "error", err)
			continue
		}
		m := e.machine(p, r)
		e.runs[r.ID] = m
		e.adopt(m)
	}
	e.settle()
	return e, nil
}

func (e *Engine) machine(p *Pipeline, r *Record) *machine {
	return &machine{p: p, r: r, rules: rules{vanishError: e.cfg.VanishError, maxBackoff: e.cfg.MaxBackoff, newUID: newUUID}}
}

// Create starts a run. The arguments are those of Pipeline.Arguments.
func (e *Engine) Create(name string, document []byte, p *Pipeline, args Values, meta json.RawMessage) (View, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	r := &Record{ID: newUUID(), Name: name, Created: time.Now().UTC(), Document: document, Args: args, Nodes: map[string]*Node{}, Meta: meta}
	m := e.machine(p, r)
	m.advance(r.Created)
	if err := e.store.save(r); err != nil {
		return View{}, err
	}
	e.runs[r.ID] = m
	e.settle()
	return m.view(), nil
}

// change does something to a run and keeps it. What fn refuses changes
// nothing.
func (e *Engine) change(id string, fn func(*machine) error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	m := e.runs[id]
	if m == nil {
		return fmt.Errorf("run %s: %w", id, ErrNotFound)
	}
	if err := fn(m); err != nil {
		return fmt.Errorf("run %s: %w", id, err)
	}
	err := e.store.save(m.r)
	e.settle()
	return err
}

// Terminate ends a run; it ends as FAILED.
func (e *Engine) Terminate(id string) error {
	return e.change(id, func(m *machine) error {
		if err := m.terminate(time.Now()); err != nil {
			return err
		}
		for _, live := range e.pods {
			if live.m == m && !live.orphan {
				live.proc.Terminate()
			}
		}
		return nil
	})
}

// Retry makes anew what failed.
func (e *Engine) Retry(id string) error {
	return e.change(id, func(m *machine) error { return m.retry(time.Now()) })
}

// SetMeta replaces what the API keeps with a run.
func (e *Engine) SetMeta(id string, meta json.RawMessage) error {
	return e.change(id, func(m *machine) error {
		m.r.Meta = meta
		return nil
	})
}

// Delete forgets a run that has ended.
func (e *Engine) Delete(id string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	m := e.runs[id]
	if m == nil {
		return fmt.Errorf("run %s: %w", id, ErrNotFound)
	}
	if m.r.Ended.IsZero() {
		return fmt.Errorf("run %s: %w: it has not ended; terminate it first", id, ErrState)
	}
	if err := e.store.delete(id); err != nil {
		return err
	}
	delete(e.runs, id)
	return nil
}

// Run returns one run.
func (e *Engine) Run(id string) (View, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	m := e.runs[id]
	if m == nil {
		return View{}, fmt.Errorf("run %s: %w", id, ErrNotFound)
	}
	return m.view(), nil
}

// Runs returns all runs, newest first.
func (e *Engine) Runs() []View {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []View
	for _, m := range e.runs {
		out = append(out, m.view())
	}
	sortNewest(out)
	return out
}

// Close ends all pods. Their runs go on when the home is opened again.
func (e *Engine) Close() {
	e.mu.Lock()
	e.closing = true
	e.timer.Stop()
	for _, live := range e.pods {
		if live.orphan {
			live.proc.Kill()
		} else {
			live.proc.Terminate()
		}
	}
	e.mu.Unlock()
	e.watches.Wait()
	done := time.AfterFunc(2*time.Second, e.cancel)
	e.reports.Wait()
	done.Stop()
	e.cancel()
}

func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// forget removes what a pod left in the home, but its log.
func (e *Engine) forget(uid string) {
	err := errors.Join(os.RemoveAll(e.podFolder(uid)), os.RemoveAll(e.exitFile(uid)))
	if err != nil {
		e.cfg.Logger.Warn("remove a pod's folder", "pod", uid, "error", err)
	}
}
